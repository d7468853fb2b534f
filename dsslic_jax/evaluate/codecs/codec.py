"""What an evaluation needs of a codec that turns a picture into one file with nothing to see before its end.

Every coder runs on one thread, so that several can run side by side and times can be compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dsslic_jax.errors import ConfigError


@dataclass(frozen=True)
class SettingRange:
    """What a codec's setting is and may be."""

    means: str  # for a reader of the results, such as "quality"
    low: float  # both ends are allowed
    high: float
    whole: bool = True  # only whole numbers

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
    """One codec and the points at which it is measured."""

    name: str  # what results call it
    suffix: str  # ending of its files, with the dot
    setting_range: SettingRange  # what its setting is
    # Measured unless others are asked for, lowest rate first: about 24 to 42 dB on photographs.
    settings: tuple[float, ...]
    version: str  # of the encoder, with the choices that never change
    # (uint8 [H, W, 3], setting) -> bytes of a file; raises CoderFailed.
    encode: Callable[[np.ndarray, float], bytes]
    # (bytes, shape) -> uint8 picture of exactly that shape; raises CoderFailed.
    decode: Callable[[bytes, tuple[int, ...]], np.ndarray]
    # Of each file, what is this project's own way to hold several files in one: not counted.
    framing_bytes: int = 0
