"""Quality by object: what an error in each class weighs, and the smooth mask by which the residual is scaled.

An error in a class of weight w counts w times: its residual is coded enlarged by sqrt(w), so that its squared error
shrinks by w. Both sides make the mask from the decoded label map, so the weights are all that is sent:

    classes u8 | per class: id u8, gain u8 (2 ** ((gain - 128) / 16))
"""

import difflib
import math
from collections.abc import Mapping

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.errors import ConfigError, StreamError

MAX_WEIGHT = 256.0  # and 1 / 256 the least
RADIUS = 8  # pixels of each of two box filters: a hard edge in the residual would cost bits
MARGIN = 2 * RADIUS  # how far around a pixel the mask looks
_STEPS_PER_OCTAVE = 16


def parse_weights(text: str, classes: ClassTable) -> dict[int, float]:
    """ "person=4,sky=0.25" -> {class id: weight}; the other classes have weight 1.

    Raises ConfigError for a class the table does not have or a weight out of 1/256 … 256.
    """
    weights: dict[int, float] = {}
    for entry in text.split(",") if text else ():
        name, separator, number = entry.partition("=")
        ids = classes.ids_of(name)
        if not separator or not ids:
            known = [name.casefold() for name in classes.names]
            close = difflib.get_close_matches(name.strip().casefold(), known, 3)
            wanted = f"write CLASS=NUMBER with a class of {classes.name}"
            guess = f" ({', '.join(close)}?)" if close else ""
            raise ConfigError(f"weights {entry.strip()!r}: {wanted}{guess}")
        try:
            weight = float(number)
        except ValueError as error:
            raise ConfigError(f"weights {entry.strip()!r}: {number!r} is not a number") from error
        if not 1 / MAX_WEIGHT <= weight <= MAX_WEIGHT:
            raise ConfigError(f"weights {entry.strip()!r}: a weight is 1/256 to 256")
        weights.update(dict.fromkeys(ids, weight))
    return weights


def pack_weights(weights: Mapping[int, float]) -> bytes:
    """The bytes that carry the weights in layer r."""
    packed = bytes([len(weights)])
    for class_id, weight in sorted(weights.items()):
        gain = round(_STEPS_PER_OCTAVE * math.log2(weight) / 2) + 128
        packed += bytes([class_id, gain])
    return packed


def unpack_gains(payload: bytes, position: int) -> tuple[np.ndarray, int]:
    """log2 of the gain of every class id, float32 [256], and the position after it. Raises StreamError."""
    count = payload[position] if position < len(payload) else 0
    end = position + 1 + 2 * count
    if not count or end > len(payload):
        raise StreamError("a residual layer is cut short inside its weights")
    log2_gains = np.zeros(256, np.float32)
    for i in range(position + 1, end, 2):
        log2_gains[payload[i]] = (payload[i + 1] - 128) / _STEPS_PER_OCTAVE
    return log2_gains, end


def gain_mask(labels: np.ndarray, log2_gains: np.ndarray) -> np.ndarray:
    """s uint8 [H, W] and the gains by class -> the factor of each pixel's residual, float32 [H, W, 1]."""
    from scipy.ndimage import uniform_filter

    smooth = log2_gains[labels]
    for _ in range(2):
        smooth = uniform_filter(smooth, 2 * RADIUS + 1, mode="nearest")
    return np.exp2(smooth)[..., None]
