"""Makes the tables in `results/`: a folder for each evaluation, and the poster's picture by itself.

    python -m benchmarks.results --data DATA --runs RUNS [--only kodak] [--workers 2]

DATA holds kodak/test and camvid/test_lossless. The models are the bundled ones. Kodak's HEIC needs the extra [heic].
The evaluations lie in RUNS, where they go on if they were stopped.

    results/NAME/mean.csv, bd.csv   means over the pictures and their Bjøntegaard differences
    results/NAME/conditions.json    command, commit, model fingerprint, machine and the version of every codec
    results/kodak/published.csv     ordinary codecs as measured here against published curves of the same codecs
    results/poster.json             kodim13 under protocol paper, at the rates of the DSSLIC poster, with the conditions
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.bundle import known as known_models
from dsslic_jax.evaluate.codecs.dsslic import Dsslic
from dsslic_jax.evaluate.codecs.registry import Sources, make_codec
from dsslic_jax.evaluate.measuring.conditions import circumstances
from dsslic_jax.evaluate.request import Request
from dsslic_jax.evaluate.run import evaluate
from dsslic_jax.evaluate.tables.anchors import poster_points, published_curves
from dsslic_jax.evaluate.tables.means import Mean, csv_bytes
from dsslic_jax.metrics import bd_rate_percent, bits_per_sample, ms_ssim, psnr_channel_mean_db
from dsslic_jax.pictures.reading import read_picture
from dsslic_jax.system.files import write_atomically

OUT = Path(__file__).resolve().parents[1] / "results"
KEPT = ("mean.csv", "bd.csv", "conditions.json")
SAME_CODEC = {"bpg": "bpg-444", "jpeg420": "jpeg-420", "jpeg2000": "jpeg-2000", "webp": "webp"}
POSTER_MODELS = ("natural_poster", "natural")
IN_POSTER = {
    "jpeg_planes": "jpeg",
    "jpeg2000_planes": "jpeg-2000",
    "webp_planes": "webp",
    "bpg_rgb": "bpg",
}


@dataclass(frozen=True)
class Experiment:
    """One evaluation: a bundled model, pictures below DATA, and what `Request` has beside them."""

    model: str
    images: str
    labels: str | None = None
    choices: Mapping[str, Any] = field(default_factory=dict)


EXPERIMENTS = {
    "kodak": Experiment("natural", "kodak/test/images", choices={"protocols": ("fair", "paper")}),
    "kodak_poster": Experiment(
        "natural_poster", "kodak/test/images", choices={"protocols": ("paper",)}
    ),
    "camvid": Experiment(
        "street",
        "camvid/test_lossless/images",
        choices={
            "codecs": ("dsslic", "jpeg", "webp", "bpg"),
            "settings": {
                "dsslic": (5, 10, 20, 30, 40, 50, 60, 70),
                "jpeg": (10, 17, 25, 35, 50, 65, 75, 85),
                "webp": (5, 10, 25, 40, 50, 65, 75, 85),
                "bpg": (44, 41, 39, 36, 34, 31, 29, 26),
            },
        },
    ),
    "camvid_labels": Experiment(
        "street_poster",
        "camvid/test_lossless/images",
        "camvid/test_lossless/labels",
        {
            "codecs": ("dsslic",),
            "label_sources": ("segnet", "files", "none"),
            "settings": {"dsslic": (5, 10, 20, 30, 40, 50, 60, 70)},
            "anchor": "dsslic:none",
        },
    ),
}


def main() -> None:
    """Runs the experiments and writes their results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--only", choices=(*EXPERIMENTS, "poster"), action="append")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    for name in options.only or (*EXPERIMENTS, "poster"):
        if name == "poster":
            picture = options.data / "kodak/test/images/kodim13.png"
            models = {name: known_models.model_directory(name) for name in POSTER_MODELS}
            found = {
                "models": {name: bundle.load(at).fingerprint.hex() for name, at in models.items()},
                **circumstances(),
                "points": against_poster(picture, models),
            }
            write_atomically(OUT / "poster.json", f"{json.dumps(found, indent=1)}\n".encode())
            continue
        experiment = EXPERIMENTS[name]
        run = options.runs / name
        request = Request(
            options.data / experiment.images,
            run,
            model=known_models.model_directory(experiment.model),
            labels=options.data / experiment.labels if experiment.labels else None,
            workers=options.workers,
            **experiment.choices,
        )
        report = evaluate(request)
        for kept in KEPT:
            write_atomically(OUT / name / kept, (run / kept).read_bytes())
        if name == "kodak":
            write_atomically(
                OUT / name / "published.csv", csv_bytes(against_published(report.means))
            )
        print(f"{name}: {OUT / name}")


def against_published(means: Sequence[Mean]) -> list[dict[str, Any]]:
    """Rate that each measured codec takes more than the published one, on mean curves as publications have them."""
    rows = []
    for codec, name in SAME_CODEC.items():
        points = [mean for mean in means if mean.codec == codec]
        published = published_curves()[name]
        difference = bd_rate_percent(
            published.bits_per_pixel,
            published.psnr_rgb_db,
            [point.bits_per_pixel for point in points],
            [float(point.metrics["psnr_rgb_db"] or math.nan) for point in points],
        )
        rows.append(
            {
                "codec": codec,
                "published": published.codec,
                "source": published.source,
                "bd_rate_percent": difference.value,
                "psnr_low_db": difference.low,
                "psnr_high_db": difference.high,
            }
        )
    return rows


def against_poster(path: Path, models: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Each codec of the poster, and each model, at the poster's rate: two real files and the line between them."""
    picture = read_picture(path)
    rows = []
    asked = [(name, theirs, None) for name, theirs in IN_POSTER.items()]
    for name, theirs, model in [*asked, *(("dsslic", "dsslic", model) for model in models)]:
        point = poster_points()[theirs]
        codec = make_codec(name, Sources(models[model] if model else None))

        def coded(setting: float, codec: Any = codec) -> tuple[float, float, float]:
            if isinstance(codec, Dsslic):
                data = codec.encode(picture, None, "segnet", setting)
                decoded = codec.decode(data).picture
                assert decoded is not None
            else:
                data = codec.encode(picture, setting)
                decoded = codec.decode(data, picture.shape)
            rate = bits_per_sample(len(data) - codec.framing_bytes, *picture.shape[:2])
            return rate, psnr_channel_mean_db(picture, decoded), ms_ssim(picture, decoded)

        below, above = around(coded, point.bits_per_sample, *ends(codec))
        part = (point.bits_per_sample - below[0]) / (above[0] - below[0])
        quality, similarity = (
            a + part * (b - a) for a, b in zip(below[1:], above[1:], strict=True)
        )
        rows.append(
            {
                "codec": name,
                "model": model,
                "bits_per_sample": point.bits_per_sample,
                "poster_psnr_db": point.psnr_db,
                "psnr_channel_mean_db": quality,
                "difference_db": quality - point.psnr_db,
                "poster_ms_ssim": point.ms_ssim,
                "ms_ssim": similarity,
                "bits_per_sample_below": below[0],
                "bits_per_sample_above": above[0],
            }
        )
    return rows


def ends(codec: Any) -> tuple[float, float]:
    """The settings of lowest and of highest rate; of compression ratios, two far beyond the poster's rates."""
    first, last = codec.settings[0], codec.settings[-1]
    low, high = codec.setting_range.low, codec.setting_range.high
    if math.isinf(high):
        return first, last
    return (low, high) if first < last else (high, low)


def around(
    coded: Any, rate: float, low: float, high: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The measurements of two neighbouring whole settings, one below and one at or above a rate.

    Args:
        coded: setting -> (rate, qualities…).
        rate: wanted.
        low, high: settings whose rates are below and above it.
    """
    found = {setting: coded(setting) for setting in (low, high)}
    while abs(high - low) > 1:
        middle = (low + high) // 2
        found[middle] = coded(middle)
        low, high = (middle, high) if found[middle][0] < rate else (low, middle)
    return found[low], found[high]


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # it has told where it goes on
        sys.exit(130)
