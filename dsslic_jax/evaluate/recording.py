"""Results into the `model.json` of the model that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.bundle.measured import JOINED, entry, record
from dsslic_jax.evaluate.protocols import AVERAGING_TEXT, Protocol
from dsslic_jax.evaluate.tables.means import Mean
from dsslic_jax.models.parts import COARSE, SEGNET

if TYPE_CHECKING:
    from dsslic_jax.evaluate.segmentation import Agreement

SEGMENTED = "pixels that are void in the true label map are left out"


def record_coding(
    directory: Path, means: Sequence[Mean], protocol: Protocol, pictures: str
) -> None:
    """Adds a rate-distortion table, the rows of other codecs too, to a model directory.

    `pictures` tells readers which they are. Raises ModelError where there is no sound model.
    """
    qualities = (protocol.quality, "ms_ssim", "psnr_upsampled_rgb_db")
    rows = [
        {"codec": row.curve, "setting": row.setting, "layer": row.layer}
        | {protocol.rate: row.rate(protocol)}
        | {name: row.metrics.get(name) for name in qualities}
        for row in means
    ]
    how = f"{protocol.name}: {protocol.means}; {AVERAGING_TEXT}"
    part = JOINED if any(row.labels == "segnet" for row in means) else COARSE.name
    record(directory, part, entry(pictures, how, rows))


def record_segmentation(directory: Path, found: Agreement, pictures: str) -> None:
    """Adds SegNet's scores over some pictures to a model directory. Raises ModelError where there is no sound model."""
    row = {"pixel_accuracy": found.pixel_accuracy, "mean_iou": found.mean_iou}
    record(directory, SEGNET.name, entry(pictures, SEGMENTED, [row]))
