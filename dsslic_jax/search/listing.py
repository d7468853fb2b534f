"""Matches in order, as lines for people or one JSON document."""

import json
from collections.abc import Iterable, Sequence

from dsslic_jax.search.query import Match
from dsslic_jax.system.printable import printable

_MAX_CLASSES = 6  # on one line; those the search wants are always there
_LEAST_SHARE = 0.01  # of a class that the search does not want


def ordered(matches: Iterable[Match]) -> list[Match]:
    """By the share of what the search wants, largest first, then by path."""
    return sorted(matches, key=lambda match: (-match.share(match.wanted_ids), match.path))


def line(match: Match) -> str:
    """Path and the largest classes, those that the search wants first: "a.dsslic  car 12.3%  road 30.1%"."""
    wanted = match.wanted_ids
    ids = sorted(match.pixels, key=lambda i: (i not in wanted, -match.pixels[i]))
    shown = [
        i
        for place, i in enumerate(ids)
        if i in wanted or (place < _MAX_CLASSES and match.share([i]) > _LEAST_SHARE)
    ]
    names = match.classes.names
    areas = [f"{names[i].partition(',')[0]} {match.share([i]):.1%}" for i in shown]
    return printable("  ".join([match.path, *areas]))


def document(matches: Sequence[Match]) -> str:
    """The JSON document: of each file its size in pixels, the share 0..1 of each class and of each name wanted."""
    return json.dumps([_described(match) for match in matches], indent=1)


def _described(match: Match) -> dict[str, object]:
    by_area = sorted(match.pixels, key=lambda i: -match.pixels[i])
    return {
        "file": match.path,
        "width": match.width,
        "height": match.height,
        "classes": {match.classes.names[i]: match.share([i]) for i in by_area},
        "matched": {name: match.share(ids) for name, ids in match.wanted.items()},
    }
