"""What others may have written, with care: regular files of bounded size, JSON of bounded depth and known types."""

import dataclasses
import io
import json
import math
import os
import re
import reprlib
import stat
import types
import typing
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from dsslic_jax.errors import DataError, DsslicError

MOST_JSON_BYTES = 8 << 20  # far above any that is meant: the names of 100,000 pictures
_MOST_DEPTH = 64
_MOST_DIGITS = 20  # of an integer
# A string, the last of a damaged text without its end; or a bracket.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[][{}]', re.DOTALL)

T = TypeVar("T")


def open_regular(path: str | Path) -> io.FileIO:
    """Opens a file for reading, unbuffered, without waiting.

    Raises OSError, or DataError for a pipe or a device, which need not end.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = open(path, "rb", buffering=0, opener=opener)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise DataError(f"{path} is not a regular file")
    return file


def read_regular(path: str | Path, most_bytes: int) -> bytes:
    """All of a file, which `open_regular` opens. Raises as that does, DataError also for a longer one."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise DataError(f"{path} is too long: {size} bytes, where {most_bytes} are the limit")
        return file.readall()


def read_json(
    path: str | Path, kind: type[T], error: type[DsslicError], most_bytes: int = MOST_JSON_BYTES
) -> T:
    """What a file holds, as `parse_json` reads it. Raises OSError, and `error` with one line that names the file."""
    try:
        data = read_regular(path, most_bytes)
    except DataError as refusal:
        raise error(str(refusal)) from refusal
    return parse_json(data, kind, str(path), error)


def parse_json(data: str | bytes, kind: type[T], what: str, error: type[DsslicError]) -> T:
    """The value that a text writes, checked by `typed`.

    Raises `error`, which begins with `what`, for anything but JSON in UTF-8 whose numbers are finite, whose names are
    different inside an object and whose strings are text; and for what is too deep for any parser.
    """
    try:
        text = data if isinstance(data, str) else data.decode()
        _check_depth(text)
        value = json.loads(
            text,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_bounded,
            object_pairs_hook=_object,
        )
        if "\\u" in text:  # half of a character may be escaped alone
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError as refusal:
        raise error(f"{what}: not text in UTF-8") from refusal
    except ValueError as refusal:
        raise error(f"{what}: no JSON that can be read ({refusal})") from refusal
    return typed(value, kind, what, error)


def typed(value: Any, kind: type[T], what: str, error: type[DsslicError]) -> T:
    """A value of JSON as a `kind`, all the way down.

    `kind` is a TypedDict (members that it does not name stay as they are), a dataclass (which is made; it has no
    other members), or of str, int, float (also an int), bool, None, Any, and list, dict,
    tuple (a list of that length) and unions of these.

    Raises `error`, which begins with `what` and says where another type stands, or which member is missing.
    """
    try:
        return typing.cast(T, _as(kind, value, ""))
    except _Misfit as misfit:
        raise error(f"{what}: {misfit}") from misfit


class _Misfit(Exception):
    pass


def _as(kind: Any, value: Any, where: str) -> Any:
    kinds = typing.get_args(kind) if typing.get_origin(kind) in _UNIONS else (kind,)
    kind = next((k for k in kinds if _holds(k, value)), None)
    if kind is None:
        told = " or ".join(_words(k) for k in kinds)
        raise _Misfit(f"{where or 'it'} must be {told}, not {reprlib.repr(value)}")
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (dict, Mapping):
        return {name: _as(inner[1], item, f"{where}.{name}") for name, item in value.items()}
    if origin is list:
        return [_as(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if origin is tuple:
        if len(value) != len(inner):
            raise _Misfit(f"{where} must be a list of {len(inner)}, not {reprlib.repr(value)}")
        items = enumerate(zip(inner, value, strict=True))
        return tuple(_as(k, item, f"{where}[{i}]") for i, (k, item) in items)
    return _members(kind, value, where) if _is_record(kind) else value


def _members(kind: Any, value: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    made = {
        name: _as(hints[name], item, f"{where}.{name}".lstrip(".")) if name in hints else item
        for name, item in value.items()
    }
    if typing.is_typeddict(kind):
        needed = kind.__required_keys__
    else:
        needed = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
        if unknown := made.keys() - hints.keys():
            raise _Misfit(f"{where or 'it'} has an unknown member {min(unknown)!r}")
    if missing := needed - made.keys():
        raise _Misfit(f"{where or 'it'} has no member {min(missing)!r}")
    return made if typing.is_typeddict(kind) else kind(**made)


_UNIONS = (types.UnionType, typing.Union)
_NAMES = {dict: "an object", list: "a list", type(None): "null"}


def _is_record(kind: Any) -> bool:
    return typing.is_typeddict(kind) or dataclasses.is_dataclass(kind)


def _holds(kind: Any, value: Any) -> bool:
    """Whether JSON's value is of the class that it has for this kind; of what is in it, nothing is said."""
    return kind is Any or type(value) in ((float, int) if kind is float else (_class(kind),))


def _class(kind: Any) -> Any:
    origin = typing.get_origin(kind) or kind
    return {tuple: list, Mapping: dict}.get(origin, dict if _is_record(kind) else origin)


def _words(kind: Any) -> str:
    return _NAMES.get(_class(kind)) or str(kind.__name__)


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if depth > _MOST_DEPTH:
            raise ValueError(f"more than {_MOST_DEPTH} lists and objects inside each other")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{reprlib.repr(text)} is no finite number")
    return value


def _bounded(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"two members of an object are called {reprlib.repr(twice)}")
    return made
