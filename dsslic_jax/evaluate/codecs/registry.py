"""Codecs by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dsslic_jax.errors import ConfigError
from dsslic_jax.evaluate.codecs import with_pillow
from dsslic_jax.evaluate.codecs.bpg import bpg
from dsslic_jax.evaluate.codecs.codec import FileCodec
from dsslic_jax.evaluate.codecs.dsslic import Dsslic
from dsslic_jax.evaluate.codecs.heic import heic
from dsslic_jax.evaluate.codecs.jxl import jxl
from dsslic_jax.evaluate.codecs.planes import planes


@dataclass(frozen=True)
class Sources:
    """Where codecs take what they need.

    Attributes:
        model: the model directory of dsslic and dsslic_flif.
        programs: paths of flif, bpgenc and bpgdec; what is not named is looked for on PATH.
    """

    model: Path | None = None
    programs: Mapping[str, str] = field(default_factory=dict)


def _dsslic(name: str, sources: Sources, codecs: str) -> Dsslic:
    if sources.model is None:
        raise ConfigError(f"{name} needs a model directory: --model DIR, or name other --codecs")
    return Dsslic(name, sources.model, codecs, sources.programs)


# The planes are coded as encoders do it unasked: so were the published figures that protocol `paper` is for.
FACTORIES: dict[str, Callable[[str, Sources], FileCodec | Dsslic]] = {
    "jpeg": lambda name, _: with_pillow.jpeg(name, "4:4:4"),
    "jpeg420": lambda name, _: with_pillow.jpeg(name, "4:2:0"),
    "jpeg2000": lambda name, _: with_pillow.jpeg2000(name),
    "webp": lambda name, _: with_pillow.webp(name),
    "avif": lambda name, _: with_pillow.avif(name),
    "jxl": lambda name, _: jxl(name),
    "heic": lambda name, _: heic(name),
    "bpg": lambda name, _: bpg(name, "ycbcr444"),
    "bpg420": lambda name, _: bpg(name, "ycbcr420"),
    "bpg_rgb": lambda name, _: bpg(name, "rgb444"),
    "jpeg_planes": lambda name, _: planes(name, with_pillow.jpeg(name, "4:4:4", optimize=False)),
    "jpeg2000_planes": lambda name, _: planes(name, with_pillow.jpeg2000(name)),
    "webp_planes": lambda name, _: planes(name, with_pillow.webp(name, method=4)),
    "dsslic": lambda name, sources: _dsslic(name, sources, "embedded"),
    "dsslic_flif": lambda name, sources: _dsslic(name, sources, "external"),
}
LAYERED = ("dsslic", "dsslic_flif")  # they run networks, and take labels


def make_codec(name: str, sources: Sources) -> FileCodec | Dsslic:
    """The codec called `name`, ready to run.

    Raises:
        ConfigError: there is none of that name, or it lacks a model directory.
        ModelError: the model directory cannot be used.
        CoderUnavailable: its package or program is missing.
    """
    if name not in FACTORIES:
        raise ConfigError(f"unknown codec {name!r}; known: {', '.join(FACTORIES)}")
    return FACTORIES[name](name, sources)
