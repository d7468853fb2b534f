"""What a network is as a program of its own, for exported files: its inputs and the sizes that it takes.

Light to import: JAX does not come with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from dsslic_jax.errors import ConfigError


class Sizes(NamedTuple):
    """Heights and widths that a program takes: multiples of `multiple`, at least `least`, in pixels of the picture."""

    multiple: int
    least: int

    def check(self, size: tuple[int, int]) -> None:
        """Raises ConfigError for a (height, width) that is none of them."""
        if any(side % self.multiple or side < self.least for side in size):
            raise ConfigError(
                f"height and width are multiples of {self.multiple}, at least {self.least}"
            )


class Input(NamedTuple):
    """One array that a program takes, for pictures of H x W pixels.

    Attributes:
      name: what programs call it.
      kind: "labels", int32 [B, H, W]; "picture", float32 [B, H, W, 3] in [-1, 1]; "number", float32 [B].
      reduced: how many times fewer rows and columns than the picture it has.
    """

    name: str
    kind: str
    reduced: int = 1

    @property
    def dtype(self) -> str:
        """The type of its numbers."""
        return "int32" if self.kind == "labels" else "float32"

    def shape(self, batch: Any, height: Any, width: Any) -> tuple[Any, ...]:
        """Its shape for so many pictures of a size, of numbers or of symbols."""
        if self.kind == "number":
            return (batch,)
        sides = height // self.reduced, width // self.reduced
        return (batch, *sides) if self.kind == "labels" else (batch, *sides, 3)


LABELS = Input("labels", "labels")
PICTURE = Input("picture", "picture")


@dataclass(frozen=True)
class Program:
    """A network, or one half of it, as files for other programs have it.

    Attributes:
      name: of the file.
      inputs: the module -> what it takes, in order.
      sizes: the module -> the pictures that it takes.
      method: of the module.
      result: what the method returns -> the array that the program makes.
      any_size: whether one program can take pictures of all sizes.
    """

    name: str
    inputs: Callable[[Any], tuple[Input, ...]]
    sizes: Callable[[Any], Sizes]
    method: str = "__call__"
    result: Callable[[Any], Any] = lambda made: made
    any_size: bool = True
