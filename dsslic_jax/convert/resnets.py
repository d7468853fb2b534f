"""SegNet under the names of CSAILVision's semantic-segmentation-pytorch, and of torchvision's and timm's ResNets.

CSAILVision's `ResnetDilated` with `PPMDeepsup` is the very network; its keys bear "encoder." and "decoder." here. The
two libraries have backbones trained on ImageNet. In all three `layer1` to `layer4` are named alike.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.convert.naming import Naming
from dsslic_jax.convert.networks import Shapes, backbone_name, largest
from dsslic_jax.convert.rules import CONVOLUTION, SAME, Change, Row, Table, table
from dsslic_jax.models.segnet import BACKBONES, PYRAMID_BINS

# Convolution and norm of each convolution of the stem.
CSAIL_STEM = [("encoder.conv1", "encoder.bn1")]
CSAIL_DEEP_STEM = [*CSAIL_STEM, ("encoder.conv2", "encoder.bn2"), ("encoder.conv3", "encoder.bn3")]
LIBRARY_STEM = [("conv1", "bn1")]
TIMM_DEEP_STEM = [("conv1.0", "conv1.1"), ("conv1.3", "conv1.4"), ("conv1.6", "bn1")]
IMAGENET = {"input": "imagenet"}


def _counts(shapes: Shapes, prefix: str, stem: int) -> dict[str, Any]:
    stages = tuple(largest(shapes, rf"{prefix}layer{i}\.(\d+)\.") + 1 for i in range(1, 5))
    bottleneck = largest(shapes, rf"{prefix}layer1\.0\.(?:conv|bn)(\d)\.") == 3
    return {"backbone": backbone_name(stages, bottleneck, stem)}


def _normed(ours: str, convolution: str, norm: str) -> tuple[Row, Row]:
    return Row(f"segnet/{ours}/conv", convolution), Row(f"segnet/{ours}/norm", norm)


def _backbone(
    settings: Mapping[str, Any], prefix: str, stem: Iterable[tuple[str, str]]
) -> list[Row]:
    plan = BACKBONES[settings["backbone"]]
    rows: list[Row] = []
    for i, (convolution, norm) in enumerate(stem):
        rows += _normed(f"stem_{i}", convolution, norm)
    inner = ("conv_0", "conv_1", "conv_last") if plan.bottleneck else ("conv_0", "conv_last")
    for stage, blocks in enumerate(plan.stages):
        for i in range(blocks):
            ours, theirs = f"stage_{stage}_block_{i}", f"{prefix}layer{stage + 1}.{i}"
            rows += _normed(f"{ours}/shortcut", f"{theirs}.downsample.0", f"{theirs}.downsample.1")
            for j, name in enumerate(inner, 1):
                rows += _normed(f"{ours}/{name}", f"{theirs}.conv{j}", f"{theirs}.bn{j}")
    return rows


def _csail_counts(shapes: Shapes, classes: ClassTable) -> dict[str, Any]:
    counts = _counts(shapes, "encoder.", largest(shapes, r"encoder\.(?:conv|bn)(\d+)\."))
    known = [i for i in range(classes.num_classes) if i not in classes.void_ids]
    head = (shapes.get(f"decoder.conv_last.4.{leaf}") for leaf in ("weight", "bias"))
    if (len(known),) in [shape[:1] for shape in head if shape] and classes.void_ids:
        counts |= {"classes": classes.num_classes, "scored": known}
    return counts


def _csail(settings: Mapping[str, Any]) -> Table:
    stem = BACKBONES[settings["backbone"]].stem
    rows = _backbone(settings, "encoder.", CSAIL_DEEP_STEM if len(stem) > 1 else CSAIL_STEM)
    for i, bins in enumerate(PYRAMID_BINS):
        rows += _normed(f"pyramid_{bins}", f"decoder.ppm.{i}.1", f"decoder.ppm.{i}.2")
    rows += _normed("fuse", "decoder.conv_last.0", "decoder.conv_last.1")
    rows += _normed("auxiliary", "decoder.cbr_deepsup.0", "decoder.cbr_deepsup.1")
    kernel, bias = _head_changes(settings)
    rows.append(Row("segnet/logits", "decoder.conv_last.4", kernel, bias))
    rows.append(Row("segnet/auxiliary_logits", "decoder.conv_last_deepsup", kernel, bias))
    return table(*rows)


def _head_changes(settings: Mapping[str, Any]) -> tuple[Change, Change]:
    """Changes of a head's kernel and bias: where it scores no void class, void gets weights of zero.

    SegNet leaves void out when it compares scores, whatever they are.
    """
    known, classes = settings.get("scored"), settings.get("classes", 0)
    if known is None:
        return CONVOLUTION, SAME
    return (
        Change(
            lambda kernel: CONVOLUTION.to_theirs(kernel[..., known]),
            lambda weight: _spread(CONVOLUTION.to_ours(weight), known, classes),
        ),
        Change(lambda bias: bias[known], lambda bias: _spread(bias, known, classes)),
    )


def _spread(array: np.ndarray, known: list[int], classes: int) -> np.ndarray:
    """The array with its last axis at the places `known` of `classes`, 0 elsewhere."""
    spread = np.zeros((*array.shape[:-1], classes), array.dtype)
    spread[..., known] = array
    return spread


def _library(layout: str, mark: str, stem: list[tuple[str, str]]) -> Naming:
    return Naming(
        "segnet",
        layout,
        mark,
        lambda shapes, classes: _counts(shapes, "", len(stem)),
        lambda settings: table(*_backbone(settings, "", stem)),
        r"fc\.(weight|bias)",
        IMAGENET,
        whole=False,
    )


_CLASSIFIER = r"encoder\.fc\.(weight|bias)"
CSAIL = Naming(
    "segnet", "CSAILVision", r"(encoder|decoder)\.", _csail_counts, _csail, _CLASSIFIER, IMAGENET
)
LIBRARY = _library("torchvision or timm", r"conv1\.weight", LIBRARY_STEM)
TIMM_DEEP = _library("timm with a deep stem", r"conv1\.0\.", TIMM_DEEP_STEM)
