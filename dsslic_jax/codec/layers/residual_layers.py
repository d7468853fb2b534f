"""All residual layers of a picture, each coding what the ones before leave, and each enhanced where that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dsslic_jax.codec.coders.registry import LossyCoder, decoder_for
from dsslic_jax.codec.layers import residual
from dsslic_jax.codec.layers.residual import ResidualSettings
from dsslic_jax.codec.layers.residual_opening import read_opening, with_strength
from dsslic_jax.codec.networks.enhancement import Enhancer
from dsslic_jax.codec.settings import CodingSettings
from dsslic_jax.codec.stream.container import Header
from dsslic_jax.metrics import mean_squared_error

if TYPE_CHECKING:
    from dsslic_jax.codec.networks.predictor import Progress

STRENGTH_TRIALS = (0,)  # added to the strength that the quality means; the best of them is kept


def layer_settings(
    settings: CodingSettings, quality: float, weights: dict[int, float]
) -> list[ResidualSettings]:
    """How each layer is coded for a quality of the last; `settings` without "auto" in their prediction gain."""
    assert not isinstance(settings.prediction_gain, str)
    gains = [settings.prediction_gain] + [1.0] * (settings.layers - 1)
    return [
        ResidualSettings(
            quality=layer_quality,
            mapping=settings.residual,
            bits=settings.residual_bits,
            colour=settings.residual_colour,
            weights=weights,
            prediction_gain=gain,
        )
        for layer_quality, gain in zip(settings.qualities(quality), gains, strict=True)
    ]


def encode_all(
    picture: np.ndarray,
    coarse: np.ndarray,
    labels: np.ndarray | None,
    layers: Sequence[ResidualSettings],
    coder: LossyCoder,
    enhancer: Enhancer | None,
    decode_last: bool,
    progress: Progress,
) -> tuple[list[bytes], np.ndarray]:
    """The bytes of every layer, and the picture decoded up to the last but one, or (`decode_last`) the last.

    Args:
      picture: x, uint8 [H, W, 3].
      coarse: x', uint8 [H, W, 3].
      labels: s, uint8 [H, W] as decoded, or None; for weights and the enhancer.
      layers: how each is coded; one quality means one error in all of them.
      enhancer: the model's; None does without.

    Raises CoderFailed, CoderUnavailable.
    """
    payloads, so_far = [], coarse
    span = residual.span(picture, coarse, layers[0].prediction_gain)
    for i, how in enumerate(layers):
        progress("residual", i, len(layers))
        payload = residual.encode(picture, so_far, labels, how, coder, span)
        if enhancer is not None or decode_last or i < len(layers) - 1:
            so_far = residual.decode(payload, so_far, labels, coder, first=i == 0)
        if enhancer is not None:
            payload, so_far = _enhanced(picture, payload, so_far, labels, how.strength, enhancer)
        payloads.append(payload)
    return payloads, so_far


def _enhanced(
    picture: np.ndarray,
    payload: bytes,
    decoded: np.ndarray,
    labels: np.ndarray | None,
    strength: int,
    enhancer: Enhancer,
) -> tuple[bytes, np.ndarray]:
    """The layer, flagged where enhancing what was decoded of it lowers the error, and the picture it then gives."""
    least, best = mean_squared_error(picture, decoded), (payload, decoded)
    for trial in STRENGTH_TRIALS:
        tried = max(strength + trial, 1)
        made = enhancer(decoded, labels, tried)
        error = mean_squared_error(picture, made)
        if error < least:
            least, best = error, (with_strength(payload, tried), made)
    return best


def take_from_coarse(layers: Mapping[str, bytes]) -> bool:
    """Whether the first residual layer among `layers` depends on x'; StreamError for one that cannot be."""
    return "r1" in layers and read_opening(layers["r1"])[0].prediction_gain > 0


def decode_all(
    header: Header,
    layers: Mapping[str, bytes],
    coarse: np.ndarray,
    labels: np.ndarray | None,
    codecs: str,
    programs: Mapping[str, str] | None,
    enhancer: Enhancer | None,
) -> np.ndarray | None:
    """x̂ from x', s and the residual layers among `layers`; None where there are none. Raises as `Codec.decode`.

    Where the layers do not `take_from_coarse`, of x' only the shape is looked at.
    """
    picture = None
    for layer in header.layers:
        if layer.kind == "r" and layer.name in layers:
            first = picture is None
            so_far = coarse if picture is None else picture
            decoder = decoder_for(layer.coder, codecs, programs)
            payload = layers[layer.name]
            picture = residual.decode(payload, so_far, labels, decoder, first, enhancer)
    return picture
