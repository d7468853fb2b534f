"""What models there are: those that come with the package, and those that its user trained or encoded with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.bundle import known as known_models
from dsslic_jax.errors import DsslicError

CARD = "README.md"
FILES = (bundle.DESCRIPTION, bundle.WEIGHTS, bundle.TRAINING, CARD)  # of a model directory


@dataclass(frozen=True)
class Entry:
    """A model, as its `model.json` tells without its weights being read.

    Attributes:
      name: of a bundled model; else its directory.
      directory: where it lies, or lay.
      bundled: whether it comes with the package.
      links: the fingerprints, in hexadecimal, by which this user's streams find it.
      fingerprint: that of streams, in hexadecimal; None for one that codes nothing alone, or where there is a problem.
      parts: their names.
      classes: the name of its class table.
      num_bytes: of its files.
      problem: why nothing more is known: "gone", or what is damaged.
    """

    name: str
    directory: Path
    bundled: bool = False
    links: Sequence[str] = ()
    fingerprint: str | None = None
    parts: Sequence[str] = ()
    classes: str | None = None
    num_bytes: int = 0
    problem: str | None = None


def entries() -> list[Entry]:
    """Bundled models, then the others that are known, by directory."""
    own = (Entry(name, path, bundled=True) for name, path in known_models.bundled().items())
    met = (
        Entry(str(p), p, links=(*links,)) for p, links in sorted(known_models.remembered().items())
    )
    return [_entry(entry) for entry in (*own, *met)]


def _entry(entry: Entry) -> Entry:
    """The entry with what the directory tells."""
    directory = entry.directory
    try:
        description = bundle.read_description(directory)
        model = bundle.described(description, {})
        fingerprint = description.get("fingerprint")
        sizes = [(directory / name).stat().st_size for name in FILES if (directory / name).exists()]
    except (FileNotFoundError, NotADirectoryError):
        return replace(entry, problem="gone")
    except (DsslicError, OSError) as error:
        return replace(entry, problem=str(error))
    return replace(
        entry,
        fingerprint=fingerprint if isinstance(fingerprint, str) else None,
        parts=tuple(model.parts),
        classes=model.classes.name,
        num_bytes=sum(sizes),
    )
