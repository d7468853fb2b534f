"""All residual layers of a picture, each coding what the ones before leave, and each enhanced where that helps."""

from collections.abc import Mapping, Sequence

import numpy as np

from dsslic_jax.codec.coders.coder import Context, LossyCoder
from dsslic_jax.codec.coders.registry import OpenCoders
from dsslic_jax.codec.layers import residual
from dsslic_jax.codec.layers.residual import ResidualSettings, read_opening, with_strength
from dsslic_jax.codec.networks.predictor import Enhancer, Progress
from dsslic_jax.codec.stream.container import Header
from dsslic_jax.metrics import mean_squared_error


def encode_all(
    picture: np.ndarray,
    coarse: np.ndarray,
    context: Context,
    layers: Sequence[ResidualSettings],
    coder: LossyCoder,
    enhancer: Enhancer | None,
    decode_last: bool,
    progress: Progress,
) -> tuple[list[bytes], np.ndarray]:
    """The bytes of every layer, and the picture decoded up to the last but one, or (`decode_last`) the last.

    Of x and x', uint8 [H, W, 3]; without `enhancer` no layer is enhanced. Raises as `residual.encode` does.
    """
    payloads, so_far = [], coarse
    span = residual.span(picture, coarse, layers[0].prediction_gain)
    for i, how in enumerate(layers):
        progress("residual", i, len(layers))
        payload = residual.encode(picture, so_far, context, how, coder, span)
        if enhancer is not None or decode_last or i < len(layers) - 1:
            so_far = residual.decode(payload, so_far, context, coder, first=i == 0)
        if enhancer is not None:
            # Kept where it lowers the error.
            strength = coder.strength(how.quality)
            enhanced = enhancer(so_far, context.labels, strength)
            if mean_squared_error(picture, enhanced) < mean_squared_error(picture, so_far):
                payload, so_far = with_strength(payload, strength), enhanced
        payloads.append(payload)
    return payloads, so_far


def take_from_coarse(layers: Mapping[str, bytes]) -> bool:
    """Whether the first residual layer among `layers` depends on x'; StreamError for one that cannot be."""
    return "r1" in layers and read_opening(layers["r1"])[0].prediction_gain > 0


def decode_all(
    header: Header,
    layers: Mapping[str, bytes],
    coarse: np.ndarray,
    context: Context,
    coders: OpenCoders,
    enhancer: Enhancer | None,
) -> np.ndarray | None:
    """x̂ from x', s and the residual layers among `layers`; None where there are none. Raises as `Codec.decode`.

    Where the layers do not `take_from_coarse`, of `coarse` only the shape is looked at.
    """
    picture = None
    for layer in header.layers:
        if layer.kind == "r" and layer.name in layers:
            so_far, first = (coarse, True) if picture is None else (picture, False)
            decoder, payload = coders.decoder("r", layer.coder), layers[layer.name]
            picture = residual.decode(payload, so_far, context, decoder, first, enhancer)
    return picture
