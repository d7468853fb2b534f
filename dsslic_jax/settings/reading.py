"""Settings from mappings (a configuration, a model directory's JSON) and back."""

import difflib
import reprlib
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from dsslic_jax.errors import ConfigError
from dsslic_jax.settings.fields import FieldError, Settings, fields_of

S = TypeVar("S", bound=Settings)
_SHOWN = 80  # characters of an unknown name


def read(kind: type[S], values: Mapping[str, Any], prefix: str = "") -> S:
    """The settings that a mapping holds; what it does not name has its default.

    Groups are mappings, tuples may be lists. Raises ConfigError for an unknown name, a value of the wrong type or out
    of range, or a contradiction; it names key (after `prefix`, such as "model."), value and what is allowed.
    """
    known = {field.name: field for field in fields_of(kind)}
    for name in values:
        if name not in known:
            suggestion = _suggestion(name[:_SHOWN], prefix, known)
            raise ConfigError(f"unknown setting {prefix}{name[:_SHOWN]}; {suggestion}")
    given: dict[str, Any] = {}
    # Groups last: what one of them follows is then named by its own name if it is wrong.
    for name, value in sorted(values.items(), key=lambda item: known[item[0]].is_group):
        field, where = known[name], f"{prefix}{name}"
        if not field.is_group:
            given[name] = _untyped(value)
            if problem := field.problem(given[name]):
                raise FieldError(where, problem)
        elif isinstance(value, Mapping):
            given[name] = read(field.type, {**field.changed, **value}, f"{where}.")
        else:
            raise FieldError(where, f"must be a group of settings, not {reprlib.repr(value)}")
    try:
        return kind(**given)
    except FieldError as error:
        raise FieldError(f"{prefix}{error.name}", error.problem) from None


def to_mapping(settings: Settings) -> dict[str, Any]:
    """The inverse of `read`: values by name, groups as dictionaries."""
    found: dict[str, Any] = {}
    for field in fields_of(type(settings)):
        value = getattr(settings, field.name)
        found[field.name] = to_mapping(value) if field.is_group else value
    return found


def _untyped(value: Any) -> Any:
    """The value as settings hold it: JSON has lists where settings have tuples, NumPy numbers of its own."""
    if isinstance(value, np.generic):
        return value.item()
    return tuple(map(_untyped, value)) if isinstance(value, list | tuple) else value


def _suggestion(name: str, prefix: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(known)}"
