"""Heights and widths that an exported network takes."""

from __future__ import annotations

from typing import NamedTuple

from dsslic_jax.errors import ConfigError


class Sizes(NamedTuple):
    """Multiples of `multiple`, at least `least`, in pixels of the picture."""

    multiple: int
    least: int

    def check(self, size: tuple[int, int]) -> None:
        """Raises ConfigError for a (height, width) that is none of them."""
        if any(side % self.multiple or side < self.least for side in size):
            raise ConfigError(
                f"height and width are multiples of {self.multiple}, at least {self.least}"
            )
