"""Layer c: the compact image in steps of grey levels, 1 for lossless.

step u8 | coded picture of round(ĉ / step)
"""

import math
from collections.abc import Sequence

import numpy as np

from dsslic_jax.codec.coders.coder import Context, LayerDecoder, encode_exactly
from dsslic_jax.codec.coders.registry import Opened
from dsslic_jax.errors import StreamError


def encode(
    compact: np.ndarray, step: int, coders: Sequence[Opened], context: Context
) -> tuple[str, bytes, np.ndarray]:
    """ĉ uint8 [h, w, 3] -> the stream's name of the coder that takes least, the bytes of layer c, and ĉ as decoded.

    Raises CoderFailed if a coder loses anything.
    """
    levels = compact if step == 1 else np.round(compact / np.float32(step)).astype(np.uint8)
    tried = [c for c in coders if levels.size <= (c.record.most_samples or math.inf)] or coders
    coded = [encode_exactly(each.coder, levels, context, "c") for each in tried]
    used, least = min(zip(tried, coded, strict=True), key=lambda one: len(one[1]))
    return used.record.stream_name, bytes([step]) + least, _times(levels, step)


def decode(
    payload: bytes, shape: tuple[int, ...], decoder: LayerDecoder, context: Context
) -> np.ndarray:
    """ĉ, uint8 of `shape`, from the bytes of layer c. Raises StreamError, CoderFailed or CoderUnavailable."""
    if not payload or not payload[0]:
        raise StreamError("layer c opens with no step")
    return _times(decoder.decode(payload[1:], shape, context), payload[0])


def _times(levels: np.ndarray, step: int) -> np.ndarray:
    return np.minimum(levels.astype(np.uint16) * step, 255).astype(np.uint8)
