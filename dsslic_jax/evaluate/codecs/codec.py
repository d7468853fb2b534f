"""What an evaluation needs of a codec that turns a picture into one file with nothing to see before its end.

Every coder runs on one thread, so that several can run side by side and times can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dsslic_jax.errors import CoderFailed, ConfigError


@dataclass(frozen=True)
class SettingRange:
    """What a codec's setting is and may be.

    Attributes:
        means: for a reader of the results, such as "quality".
        low, high: the ends, both allowed.
        whole: only whole numbers.
    """

    means: str
    low: float
    high: float
    whole: bool = True

    def check(self, codec: str, settings: Sequence[float]) -> None:
        """Raises ConfigError for no settings, one that is out of range, or one given twice."""
        if not settings:
            raise ConfigError(f"no settings for {codec}: name at least one {self.means}")
        for setting in settings:
            if not self.low <= setting <= self.high or (self.whole and setting % 1):
                kind = "a whole number" if self.whole else "a number"
                raise ConfigError(
                    f"{codec}: {setting:g} is not {self.means}, {kind} from {self.low:g} to {self.high:g}"
                )
        if len(set(settings)) != len(settings):
            given = ", ".join(f"{setting:g}" for setting in settings)
            raise ConfigError(f"{codec}: the settings {given} name one of them twice")


@dataclass(frozen=True)
class FileCodec:
    """One codec and the points at which it is measured.

    Attributes:
        name: what results call it.
        suffix: ending of its files, with the dot.
        setting_range: what its setting is.
        settings: measured unless others are asked for, lowest rate first: about 24 to 42 dB on photographs.
        version: of the encoder, with the choices that never change.
        encode: (uint8 [H, W, 3], setting) -> bytes of a file; raises CoderFailed.
        decode: (bytes, shape) -> uint8 picture of exactly that shape; raises CoderFailed.
        framing_bytes: of each file, what is this project's own way to hold several files in one: not counted.
    """

    name: str
    suffix: str
    setting_range: SettingRange
    settings: tuple[float, ...]
    version: str
    encode: Callable[[np.ndarray, float], bytes]
    decode: Callable[[bytes, tuple[int, ...]], np.ndarray]
    framing_bytes: int = 0


QUALITY = SettingRange("quality", 0, 100)
DISTANCE = SettingRange("Butteraugli distance", 0.01, 25, whole=False)
RATIO = SettingRange("compression ratio, bytes of samples per byte", 1, math.inf, whole=False)
QUANTISER = SettingRange("bpgenc's -q", 0, 51)


def checked(name: str, picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The decoded picture, if it is uint8 of that shape; CoderFailed otherwise."""
    if picture.dtype != np.uint8 or picture.shape != shape:
        raise CoderFailed(
            f"{name} decoded {picture.dtype} {list(picture.shape)} instead of uint8 {list(shape)}"
        )
    return picture
