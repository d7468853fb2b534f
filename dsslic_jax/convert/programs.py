"""The programs that a model can be exported as."""

from typing import Any, NamedTuple

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.errors import ConfigError, ModelError
from dsslic_jax.models.parts import PartKind, part_kind
from dsslic_jax.models.programs import Program, Sizes


class Exported(NamedTuple):
    """A program of a model, with the part that it is of."""

    kind: PartKind[Any]
    program: Program
    module: Any  # of Flax

    @property
    def sizes(self) -> Sizes:
        """The pictures that it takes."""
        return self.program.sizes(self.module)

    def check_size(self, size: tuple[int, int] | None, form: str) -> None:
        """Raises ConfigError where a file cannot be made for this (height, width), None for all sizes.

        `form` is what files are called whose programs pool over bins told by the size, so that it must be known.
        """
        if size is not None:
            self.sizes.check(size)
        elif not self.program.any_size:
            raise ConfigError(f"{self.kind.title} is exported to {form} for one size: name it")


def programs_of(bundle: Bundle) -> dict[str, Exported]:
    """The programs of a model by name."""
    found: dict[str, Exported] = {}
    for name, part in bundle.parts.items():
        kind = part_kind(name)
        for program in kind.programs:
            found[program.name] = Exported(kind, program, kind.build(part.settings))
    return found


def program_of(bundle: Bundle, name: str) -> Exported:
    """One of `programs_of`. Raises ModelError, saying what there is, where the model has none of that name."""
    known = programs_of(bundle)
    if name not in known:
        raise ModelError(f"the model has no {name}: it has {', '.join(known)}")
    return known[name]
