"""After SegNet's training: how well its label maps agree with those of the held-back split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax import bundle
from dsslic_jax.codec.predictor import Segmenter
from dsslic_jax.data.sources import open_source
from dsslic_jax.metrics import confusion_matrix, mean_iou


def measure_segmentation(config: Any, model: Path) -> tuple[float, float]:
    """Prints and returns pixel accuracy and mean IoU over `config.data.eval_split`, void left out.

    Pictures are taken whole, at their stored size, as the codec takes them.
    """
    loaded = bundle.load(model)
    segmenter, classes = Segmenter(loaded), loaded.classes
    source = open_source(config.data, config.data.eval_split)
    total = np.zeros((classes.num_classes, classes.num_classes), np.int64)
    for i in range(len(source)):
        element = source[i]
        total += confusion_matrix(
            segmenter(element["image"]), element["labels"], classes.num_classes, classes.void_ids
        )
    accuracy = float(np.trace(total) / total.sum())
    iou = mean_iou(total, classes.void_ids)
    print(
        f"{source.name}: {len(source)} pictures, pixel accuracy {accuracy:.4f}, mean IoU {iou:.4f}"
    )
    return accuracy, iou
