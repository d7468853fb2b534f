"""10-bit samples in the 16 bits of PNG: white stays white, and nothing is lost on the way back.

bpgenc brings 16-bit samples to its own depth, and bpgdec shows 10-bit files in 16 bits.
"""

from __future__ import annotations

import numpy as np

_WHITE_10, _WHITE_16 = 1023, 65535


def widen(samples: np.ndarray) -> np.ndarray:
    """uint16 in 0..1023 to the nearest in 0..65535; both `narrow` and `>> 6` give them back."""
    scaled = samples.astype(np.uint32) * _WHITE_16 + _WHITE_10 // 2
    return (scaled // _WHITE_10).astype(np.uint16)


def narrow(samples: np.ndarray) -> np.ndarray:
    """uint16 in 0..65535 to the nearest in 0..1023."""
    scaled = samples.astype(np.uint32) * _WHITE_10 + _WHITE_16 // 2
    return (scaled // _WHITE_16).astype(np.uint16)
