"""What each choice of the `best` profile is worth: Bjøntegaard differences against coding the picture directly.

    python -m benchmarks.rate_distortion --data DATA --out results/rate_distortion [--set kodak] [--workers 2]
        [--trained NAME=MODEL ...]

DATA holds coco_stuff, natural_cid22 and kodak. Set "tuning" is held-back pictures of the first two, every choice one at
a time; set "kodak" is all of Kodak, what was chosen and what it is compared with. Models given as --trained, of another
alpha say, are measured without labels and enhancement, c without loss. Every stream is written and decoded
whole, all its bytes are counted. Differences are taken picture by picture and averaged, to three anchors:

    direct           the residual's coder given the picture itself in 10 bits
    direct_enhanced  the same, enhanced by the same network without labels
    bpg              BPG 4:4:4 of 8 bits
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dsslic_jax.bundle.directory import load
from dsslic_jax.bundle.known import model_directory
from dsslic_jax.codec.coders.bpg.coder import BpgCoder, BpgOptions
from dsslic_jax.codec.coders.bpg.embedded import EmbeddedBpg
from dsslic_jax.codec.coders.coder import Context
from dsslic_jax.codec.layers import residual
from dsslic_jax.codec.layers.residual import ResidualSettings
from dsslic_jax.errors import DataError
from dsslic_jax.evaluate.measuring.conditions import circumstances
from dsslic_jax.evaluate.tables.means import csv_bytes
from dsslic_jax.metrics import (
    bd_rate_percent,
    bits_per_pixel,
    mean_squared_error,
    ms_ssim,
    psnr_rgb_db,
    similarity_db,
)
from dsslic_jax.models.parts import COARSE
from dsslic_jax.pictures.reading import read_picture
from dsslic_jax.system import runtime
from dsslic_jax.system.files import write_atomically

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec

ANCHORS = ("direct", "direct_enhanced", "bpg")
PSNR_RANGE_DB = (27.0, 37.5)
QUALITIES = {"tuning": (12, 27, 42, 57, 72), "kodak": (8, 17, 26, 35, 44, 53, 62, 71)}

Coded = tuple[int, np.ndarray]  # length of the whole file, and the picture decoded from it
Point = tuple[float, float, float]  # bits per pixel, PSNR and MS-SSIM in dB


@dataclass(frozen=True)
class Variant:
    """A way to code, as it differs from the model directory called `base`: in its networks, coding, labels."""

    base: str = "best"  # or "poster", or the name of a model given as --trained
    model: Mapping[str, Any] = field(default_factory=dict)
    coding: Mapping[str, Any] = field(default_factory=dict)
    exchange: bool = False  # the labels' regions stay, each class is named as another


NO_LABELS = {"labels": "none", "label_scale": 1}
PLAIN = {**NO_LABELS, "enhance": "off"}
AS_PUBLISHED = {
    "compact_step": 1,
    "prediction_gain": 1.0,
    "residual": "min_max",
    "residual_bits": 8,
}
TEN_BITS = {"residual": "centred", "residual_bits": 10}
CHOSEN = {
    "best": Variant(),
    "best, no labels": Variant(coding=NO_LABELS),
    "best, classes exchanged": Variant(exchange=True),
    "poster": Variant("poster"),
    "poster, no labels": Variant("poster", coding=NO_LABELS),
    "poster, classes exchanged": Variant("poster", exchange=True),
    "poster, no labels, no networks": Variant(
        model={"alpha": 8, "colour": "rgb"}, coding={**PLAIN, **AS_PUBLISHED}
    ),
}


def _tried() -> Iterator[tuple[str, Variant]]:
    """Every choice by itself; those of c and the residual without labels and enhancement."""
    yield "best, not enhanced", Variant(coding={"enhance": "off"})
    yield "poster, 10 bits", Variant("poster", coding=TEN_BITS)
    yield "best, labels by cost", Variant(coding={"labels": "auto"})
    for scale in (1, 8, 16):
        yield f"best, a label for {scale}x{scale}", Variant(coding={"label_scale": scale})
    for scale in (1, 32):
        coding = {"label_scale": scale, "label_loss": 0.01}
        yield f"best, a label for {scale}x{scale}, simplified by 1 %", Variant(coding=coding)
    yield "plain", Variant(coding=PLAIN)
    for gain in (0.25, 0.5, 1.0):
        yield f"plain, gain {gain:g}", Variant(coding={**PLAIN, "prediction_gain": gain})
    for step in (1, 4, 8):
        yield f"plain, c in steps of {step}", Variant(coding={**PLAIN, "compact_step": step})
    for alpha in (32, 16, 8):
        for gain in (0.0, 1.0):
            coding = {**PLAIN, "compact_step": 1, "prediction_gain": gain}
            yield (
                f"plain, alpha {alpha}, lossless c, gain {gain:g}",
                Variant(model={"alpha": alpha}, coding=coding),
            )
    for mapping, bits in (("centred", 8), ("min_max", 10), ("min_max", 8)):
        coding = {**PLAIN, "prediction_gain": 1.0, "residual": mapping, "residual_bits": bits}
        yield f"plain, gain 1, {mapping} of {bits} bits", Variant(coding=coding)


VARIANTS = {**CHOSEN, **dict(_tried())}
OF_TRAINED = {
    f"gain {gain}": {**PLAIN, **TEN_BITS, "compact_step": 1, "prediction_gain": gain}
    for gain in (1.0, "auto")
}


def variant_named(name: str) -> Variant:
    """Of VARIANTS, or one of OF_TRAINED as "MODEL: its name"."""
    if name in VARIANTS:
        return VARIANTS[name]
    base, _, coding = name.partition(": ")
    return Variant(base, coding=OF_TRAINED[coding])


def main() -> None:
    """Codes, measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", choices=("tuning", "kodak"), default="tuning")
    parser.add_argument("--model", type=model_directory, default="natural")
    parser.add_argument("--poster-model", type=model_directory, default="natural_poster")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--trained", action="append", default=[], metavar="NAME=MODEL")
    options = parser.parse_args()
    models = {"best": options.model, "poster": options.poster_model}
    variants = [*(CHOSEN if options.set == "kodak" else VARIANTS)]
    for given in options.trained:
        name, _, model = given.partition("=")
        models[name] = model_directory(model)
        variants += [f"{name}: {coding}" for coding in OF_TRAINED]
    paths = pictures(options.data, options.set)
    qualities = QUALITIES[options.set]
    conditions = {  # those at the start: hours may pass
        "models": {name: load(path).fingerprint.hex() for name, path in models.items()},
        "pictures": [path.name for path in paths],
        "qualities": qualities,
        "psnr_range_db": PSNR_RANGE_DB,
        **circumstances(),
    }
    work = partial(measured, variants=variants, models=models, qualities=qualities)
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        found = [*pool.map(work, paths)]
    rows = [difference_row(name, found) for name in (*ANCHORS, *variants)]
    text = f"{json.dumps(conditions, indent=1)}\n"
    write_atomically(options.out / f"{options.set}.json", text.encode())
    write_atomically(options.out / f"{options.set}.csv", csv_bytes(rows))
    print(csv_bytes(rows).decode())


def pictures(data: Path, which: str) -> list[Path]:
    """Kodak, or every sixth of COCO-Stuff's val split and every 36th of CID22; none is trained on."""
    if which == "kodak":
        return sorted((data / "kodak/test/images").iterdir())
    held_back = sorted((data / "coco_stuff/val/images").iterdir())[::6]
    return held_back + sorted((data / "natural_cid22/train/images").iterdir())[::36]


def measured(
    path: Path, variants: Sequence[str], models: Mapping[str, Path], qualities: Sequence[float]
) -> dict[str, list[Point]]:
    """The points of every anchor and variant for one picture, by name."""
    picture = read_picture(path)
    labels = {base: _segmented(models[base], picture) for base in ("best", "poster")}
    coders: dict[str, Callable[[float], Coded]] = {
        "direct": partial(direct, picture, None),
        "direct_enhanced": partial(direct, picture, models["best"]),
        "bpg": partial(bpg, picture),
    }
    for name in variants:
        base = variant_named(name).base
        coders[name] = partial(layered, picture, labels.get(base), name, models[base])
    return {name: [point(picture, code(q)) for q in qualities] for name, code in coders.items()}


def point(picture: np.ndarray, coded: Coded) -> Point:
    """Rate and qualities of a file."""
    num_bytes, decoded = coded
    rate = bits_per_pixel(num_bytes, *picture.shape[:2])
    return rate, psnr_rgb_db(picture, decoded), similarity_db(ms_ssim(picture, decoded))


def bpg(picture: np.ndarray, quality: float) -> Coded:
    """BPG 4:4:4 of 8 bits, at the whole quantiser that the quality means or the next lower one."""
    coder = BpgCoder(EmbeddedBpg())
    quantiser, _ = coder.setting(quality)
    data = coder.encode(picture, quantiser)
    return len(data), coder.decode(data, picture.shape)


def direct(picture: np.ndarray, enhancing: Path | None, quality: float) -> Coded:
    """A residual layer by itself, from which nothing is subtracted: no header, no s, no c."""
    how = ResidualSettings(quality, "centred", prediction_gain=0.0)
    coder, nothing = BpgCoder(EmbeddedBpg(), BpgOptions(10)), np.zeros_like(picture)
    data = residual.encode(picture, nothing, Context(), how, coder, 1)
    decoded = residual.decode(data, nothing, Context(), coder)
    if enhancing is not None:
        enhanced = _enhancer(enhancing)(decoded, None, coder.strength(quality))
        if mean_squared_error(picture, enhanced) < mean_squared_error(picture, decoded):
            decoded = enhanced
    return len(data), decoded


def layered(
    picture: np.ndarray, labels: np.ndarray | None, name: str, model: Path, quality: float
) -> Coded:
    """A whole stream of a variant; labels None where it has none."""
    codec = _codec(model, name)
    if labels is not None and variant_named(name).exchange:
        labels = exchanged(labels, codec.bundle.classes.num_classes)
    data = codec.encode(picture, labels, replace(codec.settings, quality=quality))
    decoded = codec.decode(data).picture
    assert decoded is not None
    return len(data), decoded


def exchanged(labels: np.ndarray, classes: int) -> np.ndarray:
    """The same regions with each class but the first named as another, the same in all pictures."""
    others = 1 + np.roll(np.arange(classes - 1), classes // 2)
    return np.concatenate([[0], others]).astype(np.uint8)[labels]


def _segmented(model: Path, picture: np.ndarray) -> np.ndarray:
    return _codec(model, None).segment(picture)


@cache
def _enhancer(model: Path) -> Any:
    from dsslic_jax.codec.networks.enhancer import NetworkEnhancer

    return NetworkEnhancer(load(model))


@cache
def _codec(model: Path, name: str | None) -> Codec:
    """The codec of a model as it is, or with a variant's changes."""
    from dsslic_jax.codec.codec import Codec

    own = load(model)
    if name is None:
        return Codec(own)
    variant = variant_named(name)
    coarse = own.part(COARSE)
    changed = replace(coarse, settings=replace(coarse.settings, **variant.model))
    parts, coding = {**own.parts, COARSE.name: changed}, {**own.coding, **variant.coding}
    return Codec(replace(own, parts=parts, coding=coding))


def difference_row(name: str, found: Sequence[Mapping[str, Sequence[Point]]]) -> dict[str, Any]:
    """A line of the table: the mean difference to each anchor, and over how many pictures."""
    line: dict[str, Any] = {"variant": name}
    for quality, axis, interval in (("psnr", 1, PSNR_RANGE_DB), ("ms_ssim", 2, None)):
        for anchor in ANCHORS:
            values = []
            for curves in found:
                (a, x), (b, y) = (
                    [[point[i] for point in curves[curve]] for i in (0, axis)]
                    for curve in (anchor, name)
                )
                try:
                    values.append(bd_rate_percent(a, x, b, y, interval).value)
                except DataError:  # the curves share too little of the interval
                    continue
            mean = sum(values) / len(values) if values else math.nan
            line[f"{quality}_bd_rate_percent_to_{anchor}"] = round(mean, 2)
            line[f"{quality}_pictures_to_{anchor}"] = len(values)
    return line


if __name__ == "__main__":
    runtime.prepare()
    main()
