"""Codecs by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dsslic_jax.errors import ConfigError
from dsslic_jax.evaluate.codecs import ordinary
from dsslic_jax.evaluate.codecs.codec import FileCodec
from dsslic_jax.evaluate.codecs.dsslic import Dsslic


@dataclass(frozen=True)
class Sources:
    """Where codecs take what they need."""

    model: Path | None = None  # the model directory of dsslic and dsslic_flif
    # Paths of external programs by name; what is not named is looked for on PATH.
    programs: Mapping[str, str] = field(default_factory=dict)


def _dsslic(name: str, sources: Sources, codecs: str) -> Dsslic:
    if sources.model is None:
        raise ConfigError(f"{name} needs a model directory: --model DIR, or name other --codecs")
    return Dsslic(name, sources.model, codecs, sources.programs)


# The planes are coded as encoders do it unasked: so were the published figures that protocol `paper` is for.
FACTORIES: dict[str, Callable[[str, Sources], FileCodec | Dsslic]] = {
    "jpeg": lambda name, _: ordinary.jpeg(name, "4:4:4"),
    "jpeg420": lambda name, _: ordinary.jpeg(name, "4:2:0"),
    "jpeg2000": lambda name, _: ordinary.jpeg2000(name),
    "webp": lambda name, _: ordinary.webp(name),
    "avif": lambda name, _: ordinary.avif(name),
    "jxl": lambda name, _: ordinary.jxl(name),
    "heic": lambda name, _: ordinary.heic(name),
    "bpg": lambda name, _: ordinary.bpg(name, "ycbcr444"),
    "bpg420": lambda name, _: ordinary.bpg(name, "ycbcr420"),
    "bpg_rgb": lambda name, _: ordinary.bpg(name, "rgb444"),
    "jpeg_planes": lambda name, _: ordinary.planes(
        name, ordinary.jpeg(name, "4:4:4", optimize=False)
    ),
    "jpeg2000_planes": lambda name, _: ordinary.planes(name, ordinary.jpeg2000(name)),
    "webp_planes": lambda name, _: ordinary.planes(name, ordinary.webp(name, method=4)),
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
