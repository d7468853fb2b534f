"""The names of our own PyTorch modules (`convert/modules.py`): our names, with dots."""

from __future__ import annotations

import re
from typing import Any

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.convert.naming import Naming, downs
from dsslic_jax.convert.resnets import backbone_name
from dsslic_jax.convert.rules import (
    CONVOLUTION,
    TRANSPOSED_CONVOLUTION,
    Row,
    Shapes,
    counted,
    largest,
)

STAGES = range(4)


def row(module: str) -> Row:
    """The row of any module: Flax wraps a norm once more, and only UpConv stores its kernel otherwise."""
    wrapped = ("BatchNorm_0", "GroupNorm_0")
    theirs = ".".join(part for part in module.split("/") if part not in wrapped)
    transposed = re.search(r"/up_\d+$", module)
    return Row(module, theirs, TRANSPOSED_CONVOLUTION if transposed else CONVOLUTION)


def _compnet_counts(shapes: Shapes, classes: ClassTable) -> dict[str, Any]:
    return {"alpha": 2 ** downs(counted(shapes, r"compnet\.down_(\d+)\."))}


def _finenet_counts(shapes: Shapes, classes: ClassTable) -> dict[str, Any]:
    return {
        "finenet_blocks": counted(shapes, r"finenet\.block_(\d+)\."),
        "finenet_downs": downs(counted(shapes, r"finenet\.down_(\d+)\.")),
    }


def _discriminator_counts(shapes: Shapes, classes: ClassTable) -> dict[str, Any]:
    return {
        "scales": counted(shapes, r"discriminator\.scale_(\d+)\."),
        "layers": largest(shapes, r"discriminator\.scale_\d+\.conv_(\d{1,2})\."),
    }


def _segnet_counts(shapes: Shapes, classes: ClassTable) -> dict[str, Any]:
    return {
        "backbone": backbone_name(
            stages=tuple(
                largest(shapes, rf"segnet\.stage_{stage}_block_(\d+)\.") + 1 for stage in STAGES
            ),
            bottleneck=largest(shapes, r"segnet\.stage_0_block_0\.conv_(\d)\.") == 1,
            stem=largest(shapes, r"segnet\.stem_(\d+)\.") + 1,
        )
    }


def _enhancenet_counts(shapes: Shapes, classes: ClassTable) -> dict[str, Any]:
    return {"blocks": counted(shapes, r"enhancenet\.block_(\d+)_in\.")}


NAMINGS = tuple(
    Naming(network, "module", rf"{network}\.", counts, lambda settings: row)
    for network, counts in (
        ("compnet", _compnet_counts),
        ("finenet", _finenet_counts),
        ("discriminator", _discriminator_counts),
        ("segnet", _segnet_counts),
        ("enhancenet", _enhancenet_counts),
    )
)
