"""How well SegNet's label maps agree with true ones: counts of pixels, and what follows from them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.evaluate.tables.means import csv_bytes
from dsslic_jax.evaluate.tables.text import aligned, cell
from dsslic_jax.metrics import confusion_matrix, mean_iou

_MOST_CONFUSED = 3  # classes named for each


@dataclass(frozen=True)
class Agreement:
    """Label maps against the truth over any number of pictures, void left out."""

    classes: ClassTable  # K of them
    # int64 [K, K]: entry [t, p] counts pixels of true class t that were called p.
    confusion: np.ndarray
    pictures: int  # how many

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
    """What `segment`, x -> s, makes of pictures x uint8 [H, W, 3] against their true s, uint8 [H, W] class ids."""
    total = np.zeros((classes.num_classes, classes.num_classes), np.int64)
    pictures = 0
    for picture, labels in pairs:
        total += confusion_matrix(segment(picture), labels, classes.num_classes, classes.void_ids)
        pictures += 1
    return Agreement(classes, total, pictures)


def format_agreement(found: Agreement) -> str:
    """A summary line, then for each class that is there what its pixels are called most often, largest class first."""
    truth, names = found.confusion.sum(axis=1), found.classes.names
    lines: list[tuple[str, ...]] = [("class", "pixels", "IoU", "called")]
    for class_id in np.argsort(-truth, kind="stable"):
        iou, row = found.class_iou(class_id), found.confusion[class_id]
        if iou is None:
            continue
        called = [i for i in np.argsort(-row, kind="stable")[:_MOST_CONFUSED] if row[i]]
        shares = ", ".join(f"{names[i]} {row[i] / truth[class_id]:.1%}" for i in called)
        pixels = f"{truth[class_id] / truth.sum():.2%}"
        lines.append((names[class_id], pixels, cell(iou, 4), shares or "-"))
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
