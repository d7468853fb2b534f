"""find files by their labels, without decoding pictures"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.errors import DataError, DsslicError

if TYPE_CHECKING:
    from dsslic_jax.search.finding import FoundFile
    from dsslic_jax.search.query import Match, Query
    from dsslic_jax.search.reading import Entry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "expression", help="such as 'car and not person', 'sky > 20%% or \"traffic light\"'"
    )
    parser.add_argument(
        "places", nargs="+", metavar="DIR", help="folders of .dsslic files, or files"
    )
    parser.add_argument(
        "--min-area",
        metavar="2%",
        help="what each class wanted must cover at least: a share, or pixels such as 500px",
    )
    parser.add_argument(
        "--region",
        metavar="L,T,R,B",
        help="look only inside this rectangle, in percent: 0,50,100,100 is the lower half",
    )
    parser.add_argument(
        "--index", type=Path, help="SQLite file that remembers what was read, for large collections"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.search import listing
    from dsslic_jax.search.area import ONE_PIXEL, parse_minimum, parse_region
    from dsslic_jax.search.expression import parse
    from dsslic_jax.search.finding import find_files
    from dsslic_jax.search.query import Query

    minimum = parse_minimum(options.min_area) if options.min_area else ONE_PIXEL
    region = parse_region(options.region) if options.region else None
    query = Query(parse(options.expression, minimum), region)
    problems = _Problems()
    found = list(find_files(options.places, problems))
    if not found and not problems.count:
        raise DataError(f"no .dsslic files in {', '.join(options.places)}")
    matches = listing.ordered(_matches(query, _entries(options, found, problems), problems))
    for note in query.notes():
        _say(f"note: {note}")
    if options.json:
        print(listing.document(matches))
    else:
        for match in matches:
            print(listing.line(match))
    if problems.count:
        raise DataError(
            f"{problems.count} of the files and folders could not be searched, see above"
        )


class _Problems:
    """Says in one line each what cannot be searched, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: str, error: Exception) -> None:
        self.count += 1
        reason = error.strerror if isinstance(error, OSError) else None
        _say(f"{path}: {reason or error}")


def _say(text: str) -> None:
    from dsslic_jax.system.printable import printable

    print(printable(f"dsslic search: {text}"), file=sys.stderr)


def _entries(
    options: argparse.Namespace, found: list[FoundFile], problems: _Problems
) -> Iterator[Entry]:
    from dsslic_jax.search.reading import read_entries

    if options.index is None:
        yield from read_entries(found, problems)
        return
    from dsslic_jax.search.index import Index

    with Index(options.index) as index:
        index.forget_vanished(options.places, found)
        yield from index.entries(found, problems)


def _matches(query: Query, entries: Iterable[Entry], problems: _Problems) -> Iterator[Match]:
    for entry in entries:
        try:
            match = query.match(entry)
        except (DsslicError, OSError) as error:  # of a label map
            problems(entry.path, error)
            continue
        if match is not None:
            yield match
