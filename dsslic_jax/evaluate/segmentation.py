"""How well SegNet's label maps agree with true ones: counts of pixels, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.classes.table import ClassTable
from dsslic_jax.data.sources import open_source
from dsslic_jax.evaluate.recording import record_segmentation
from dsslic_jax.evaluate.tables.means import csv_bytes
from dsslic_jax.evaluate.tables.text import aligned, cell
from dsslic_jax.metrics import confusion_matrix, mean_iou

_MOST_CONFUSED = 3  # classes named for each


@dataclass(frozen=True)
class Agreement:
    """Label maps against the truth over any number of pictures, void left out.

    Attributes:
        classes: K of them.
        confusion: int64 [K, K]: entry [t, p] counts pixels of true class t that were called p.
        pictures: how many.
    """

    classes: ClassTable
    confusion: np.ndarray
    pictures: int

    @property
    def pixel_accuracy(self) -> float:
        """Share of the labelled pixels that are called right, in [0, 1]; nan without any."""
        labelled = self.confusion.sum()
        return float(np.trace(self.confusion) / labelled) if labelled else float("nan")

    @property
    def mean_iou(self) -> float:
        """See `metrics.mean_iou`."""
        return mean_iou(self.confusion, self.classes.void_ids)

    def class_iou(self, class_id: int) -> float | None:
        """Intersection over union of one class; None for void and for one neither present nor predicted."""
        hits = self.confusion[class_id, class_id]
        union = self.confusion[class_id].sum() + self.confusion[:, class_id].sum() - hits
        return None if class_id in self.classes.void_ids or not union else float(hits / union)


def agreement(
    pairs: Iterable[tuple[np.ndarray, np.ndarray]],
    segment: Callable[[np.ndarray], np.ndarray],
    classes: ClassTable,
) -> Agreement:
    """What `segment` makes of pictures against their true label maps.

    Args:
        pairs: x uint8 [H, W, 3] with its true s, uint8 [H, W] class ids.
        segment: x -> s.
        classes: the table of both.
    """
    total = np.zeros((classes.num_classes, classes.num_classes), np.int64)
    pictures = 0
    for picture, labels in pairs:
        total += confusion_matrix(segment(picture), labels, classes.num_classes, classes.void_ids)
        pictures += 1
    return Agreement(classes, total, pictures)


def format_agreement(found: Agreement) -> str:
    """A summary line, then for each class that is there what its pixels are called most often, largest class first."""
    truth = found.confusion.sum(axis=1)
    order = sorted(range(found.classes.num_classes), key=lambda i: -truth[i])
    lines: list[tuple[str, ...]] = [("class", "pixels", "IoU", "called")]
    for class_id in order:
        iou = found.class_iou(class_id)
        if iou is None:
            continue
        called = sorted(
            range(found.classes.num_classes), key=lambda i: -found.confusion[class_id, i]
        )
        shares = [
            f"{found.classes.names[i]} {found.confusion[class_id, i] / truth[class_id]:.1%}"
            for i in called[:_MOST_CONFUSED]
            if found.confusion[class_id, i]
        ]
        lines.append(
            (
                found.classes.names[class_id],
                f"{truth[class_id] / truth.sum():.2%}",
                cell(iou, 4),
                ", ".join(shares) or "-",
            )
        )
    return f"{summary(found)}\n{aligned(lines, left=(0, 3))}"


def summary(found: Agreement) -> str:
    """One line."""
    return f"{found.pictures} pictures, pixel accuracy {found.pixel_accuracy:.4f}, mean IoU {found.mean_iou:.4f}"


def confusion_csv(found: Agreement) -> bytes:
    """A row for each true class: its pixels, its IoU, then how many of them each class was called."""
    names = found.classes.names
    return csv_bytes(
        {"true_class": name, "pixels": int(found.confusion[i].sum()), "iou": found.class_iou(i)}
        | {f"called {called}": int(found.confusion[i, j]) for j, called in enumerate(names)}
        for i, name in enumerate(names)
    )


def measure_segmentation(config: Any, model: Path) -> tuple[float, float]:
    """Prints pixel accuracy and mean IoU over `config.data.eval_split`, keeps them in `model.json`, returns them.

    Pictures are taken whole, at their stored size, as the codec takes them.
    """
    from dsslic_jax.codec.networks.predictor import Segmenter

    loaded = bundle.load(model)
    source = open_source(config.data, config.data.eval_split)
    elements = (source[i] for i in range(len(source)))
    pairs = ((element["image"], element["labels"]) for element in elements)
    found = agreement(pairs, Segmenter(loaded), loaded.classes)
    print(f"{source.name}: {summary(found)}")
    record_segmentation(model, found, f"{found.pictures} pictures of {source.name}")
    return found.pixel_accuracy, found.mean_iou
