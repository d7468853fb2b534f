"""After training: what the model makes of the held-back pictures of the run's own data set."""

from collections.abc import Sequence
from pathlib import Path

from dsslic_jax.bundle.directory import load
from dsslic_jax.data.settings import DataSettings
from dsslic_jax.data.sources import open_source
from dsslic_jax.errors import TrainingStopped
from dsslic_jax.evaluate.measuring.measure import STREAMS
from dsslic_jax.evaluate.protocols import PROTOCOLS
from dsslic_jax.evaluate.recording import record_coding, record_segmentation
from dsslic_jax.evaluate.request import Request
from dsslic_jax.evaluate.run import evaluate
from dsslic_jax.evaluate.segmentation import agreement, summary
from dsslic_jax.evaluate.tables.text import format_report
from dsslic_jax.system.files import write_png

CODECS = ("jpeg", "webp", "bpg", "dsslic")  # enough to see where the model stands


def measure_held_back(
    data: DataSettings, qualities: Sequence[float], model: Path, workdir: Path
) -> None:
    """Writes the pictures of `data.eval_split` as PNG, then evaluates the model on them.

    Prints the layered rate-distortion table and where everything lies, and keeps the table in `model.json`. Raises
    TrainingStopped unless x' is closer to the pictures than up(ĉ) is (mean PSNR): FineNet must add something.
    """
    source = open_source(data, data.eval_split)
    pictures = workdir / "held_back"
    for i in range(len(source)):
        element = source[i]
        for kind in ("image", "labels"):
            write_png(pictures / kind / f"{element['name']}.png", element[kind])
    report = evaluate(
        Request(
            images=pictures / "image",
            labels=pictures / "labels",
            model=model,
            out=workdir / "evaluation",
            codecs=CODECS,
            settings={"dsslic": tuple(qualities)},
        )
    )
    print(format_report(report.means, report.differences, [PROTOCOLS["fair"]]))
    described = f"{len(source)} pictures of {source.name}, whole"
    record_coding(model, report.means, PROTOCOLS["fair"], described)
    print(f"checkpoints: {workdir / 'checkpoints'}")
    print(f"model:       {model}")
    print(f"streams:     {workdir / 'evaluation' / STREAMS / 'dsslic-files'}")
    print(f"pictures:    {pictures / 'image'}, samples of training: {workdir / 'samples'}")
    coarse = next(row for row in report.means if row.codec == "dsslic" and row.layer == "c")
    reached, upsampled = (coarse.metrics[name] for name in ("psnr_rgb_db", "psnr_upsampled_rgb_db"))
    if not reached > upsampled:  # type: ignore[operator]
        raise TrainingStopped(
            f"x' ({reached:.2f} dB) is no closer to the held-back pictures than up(c) ({upsampled:.2f} dB): "
            "train longer"
        )


def measure_segmentation(data: DataSettings, model: Path) -> tuple[float, float]:
    """Prints pixel accuracy and mean IoU over `data.eval_split`, keeps them in `model.json`, returns them.

    Pictures are taken whole, at their stored size, as the codec takes them.
    """
    from dsslic_jax.codec.networks.segmenter import Segmenter

    loaded = load(model)
    source = open_source(data, data.eval_split)
    elements = (source[i] for i in range(len(source)))
    pairs = ((element["image"], element["labels"]) for element in elements)
    found = agreement(pairs, Segmenter(loaded), loaded.classes)
    print(f"{source.name}: {summary(found)}")
    record_segmentation(model, found, f"{found.pictures} pictures of {source.name}")
    return found.pixel_accuracy, found.mean_iou
