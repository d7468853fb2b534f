"""One expression asked of many files, whose class tables may differ."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.codec.layers.labels import count_labels
from dsslic_jax.errors import ConfigError
from dsslic_jax.search.area import Region
from dsslic_jax.search.expression import TRUE, Areas, Bounds, Expression
from dsslic_jax.search.reading import Entry, read_label_map
from dsslic_jax.system.printable import printable

# Streams may send tables of their own, each another one: memory stays bounded.
_MAX_TABLES_REMEMBERED = 64
_MAX_NAMES_REMEMBERED = 5000
_SHOWN = 20  # names that an error lists


@dataclass(frozen=True)
class Match:
    """A file that matches, and its areas inside the region asked for, by default the whole picture."""

    path: str
    width: int  # of the picture
    height: int
    classes: ClassTable
    pixels: Mapping[int, int]  # of each class id present
    total: int  # pixels of the region
    wanted: Mapping[str, tuple[int, ...]]  # class ids by the name that the search wants

    def share(self, ids: Iterable[int]) -> float:
        """Share of the region that these classes cover, 0..1."""
        return sum(self.pixels.get(i, 0) for i in set(ids)) / self.total

    @property
    def wanted_ids(self) -> set[int]:
        """Every class that the search wants."""
        return {i for ids in self.wanted.values() for i in ids}


class Query:
    """An expression and a region; remembers which of the expression's names the class tables asked know."""

    def __init__(self, expression: Expression, region: Region | None = None) -> None:
        self._expression = expression
        self._region = region
        self._names = dict.fromkeys(term.name for term in expression.terms)
        self._wanted = dict.fromkeys(term.name for term in expression.terms if term.wanted)
        self._ids_by_table: dict[tuple[str, ...], dict[str, tuple[int, ...]]] = {}
        self._lacking = dict.fromkeys(self._names, 0)  # files whose class table has no such name
        self._files = self._without_labels = 0
        self._known_names: dict[str, None] = {}

    def match(self, entry: Entry) -> Match | None:
        """The match of a file, or None where it does not match or too little is known of it to say.

        The label map is decoded only for a region, and only where the whole picture's areas leave it open whether
        the file matches, or say so. Raises what `read_label_map` does.
        """
        ids = self._ids(entry.classes)
        if entry.pixels is None:
            self._without_labels += 1
            return None
        pixels, total = entry.pixels, sum(entry.pixels.values())
        if self._region is not None:
            inside = self._region.pixels(entry.width, entry.height)
            if not self._can_hold(_areas(ids, pixels, total - inside), inside):
                return None
            labels = self._region.crop(read_label_map(entry))
            pixels = {i: n for i, n in enumerate(count_labels(labels).tolist()) if n}
            total = inside
        if not self._can_hold(_areas(ids, pixels, 0), total):
            return None
        wanted = {name: ids[name] for name in self._wanted if ids[name]}
        return Match(entry.path, entry.width, entry.height, entry.classes, pixels, total, wanted)

    def _can_hold(self, areas: Areas, total: int) -> bool:
        _, most = self._expression.truth(areas, total)
        return most == TRUE

    def notes(self) -> list[str]:
        """A line for each reason why some of the files asked could not match.

        Raises ConfigError for a name that no file's class table has.
        """
        for name, files in self._lacking.items():
            if files and files == self._files:
                raise ConfigError(self._unknown(name))
        notes = [
            f'{files} of {self._files} files follow a class table without "{name}": nothing is known of it there'
            for name, files in self._lacking.items()
            if files
        ]
        if self._without_labels:
            notes.append(
                f"{self._without_labels} of {self._files} files have no labels: they match nothing"
            )
        return notes

    def _ids(self, table: ClassTable) -> dict[str, tuple[int, ...]]:
        """The ids of every name of the expression in a table."""
        ids = self._ids_by_table.get(table.names)
        if ids is None:
            if len(self._ids_by_table) >= _MAX_TABLES_REMEMBERED:
                self._ids_by_table.clear()
            ids = self._ids_by_table[table.names] = {n: table.ids_of(n) for n in self._names}
            if len(self._known_names) < _MAX_NAMES_REMEMBERED:
                single = (part for name in table.names for part in name.split(","))
                self._known_names |= {part.strip().casefold(): None for part in single}
        self._files += 1
        for name, found in ids.items():
            self._lacking[name] += not found
        return ids

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name.casefold(), self._known_names)
        hint = f"did you mean {' or '.join(close)}?"
        if not close:
            more = ", …" if len(self._known_names) > _SHOWN else ""
            hint = f"classes are {', '.join(list(self._known_names)[:_SHOWN])}{more}"
        return printable(f'no file searched can have a class "{name}": {hint}')


def _areas(ids: Mapping[str, tuple[int, ...]], pixels: Mapping[int, int], outside: int) -> Areas:
    """What `pixels` of each class say of its area where `outside` of the pixels counted do not belong."""
    inside = sum(pixels.values()) - outside

    def areas(name: str) -> Bounds | None:
        if not ids[name]:
            return None
        covered = sum(pixels.get(i, 0) for i in ids[name])
        return max(0, covered - outside), min(covered, inside)

    return areas
