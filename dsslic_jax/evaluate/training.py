"""What training measures on held-back pictures of its own data set: all of them at the end, a few while it runs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dsslic_jax.bundle.directory import load
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.coders.registry import OpenCoders
from dsslic_jax.codec.networks.segmenter import Segmenter
from dsslic_jax.codec.settings import CodingSettings, ModelCoding, coding_settings
from dsslic_jax.codec.stream import container
from dsslic_jax.data.elements import Element
from dsslic_jax.data.settings import DataSettings
from dsslic_jax.data.sources import open_source
from dsslic_jax.data.transforms import centred
from dsslic_jax.errors import CoderUnavailable, ConfigError, TrainingStopped
from dsslic_jax.evaluate.measuring.measure import STREAMS
from dsslic_jax.evaluate.protocols import PROTOCOLS
from dsslic_jax.evaluate.recording import SEGMENTED, record_coding, record_segmentation
from dsslic_jax.evaluate.request import Request
from dsslic_jax.evaluate.run import evaluate
from dsslic_jax.evaluate.segmentation import agreement, summary
from dsslic_jax.evaluate.tables.text import format_report
from dsslic_jax.metrics import bits_per_pixel, psnr_rgb_db
from dsslic_jax.models.parts import COARSE, SEGNET
from dsslic_jax.settings.reading import to_mapping
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


def require_coders(coding: ModelCoding) -> CodingSettings:
    """The settings that a model codes with by itself. Raises CoderUnavailable where a coder is missing here."""
    settings = coding_settings(to_mapping(coding))
    try:
        settings.encoders(OpenCoders())
    except CoderUnavailable as error:
        missing = str(error).partition(" or name it with --program")[0]
        raise CoderUnavailable(
            f"held-back pictures are coded to measure them: {missing}, or set --config.coding.codecs=embedded"
        ) from error
    return settings


class CodedPictures:
    """Rate and distortion by layer, means over some pictures of `data.eval_split`; `protocol` says how."""

    part = COARSE.name
    protocol = (
        "coded with the model's own settings and the label maps they came with; bits per pixel of the stream up to "
        "each layer, header included; PSNR of the decoded pixels; means over the pictures"
    )
    names: tuple[str, ...] = (
        "eval/bits_per_pixel_s",
        "eval/bits_per_pixel_c",  # s and c
        "eval/bits_per_pixel",  # the whole stream
        "eval/psnr_upsampled_rgb_db",
        "eval/psnr_coarse_rgb_db",  # x'
        "eval/psnr_rgb_db",
    )

    def __init__(self, data: DataSettings, pictures: int, coding: ModelCoding) -> None:
        """Reads so many pictures, or as many as there are.

        Raises:
          CoderUnavailable: a layer coder is missing.
          ConfigError: label maps are to be made at the decoder, for which there is no SegNet yet.
          DataError: the pictures cannot be read.
        """
        settings = require_coders(coding)
        if settings.labels == "decoder":
            raise ConfigError(
                'train.evaluate_every cannot code with coding.labels "decoder": the SegNet is joined after training; '
                'train with "sent"'
            )
        self._elements, self.pictures = held_back(data, pictures)

    def __call__(self, bundle: Bundle) -> dict[str, float]:
        """The values of `names` for one model."""
        codec = Codec(bundle, bundle.coding["codecs"])
        rows = [_coded(codec, element) for element in self._elements]
        return dict(zip(self.names, np.mean(rows, axis=0).tolist(), strict=True))


def _coded(codec: Codec, element: Element) -> tuple[float, ...]:
    """The values of `CodedPictures.names` for one picture."""
    picture = element["image"]
    size = picture.shape[:2]
    data = codec.encode(picture, element["labels"])
    lengths = container.layer_lengths(data)
    s = lengths["header"] + lengths.get("s", 0)
    decoded = codec.decode(data)
    assert decoded.coarse is not None and decoded.picture is not None
    return (
        bits_per_pixel(s, *size),
        bits_per_pixel(s + lengths["c"], *size),
        bits_per_pixel(len(data), *size),
        psnr_rgb_db(picture, codec.upsample(decoded)),
        psnr_rgb_db(picture, decoded.coarse),
        psnr_rgb_db(picture, decoded.picture),
    )


class SegmentedPictures:
    """SegNet's pixel accuracy and mean IoU over some pictures of `data.eval_split`."""

    part = SEGNET.name
    protocol = SEGMENTED
    names: tuple[str, ...] = ("eval/pixel_accuracy", "eval/mean_iou")

    def __init__(self, data: DataSettings, pictures: int) -> None:
        """Reads so many pictures, or as many as there are; raises DataError."""
        self._elements, self.pictures = held_back(data, pictures)

    def __call__(self, bundle: Bundle) -> dict[str, float]:
        """The values of `names` for one model."""
        pairs = ((element["image"], element["labels"]) for element in self._elements)
        found = agreement(pairs, Segmenter(bundle), bundle.classes)
        return dict(zip(self.names, (found.pixel_accuracy, found.mean_iou), strict=True))


def held_back(data: DataSettings, pictures: int) -> tuple[list[Element], str]:
    """Pictures spread evenly over `data.eval_split`, their middle cut to `data.crop`; and in words which they are."""
    source = open_source(data, data.eval_split)
    count = min(pictures, len(source))
    chosen = [i * len(source) // count for i in range(count)]
    middle = "" if data.crop is None else ", their middle {}x{}".format(*data.crop)
    told = f"{count} of the {len(source)} pictures of {source.name}{middle}"
    return [centred(source[i], data) for i in chosen], told
