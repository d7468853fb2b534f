"""Layer c: the compact image in steps of grey levels, 1 for lossless.

step u8 | coded picture of round(ĉ / step)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dsslic_jax.codec.coders.registry import LayerDecoder, LosslessCoder
from dsslic_jax.errors import CoderFailed, StreamError

# More are never tried with the context coder: it is slow, and JPEG XL does better on them.
CONTEXT_SAMPLES = 1 << 13


def encode(
    compact: np.ndarray, step: int, coders: Sequence[LosslessCoder]
) -> tuple[str, bytes, np.ndarray]:
    """ĉ uint8 [h, w, 3] -> the name of the coder that takes least, the bytes of layer c, and ĉ as a decoder has it.

    Raises CoderFailed if a coder loses anything: external programs can fail without saying so.
    """
    levels = compact if step == 1 else np.round(compact / np.float32(step)).astype(np.uint8)
    tried = []
    for coder in coders:
        if coder.name == "context" and levels.size > CONTEXT_SAMPLES:
            continue
        coded = coder.encode(levels)
        if not np.array_equal(coder.decode(coded, levels.shape), levels):
            raise CoderFailed(
                f"{coder.name} did not give back the compact image it was given to code"
            )
        tried.append((coder.name, coded))
    name, coded = min(tried, key=lambda one: len(one[1]))
    return name, bytes([step]) + coded, _times(levels, step)


def decode(payload: bytes, shape: tuple[int, ...], decoder: LayerDecoder) -> np.ndarray:
    """ĉ, uint8 of `shape`, from the bytes of layer c. Raises StreamError, CoderFailed or CoderUnavailable."""
    if not payload or not payload[0]:
        raise StreamError("layer c opens with no step")
    return _times(decoder.decode(payload[1:], shape), payload[0])


def _times(levels: np.ndarray, step: int) -> np.ndarray:
    return np.minimum(levels.astype(np.uint16) * step, 255).astype(np.uint8)
