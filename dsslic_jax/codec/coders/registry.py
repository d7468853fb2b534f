"""The layer coders that are known, and which of them code or read a layer.

A stream names its coders, so it decodes whatever set or coder is chosen, as long as what it names is installed. What is
chosen decides who encodes, and which of several coders of one number decodes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dsslic_jax.codec.coders import flif, jxl
from dsslic_jax.codec.coders.bpg import coder as bpg
from dsslic_jax.codec.coders.coder import LAYERS, Coder, Context
from dsslic_jax.codec.coders.context import coder as context_coder
from dsslic_jax.codec.coders.programs.running import Program, find_program
from dsslic_jax.errors import ConfigError, StreamError
from dsslic_jax.settings.fields import Settings, fields_of

DEFAULT_SET = "embedded"
_coders: dict[str, Coder] = {}  # by name, in the order in which they were made known


def register_coder(record: Coder) -> None:
    """Makes a coder known. Raises ValueError where it contradicts itself or one that is known."""
    own = set(record.layers)
    if not own or not own <= set(LAYERS) or not 1 <= record.number <= 31:
        raise ValueError(f"{record.name}: layers are of {LAYERS!r}, a number is 1 to 31")
    if record.name in _coders:
        raise ValueError(f"a coder named {record.name} is known already")
    for known in _coders.values():
        same = known.number == record.number
        if same != (known.stream_name == record.stream_name):
            raise ValueError(
                f"{record.name}: {known.name} is number {known.number}, {known.stream_name!r}, in "
                "the stream; share both or neither"
            )
        if same and set(known.layers) != own:
            raise ValueError(f"{record.name}: {known.name} of the same number codes other layers")
        if record.options not in (None, known.options) and known.options:
            taken = {field.name for field in fields_of(known.options)}
            if clash := sorted(taken & {field.name for field in fields_of(record.options)}):
                raise ValueError(f"{record.name}: {known.name} has an option {clash[0]} too")
    for name, layers in record.sets.items():
        taken = {kind for known in _coders.values() for kind in known.sets.get(name, "")}
        if not set(layers) <= own or taken & set(layers) - {"c"}:
            raise ValueError(f"{record.name} cannot code {layers} in the set {name}")
    _coders[record.name] = record


def unregister_coder(name: str) -> None:
    """Forgets a coder."""
    del _coders[name]


def known_coders() -> tuple[Coder, ...]:
    """All of them, in the order in which they were made known."""
    return tuple(_coders.values())


def set_names() -> tuple[str, ...]:
    """The sets that coders belong to, by --codecs."""
    return tuple(dict.fromkeys(name for record in known_coders() for name in record.sets))


def known_programs() -> dict[str, Program]:
    """The external programs that coders run, by name."""
    return {program.name: program for record in known_coders() for program in record.programs}


def stream_name(number: int, layer: str) -> str | None:
    """What a number in the stream is called; None where no coder of such a layer has it."""
    names = (r.stream_name for r in known_coders() if r.number == number and layer in r.layers)
    return next(names, None)


def number_of(name: str) -> int:
    """The number in the stream of a `stream_name`."""
    return next(record.number for record in known_coders() if record.stream_name == name)


@dataclass(frozen=True)
class Choice:
    """Which coders are to be used. Making one raises ConfigError for what is unknown or cannot code the layer.

    Attributes:
      codecs: a set of `set_names`.
      coders: by layer, what stands in its place: "r=NAME,c=NAME".
    """

    codecs: str = DEFAULT_SET
    coders: str = ""

    def __post_init__(self) -> None:
        if self.codecs not in set_names():
            names = ", ".join(set_names())
            raise ConfigError(f"codecs must be one of {names}, not {self.codecs!r}")
        self.by_layer()

    def by_layer(self) -> dict[str, Coder]:
        """The coders chosen for one layer."""
        found: dict[str, Coder] = {}
        for entry in self.coders.split(",") if self.coders else ():
            layer, _, name = (part.strip() for part in entry.partition("="))
            able = [record.name for record in known_coders() if layer and layer in record.layers]
            if name not in able or layer in found:
                why = f"coders of {layer} are {', '.join(able)}" if able else "layers are s, c, r"
                raise ConfigError(f"coder {entry.strip()}: write LAYER=NAME once a layer; {why}")
            found[layer] = _coders[name]
        return found

    def encoders(self, layer: str) -> list[Coder]:
        """Those to code a layer with: one, or for c those of which the one that takes least is used."""
        if layer in (by_layer := self.by_layer()):
            return [by_layer[layer]]
        found = [record for record in known_coders() if layer in record.sets.get(self.codecs, "")]
        if not found:
            problem = f"codecs {self.codecs} has no coder of layer {layer}"
            raise ConfigError(f"{problem}: name one with --coder {layer}=NAME")
        return found

    def decoder(self, layer: str, name: str) -> Coder:
        """That to read a layer with whose stream calls its coder `name`. Raises StreamError for an unknown one."""
        able = [r for r in known_coders() if r.stream_name == name and layer in r.layers]
        if not able:
            raise StreamError(f"the stream names a coder {name!r} of layer {layer}: none is known")
        wanted = [self.by_layer().get(layer), *(r for r in able if self.codecs in r.sets)]
        return next((record for record in wanted if record in able), able[0])


@dataclass(frozen=True)
class Opened:
    """A coder ready to code, with its record."""

    record: Coder
    coder: Any


@dataclass(frozen=True)
class CoderSet:
    """What a picture is coded with; of the coders of c the one that takes least is used."""

    labels: Opened
    compact: Sequence[Opened]
    residual: Opened


class OpenCoders:
    """Coders, each opened when it is first needed and kept."""

    def __init__(self, choice: Choice | None = None, context: Context | None = None) -> None:
        """`choice`: who decodes; `context`: model, device and programs that coders are opened with."""
        self.choice = choice or Choice()
        self.context = context or Context()
        self._opened: dict[Any, Any] = {}

    def encoders(
        self, choice: Choice, options_of: Callable[[type[Settings]], Settings] = lambda kind: kind()
    ) -> CoderSet:
        """The coders to encode with; raises CoderUnavailable at once, before any work, where a program is missing."""
        records = {layer: choice.encoders(layer) for layer in LAYERS}
        for record in (record for found in records.values() for record in found):
            for program in record.programs:
                find_program(program, self.context.programs)
        s, c, r = (
            [Opened(record, self._open(record, layer, options_of)) for record in found]
            for layer, found in records.items()
        )
        return CoderSet(s[0], c, r[0])

    def decoder(self, layer: str, name: str) -> Any:
        """The LayerDecoder, of layer r a LossyCoder, for a coder's name found in a stream.

        Raises StreamError for a name that is no coder's, CoderUnavailable saying what to install.
        """

        return self._open(self.choice.decoder(layer, name), layer)

    def context_of(self, layer: str) -> Context:
        """What a coder of this layer is opened with."""
        return replace(self.context, model=None) if layer == "s" else self.context

    def _open(
        self,
        record: Coder,
        layer: str,
        options_of: Callable[[type[Settings]], Settings] | None = None,
    ) -> Any:
        options = options_of(record.options) if options_of and record.options else None
        key = record.open, layer == "s", options
        if key not in self._opened:
            self._opened[key] = record.open(self.context_of(layer), options)
        return self._opened[key]


register_coder(jxl.CODER)
register_coder(context_coder.CODER)
register_coder(flif.CODER)
register_coder(bpg.EMBEDDED)
register_coder(bpg.EXTERNAL)
