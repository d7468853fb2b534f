"""All residual layers of a picture, each coding what the ones before leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dsslic_jax.codec import residual
from dsslic_jax.codec.coders import LossyCoder, decoder_for
from dsslic_jax.codec.container import Header
from dsslic_jax.codec.residual import ResidualSettings

if TYPE_CHECKING:
    from dsslic_jax.codec.predictor import Progress


def encode_all(
    picture: np.ndarray,
    coarse: np.ndarray,
    labels: np.ndarray | None,
    layers: Sequence[ResidualSettings],
    coder: LossyCoder,
    decode_last: bool,
    progress: Progress,
) -> tuple[list[bytes], np.ndarray]:
    """The bytes of every layer, and the picture decoded up to the last but one, or (`decode_last`) the last.

    Args:
      picture: x, uint8 [H, W, 3].
      coarse: x', uint8 [H, W, 3].
      labels: s, uint8 [H, W] as decoded; needed for weights only.
      layers: how each is coded; one quality means one error in all of them.

    Raises CoderFailed, CoderUnavailable.
    """
    payloads, so_far = [], coarse
    span = residual.span(picture, coarse, layers[0].prediction_gain)
    for i, how in enumerate(layers):
        progress("residual", i, len(layers))
        payload = residual.encode(picture, so_far, labels, how, coder, span)
        if decode_last or i < len(layers) - 1:
            so_far = residual.decode(payload, so_far, labels, coder, first=i == 0)
        payloads.append(payload)
    return payloads, so_far


def decode_all(
    header: Header,
    layers: Mapping[str, bytes],
    coarse: np.ndarray,
    labels: np.ndarray | None,
    codecs: str,
    programs: Mapping[str, str] | None,
) -> np.ndarray | None:
    """x̂ from x', s and the residual layers among `layers`; None where there are none. Raises as `Codec.decode`."""
    picture = None
    for layer in header.layers:
        if layer.kind == "r" and layer.name in layers:
            first = picture is None
            so_far = coarse if picture is None else picture
            decoder = decoder_for(layer.coder, codecs, programs)
            picture = residual.decode(layers[layer.name], so_far, labels, decoder, first=first)
    return picture
