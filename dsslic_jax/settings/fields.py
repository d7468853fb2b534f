"""Frozen dataclasses whose fields say what they mean and what they may be.

    @dataclass(frozen=True)
    class OptimizerSettings(Settings):
        learning_rate: float = setting(2e-4, "at the start", above=0, origin="poster")

Making one checks it: a wrong type or a number out of range raises ConfigError naming field, value and what is allowed.
"""

from __future__ import annotations

import dataclasses
import math
import operator
import reprlib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self, TypeVar

from dsslic_jax.errors import ConfigError

_KEY, _CHANGED = "setting", "changed"
# The ends that a range may have: what holds of a value and the end.
_ENDS = {
    "at_least": operator.ge,
    "above": operator.gt,
    "at_most": operator.le,
    "below": operator.lt,
}
S = TypeVar("S", bound="Settings")


@dataclass(frozen=True)
class Spec:
    """What is known of a field beside its name, type and default.

    Attributes:
      meaning: what it does, for the reference of settings and for help texts.
      unit: of a number.
      origin: where the default comes from, such as "poster".
      choices: the values that it may have; () where any of its type will do.
      at_least, above, at_most, below: the range of a number, or of each number of a tuple; None: no end.
      free: whether it may change between the parts of one run without changing its result.
      follows: the setting of the whole configuration that it takes its value from where it is not set.
    """

    meaning: str
    unit: str = ""
    origin: str = ""
    choices: tuple[Any, ...] = ()
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    free: bool = False
    follows: str = ""

    def allowed(self) -> str:
        """The choices or the range in words; "" where there is neither."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        return " and ".join(f"{name.replace('_', ' ')} {end}" for name, end in self._ends())

    def allows(self, value: Any) -> bool:
        """Whether a value of the right type is among the choices or in the range."""
        if self.choices:
            return value in self.choices
        if isinstance(value, tuple):
            return all(map(self.allows, value))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return all(_ENDS[name](value, end) for name, end in self._ends())

    def _ends(self) -> list[tuple[str, float]]:
        ends = [(name, getattr(self, name)) for name in _ENDS]
        return [(name, end) for name, end in ends if end is not None]


def setting(default: Any, meaning: str, **known: Any) -> Any:
    """A field with its default, its meaning and what else is known of it: the attributes of `Spec`."""
    return dataclasses.field(default=default, metadata={_KEY: Spec(meaning, **known)})


def group(kind: type[Settings], meaning: str, /, *, free: bool = False, **changed: Any) -> Any:
    """A field that holds settings of another class; `changed` are defaults other than the class's own."""
    return dataclasses.field(
        default_factory=lambda: kind(**changed),
        metadata={_KEY: Spec(meaning, free=free), _CHANGED: changed},
    )


@dataclass(frozen=True)
class Field:
    """A declared field: its name, type, `Spec` and default; of a group, what it has other than its class's defaults."""

    name: str
    type: Any
    spec: Spec
    default: Any = None
    changed: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_group(self) -> bool:
        """Whether it holds settings of its own."""
        return isinstance(self.type, type) and issubclass(self.type, Settings)

    @property
    def type_name(self) -> str:
        """The type in words, such as "int", "(int, int)" or "float or str"."""
        return " or ".join(dict.fromkeys(_words(kind) for kind in _members(self.type)))

    def accepts(self, kind: type) -> bool:
        """Whether the type is among those that it takes."""
        return kind in _members(self.type)

    def problem(self, value: Any) -> str:
        """What is wrong with a value of this field; "" if nothing is."""
        if not any(_is_of(kind, value) for kind in _members(self.type)):
            return f"must be {self.type_name}, not {reprlib.repr(value)}"
        if not self.spec.allows(value):
            return f"must be {self.spec.allowed()}, not {reprlib.repr(value)}"
        return ""


class FieldError(ConfigError):
    """A field has a value that it may not have."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")
        self.name = name
        self.problem = problem


class Settings:
    """Base of settings: a frozen dataclass of `setting` and `group` fields, checked as it is made.

    A subclass that has more to check, such as two settings that contradict each other, does so in `check`.
    """

    def __post_init__(self) -> None:
        for field in fields_of(type(self)):
            value = getattr(self, field.name)
            members = _members(field.type)
            if type(value) is int and float in members and int not in members:
                value = float(value)
                object.__setattr__(self, field.name, value)
            if problem := field.problem(value):
                raise FieldError(field.name, problem)
        self.check()

    def check(self) -> None:
        """Raises ConfigError where settings contradict each other."""

    @classmethod
    def concrete(cls) -> type[Self]:
        """The class that is made where this one is named."""
        return cls


class Open(Settings):
    """Settings to which others add fields, such as each term of a loss.

    Making one gives an instance of a subclass that has all fields, flat.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:  # noqa: D102
        return object.__new__(cls.concrete())

    @classmethod
    def added(cls) -> tuple[type[Settings], ...]:
        """The classes whose fields there are beside its own, at the moment; no two have one of the same name."""
        raise NotImplementedError

    @classmethod
    def concrete(cls) -> type[Self]:
        """The class with all fields."""
        return _with_fields(typing.cast(Any, cls), cls.added())

    def of(self, kind: type[S]) -> S:
        """The settings that one of `added` declares."""
        return kind(**{field.name: getattr(self, field.name) for field in fields_of(kind)})

    def check(self) -> None:
        """Raises ConfigError where what was added contradicts itself."""
        for kind in self.added():
            self.of(kind)


@cache
def _with_fields(base: Any, added: tuple[type[Settings], ...]) -> Any:
    fields: list[Any] = [
        (field.name, field.type, setting(field.default, **dataclasses.asdict(field.spec)))
        for kind in added
        for field in fields_of(kind)
    ]
    made: Any = dataclasses.make_dataclass(base.__name__, fields, bases=(base,), frozen=True)
    made.__doc__, made.__module__ = base.__doc__, base.__module__
    made.concrete = classmethod(lambda cls: cls)
    made.added = classmethod(lambda cls: added)  # whatever is registered later
    return made


def fields_of(kind: type[Settings]) -> tuple[Field, ...]:
    """The fields of a class of settings, in their order."""
    kind = kind.concrete()
    hints = typing.get_type_hints(kind)
    return tuple(
        Field(
            name=field.name,
            type=hints[field.name],
            spec=field.metadata[_KEY],
            default=field.default,
            changed=field.metadata.get(_CHANGED, {}),
        )
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
    )


def free_to_change(kind: type[Settings], prefix: str = "") -> Iterator[str]:
    """The dotted names of the fields, or whole groups, that may change between the parts of one run."""
    for field in fields_of(kind):
        name = f"{prefix}{field.name}"
        if field.spec.free:
            yield name
        elif field.is_group:
            yield from free_to_change(field.type, f"{name}.")


def _members(kind: Any) -> tuple[Any, ...]:
    """The types of a union; of any other type, itself."""
    return typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)


def _words(kind: Any) -> str:
    if kind is type(None):
        return "None"
    if typing.get_origin(kind) is tuple:
        inner = [_words(k) if k is not Ellipsis else "…" for k in typing.get_args(kind)]
        return f"({', '.join(inner)})"
    return str(kind.__name__)


def _is_of(kind: Any, value: Any) -> bool:
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        if not isinstance(value, tuple):
            return False
        if inner[-1] is Ellipsis:
            return all(_is_of(inner[0], item) for item in value)
        return len(value) == len(inner) and all(map(_is_of, inner, value))
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    if kind in (int, bool, str, type(None)):
        return type(value) is kind
    return isinstance(value, kind)
