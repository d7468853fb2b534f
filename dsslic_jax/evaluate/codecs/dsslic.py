"""This project's own codec, measured layer by layer. JAX is not imported before the first picture is coded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dsslic_jax import __version__
from dsslic_jax.bundle import directory as bundle
from dsslic_jax.classes.table import ClassTable
from dsslic_jax.codec.coders.coder import LAYERS, Context
from dsslic_jax.codec.coders.registry import OpenCoders
from dsslic_jax.codec.settings import LABELS_NOT_SENT, CodingSettings, coding_settings
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import ConfigError, ModelError, StreamError
from dsslic_jax.evaluate.codecs.codec import SettingRange
from dsslic_jax.models.parts import SEGNET
from dsslic_jax.settings.reading import to_mapping
from dsslic_jax.system import runtime

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec, Decoded

LABEL_SOURCES = ("segnet", "files", "none")


@dataclass(frozen=True)
class Prefix:
    """What the beginning of a stream decodes to."""

    layer: str  # the last layer in it, "s", "c", "r1", …
    num_bytes: int  # its length, header included
    picture: np.ndarray | None = None  # uint8 [H, W, 3]; None for layer s, which has none
    upsampled: np.ndarray | None = None  # up(ĉ), the picture without FineNet; for layer c alone


class Dsslic:
    """A model directory as a codec to measure. A setting is the residual's quality, the other choices are the model's.

    Attributes: those of `FileCodec`, without `decode`, and
        model: the fingerprint that streams carry, in hexadecimal.
        fingerprints: every one by which streams can name the model.
        classes: the model's label table.
        directory: the model's.
    """

    suffix = ".dsslic"
    setting_range = SettingRange("quality", 0, 100, whole=False)
    framing_bytes = 0
    settings: tuple[float, ...] = (5, 15, 25, 35, 45, 55, 65, 75)

    def __init__(self, name: str, model: Path, codecs: str, programs: Mapping[str, str]) -> None:
        """Reads a model directory, to be coded with a set of layer coders, and called `name` by results.

        Raises:
            ModelError: no model directory, or one without a coarse model.
            CoderUnavailable: a layer coder is missing.
        """
        self.name = name
        self.directory = model
        self._codecs, self._programs = codecs, programs
        self._bundle = bundle.load(model)
        self.model = self._bundle.fingerprint.hex()
        self.fingerprints = self._bundle.fingerprints
        self.classes: ClassTable = self._bundle.classes
        self._own = coding_settings(self._bundle.coding, codecs=codecs)
        self._prepared: set[tuple[str, int, int]] = set()
        # The fingerprint leaves out what an encoder alone has; model.json names all weights by their hash. What was
        # measured before is no part of the model.
        description = bundle.read_description(model)
        description.pop("metrics", None)
        digest = hashlib.sha256(json.dumps(description, indent=1).encode()).hexdigest()[:12]
        chosen = _other_than_default(self._own)
        self.version = (
            f"dsslic_jax {__version__}, model directory {digest}, {self._coder_versions()}"
            + (f", {chosen}" if chosen else "")
        )

    def check_label_source(self, source: str) -> None:
        """Raises ConfigError for an unknown source, ModelError for SegNet where the model has none."""
        if source not in LABEL_SOURCES:
            raise ConfigError(f"label source {source!r} is none of {', '.join(LABEL_SOURCES)}")
        if source == "segnet" and SEGNET.name not in self._bundle.parts:
            raise ModelError(
                "the model has no SegNet: give label maps with --labels, or add one with `dsslic join`"
            )

    def prepare(self, source: str, height: int, width: int) -> None:
        """Compiles the networks for pictures of this size, so that no picture's times hold it."""
        from dsslic_jax.codec.networks.padded_windows import padded_side

        size = (source, padded_side(height, 1), padded_side(width, 1))
        if size not in self._prepared:
            self._prepared.add(size)
            picture = np.zeros((height, width, 3), np.uint8)
            labels = np.zeros((height, width), np.uint8) if source == "files" else None
            self.decode(self.encode(picture, labels, source, self.settings[0]))

    def encode(
        self, picture: np.ndarray, labels: np.ndarray | None, source: str, quality: float
    ) -> bytes:
        """A whole stream of uint8 [H, W, 3]; `labels` are uint8 [H, W] class ids for source "files", else None."""
        kind = "sent" if self._own.labels == "none" else self._own.labels
        if source == "none":
            kind = "none"
        settings = replace(
            self._own,
            labels=kind,
            label_scale=1 if kind in LABELS_NOT_SENT else self._own.label_scale,
            quality=quality,
            target_bits_per_pixel=None,
            target_psnr_db=None,
        )
        return self._codec.encode(picture, labels, settings)

    def decode(self, data: bytes) -> Decoded:
        """The whole stream decoded. Raises StreamError where layers are missing or do not add up to its length."""
        lengths = container.layer_lengths(data)
        if sum(lengths.values()) != len(data):
            raise StreamError(f"a stream of {len(data)} bytes holds layers of {lengths}")
        decoded = self._codec.decode(data)
        if decoded.upto != [*lengths][-1]:
            raise StreamError(f"a stream with layers {lengths} decoded up to {decoded.upto} only")
        return decoded

    def prefixes(self, data: bytes, whole: Decoded) -> Iterator[Prefix]:
        """What the stream gives up to each of its layers; `whole` is what all of it decodes to."""
        lengths = container.layer_lengths(data)
        end = lengths.pop("header")
        for layer, length in lengths.items():
            end += length
            if layer == "s":
                yield Prefix(layer, end)
            elif layer == "c":
                yield Prefix(layer, end, whole.coarse, self._codec.upsample(whole))
            elif layer == whole.upto:
                yield Prefix(layer, end, whole.picture)
            else:
                yield Prefix(layer, end, self._codec.decode(data[:end]).picture)

    @cached_property
    def _codec(self) -> Codec:
        runtime.prepare()
        from dsslic_jax.codec.codec import Codec

        return Codec(self._bundle, self._codecs, self._programs)

    def _coder_versions(self) -> str:
        """The encoders with their versions. Raises CoderUnavailable where one cannot be had."""
        context = Context(programs=self._programs)
        self._own.encoders(OpenCoders(context=context))
        records = [record for layer in LAYERS for record in self._own.choice.encoders(layer)]
        versions = {record.name: record.version(context) for record in records}
        return ", ".join(filter(None, versions.values()))


def _other_than_default(settings: CodingSettings) -> str:
    """What the model's own coding settings change, but for what an evaluation sets: "residual_bits 10, layers 2"."""
    default = to_mapping(type(settings)())
    swept = ("codecs", "quality", "target_bits_per_pixel", "target_psnr_db")
    return ", ".join(
        f"{name} {json.dumps(value)}"
        for name, value in to_mapping(settings).items()
        if name not in swept and value != default[name]
    )
