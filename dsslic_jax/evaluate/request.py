"""What a user asks an evaluation for, and which codecs, curves and anchors that means."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dsslic_jax.errors import CoderUnavailable, ConfigError
from dsslic_jax.evaluate.codecs.codec import FileCodec
from dsslic_jax.evaluate.codecs.dsslic import Dsslic
from dsslic_jax.evaluate.measuring.measure import Measurer
from dsslic_jax.evaluate.measuring.points import Curve
from dsslic_jax.evaluate.protocols import Protocol
from dsslic_jax.evaluate.tables.differences import find_anchor


@dataclass(frozen=True)
class Request:
    """What to measure."""

    images: Path  # folder of lossless pictures (PNG), taken in the order of their names
    # RUN, the folder for measurements, streams and tables; one that was stopped is continued.
    out: Path
    protocols: Sequence[str] = ("fair",)  # names of `protocols.PROTOCOLS`
    codecs: Sequence[str] = ()  # names of `codecs.registry`; none for those of the protocols
    # By codec, where the codec's own are not wanted.
    settings: Mapping[str, Sequence[float]] = field(default_factory=dict)
    model: Path | None = None  # the model directory of dsslic and dsslic_flif
    # Folder of label maps, `<stem>.png`, ids as the data set's files have them.
    labels: Path | None = None
    # Of dsslic, each a curve of its own: "segnet", "files" (needs `labels`), "none"; none given is "files" where
    # there are labels, else "segnet".
    label_sources: Sequence[str] = ()
    programs: Mapping[str, str] = field(default_factory=dict)  # paths of external programs by name
    lpips_weights: Path | None = None  # measure LPIPS too, with this file of weights
    # What Bjøntegaard differences are taken against; None for the protocol's own, if it is measured.
    anchor: str | None = None
    workers: int = 1  # processes; 1 leaves times undisturbed
    limit: int | None = None  # only this many pictures; None for all
    allow_lossy: bool = False  # accept JPEG pictures too; conditions.json names them
    skip_missing: bool = False  # leave out codecs that are not installed, instead of refusing


def open_codecs(
    request: Request, protocols: Sequence[Protocol], measurer: Measurer
) -> tuple[dict[str, FileCodec | Dsslic], dict[str, str]]:
    """The codecs asked for, by name, and why others are left out.

    Raises:
        ConfigError: an unknown name, a codec without its model, or settings for one that is not measured.
        ModelError: the model cannot be used.
        CoderUnavailable: codecs are missing and may not be, or none is left.
    """
    names = dict.fromkeys(request.codecs or (name for p in protocols for name in p.codecs))
    if unused := sorted(set(request.settings) - set(names)):
        raise ConfigError(f"settings for {unused[0]}, which is not measured: {', '.join(names)}")
    codecs, missing = {}, {}
    for name in names:
        try:
            codecs[name] = measurer.codec(name)
        except CoderUnavailable as error:
            missing[name] = str(error)
    if missing and not request.skip_missing:
        raise CoderUnavailable(
            f"{'; '.join(missing.values())}; or leave out what is missing with --skip-missing"
        )
    if not codecs:
        raise CoderUnavailable(f"no codec is left to measure: {'; '.join(missing.values())}")
    return codecs, missing


def curves_of(codec: FileCodec | Dsslic, request: Request) -> Iterator[Curve]:
    """The curves to measure of a codec: one, or one for each source of labels.

    Raises ConfigError for impossible settings or sources, ModelError for SegNet's labels where the model has none.
    """
    settings = tuple(request.settings.get(codec.name, codec.settings))
    codec.setting_range.check(codec.name, settings)
    sources: Sequence[str | None] = [None]
    if isinstance(codec, Dsslic):
        sources = request.label_sources or ["segnet" if request.labels is None else "files"]
        for source in sources:
            codec.check_label_source(str(source))
        if "files" in sources and request.labels is None:
            raise ConfigError("label source files needs a folder of label maps: --labels DIR")
    for source in dict.fromkeys(sources):
        yield Curve(
            codec=codec.name,
            labels=source,
            settings=settings,
            version=codec.version,
            model=codec.model if isinstance(codec, Dsslic) else None,
            setting_means=codec.setting_range.means,
        )


def anchors_of(
    request: Request, protocols: Sequence[Protocol], curves: Sequence[Curve]
) -> dict[str, str]:
    """The curve that each protocol's differences are taken against, where there is one, by protocol.

    Raises ConfigError where the anchor asked for is not measured.
    """
    names = [curve.name for curve in curves]
    if request.anchor is not None:
        return {p.name: find_anchor(request.anchor, names) for p in protocols}
    return {p.name: p.anchor for p in protocols if p.anchor in names}
