"""A model in memory: a class table and named parts, each with its settings, its arrays and where they come from.

Training makes it, the codec reads it. The fingerprint covers what a decoder needs: the arrays of the networks that it
runs and the settings that shape their arithmetic.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, TypeVar

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.errors import ModelError
from dsslic_jax.models.parts import PartKind, base_kind, part_kind, part_kinds
from dsslic_jax.settings.fields import Settings

FINGERPRINT_BYTES = 8
_SHOWN = 20  # names that an error lists
S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Part:
    """One part of a model.

    Attributes:
      settings: of the class that the kind of part names.
      arrays: by whole name, as "finenet/stem/kernel" or "segnet/params/logits/bias".
      provenance: what it was trained on and under which terms; {} where it has no arrays.
    """

    settings: Settings
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """A model.

    Attributes:
      classes: the label table that s follows.
      parts: by the name of their kind, see `models.parts`.
      coding: how its pictures are coded where nobody says otherwise, see `codec.settings`.
      metrics: what was measured, by what it holds of: a part, or "joined" where several worked together; each a list of
        {"pictures": which, "protocol": how, "rows": [{name: value}, …]}.
    """

    classes: ClassTable
    parts: Mapping[str, Part]
    coding: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def part(self, kind: PartKind[Any]) -> Part:
        """The part of a kind. Raises ModelError, saying what there is, where the model has none."""
        if kind.name not in self.parts:
            there = " and ".join(part_kind(name).title for name in self.parts) or "nothing"
            problem = f"this model has no {kind.title}, it holds {there}"
            raise ModelError(f"{problem}: add one with `dsslic join`")
        return self.parts[kind.name]

    def settings(self, kind: PartKind[S]) -> S:
        """The settings of a part. Raises ModelError as `part` does."""
        settings = self.part(kind).settings
        assert isinstance(settings, kind.settings)
        return settings

    def variables(self, kind: PartKind[Any]) -> dict[str, Any]:
        """What the `apply` of a part's module takes.

        Raises ModelError as `part` does, and where its arrays are not those that its settings ask for.
        """
        part = self.part(kind)
        require(part.arrays, _shapes(kind, part.settings))
        return kind.variables(part.arrays)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The arrays of all parts by name."""
        return {name: array for part in self.parts.values() for name, array in part.arrays.items()}

    def with_weights(self, weights: Mapping[str, np.ndarray]) -> Bundle:
        """The model with other arrays, each in the part that has one of that name now."""
        parts = {
            name: replace(part, arrays={n: weights[n] for n in part.arrays})
            for name, part in self.parts.items()
        }
        return replace(self, parts=parts)

    @cached_property
    def fingerprint(self) -> bytes:
        """The first 8 bytes of a SHA-256 over the settings and arrays that a decoder needs.

        Raises ModelError without CompNet and FineNet's part: such a model cannot decode.
        """
        return self._decoder_digest().digest()[:FINGERPRINT_BYTES]

    @cached_property
    def fingerprint_with_segnet(self) -> bytes:
        """The same over what makes labels too: of streams whose s is made at the decoder. Raises ModelError without."""
        digest = self._decoder_digest()
        for kind in part_kinds().values():
            if kind.in_labels is not None:
                part = self.part(kind)
                _add(digest, kind.in_labels(part.settings), part.arrays)
        return digest.digest()[:FINGERPRINT_BYTES]

    @property
    def fingerprints(self) -> list[bytes]:
        """Every fingerprint by which a stream can name this model."""
        if base_kind().name not in self.parts:
            return []
        labelling = [name for name, kind in part_kinds().items() if kind.in_labels is not None]
        with_labels = {*labelling} <= self.parts.keys()
        return [self.fingerprint, *([self.fingerprint_with_segnet] if with_labels else [])]

    def _decoder_digest(self) -> hashlib._Hash:
        self.part(base_kind())
        digest = hashlib.sha256()
        for name, kind in part_kinds().items():
            if name in self.parts and kind.in_decoder is not None:
                part = self.parts[name]
                _add(digest, kind.in_decoder(part.settings), part.arrays, kind.decoder_networks)
        return digest


@cache  # a codec is opened on every device
def _shapes(kind: PartKind[Any], settings: Settings) -> dict[str, tuple[int, ...]]:
    return kind.shapes(settings)


def _add(
    digest: hashlib._Hash,
    settings: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    networks: tuple[str, ...] | None = None,
) -> None:
    """Adds settings and the arrays of these networks, or all."""
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(arrays):
        if networks is None or name.partition("/")[0] in networks:
            array = arrays[name]
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())


def require(arrays: Mapping[str, np.ndarray], needed: Mapping[str, tuple[int, ...] | None]) -> None:
    """Raises ModelError naming arrays that are missing, not of the shape needed (None: any), or not known."""
    there = {n: (arrays[n].shape, s) for n, s in needed.items() if n in arrays and s is not None}
    problems = {
        "missing": [name for name in needed if name not in arrays],
        "misshapen": [f"{n} {[*has]}, not {[*s]}" for n, (has, s) in there.items() if has != s],
        "not known": [name for name in arrays if name not in needed],
    }
    if any(problems.values()):
        told = (f"{what}: {some(names)}" for what, names in problems.items() if names)
        raise ModelError(f"the weights do not fit; {'; '.join(told)}")


def some(names: Sequence[str]) -> str:
    """The first names of many, for a message."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
