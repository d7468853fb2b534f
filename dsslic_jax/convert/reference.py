"""The names of the authors' state dicts: CompNet "C.", FineNet "G.", discriminator "D.", and pix2pixHD's generator.

All are sequences numbered through, activations, norms and paddings included: c7s1 takes 4 numbers, a strided or
transposed convolution 3, a residual block 1.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.convert.naming import Naming
from dsslic_jax.convert.networks import PICTURE, Shapes, counted, downs, largest
from dsslic_jax.convert.rules import CONVOLUTION, TRANSPOSED_CONVOLUTION, Change, Row, Table, table

# PyTorch before 0.4 stored statistics of instance norms, which it never used.
_UNUSED = r"running_(mean|var)"


def _compnet_counts(shapes: Shapes, classes: ClassTable) -> dict[str, Any]:
    return {"alpha": 2 ** downs((largest(shapes, r"C\.model\.(\d{1,3})\.") - 5) // 3)}


def _compnet(settings: Mapping[str, Any]) -> Table:
    steps = range(settings["alpha"].bit_length() - 1)
    head = 4 + 3 * len(steps) + 1  # a padding stands before it
    return table(
        *_normed("compnet/stem", "C.model", 1),
        *(row for i in steps for row in _normed(f"compnet/down_{i}", "C.model", 4 + 3 * i)),
        Row("compnet/head", f"C.model.{head}"),
    )


def _normed(ours: str, theirs: str, index: int, kernel: Change = CONVOLUTION) -> tuple[Row, Row]:
    """A convolution and the norm after it, which has arrays only if it is a batch norm."""
    norm = Row(f"{ours}_norm/BatchNorm_0", f"{theirs}.{index + 1}")
    return Row(ours, f"{theirs}.{index}", kernel), norm


def _finenet_counts(shapes: Shapes, classes: ClassTable, theirs: str = "G.model") -> dict[str, Any]:
    blocks = counted(shapes, rf"{theirs}\.(\d+)\.conv_block\.")
    last = largest(shapes, rf"{theirs}\.(\d{{1,3}})\.")
    return {"finenet_blocks": blocks, "finenet_downs": downs((last - 5 - blocks) // 6)}


def _finenet(
    settings: Mapping[str, Any], theirs: str = "G.model", stem: Change = CONVOLUTION
) -> Table:
    blocks, steps = settings["finenet_blocks"], settings["finenet_downs"]
    first_block = 4 + 3 * steps
    first_up = first_block + blocks
    rows = [*_normed("finenet/stem", theirs, 1, stem)]
    for i in range(steps):
        rows += _normed(f"finenet/down_{i}", theirs, 4 + 3 * i)
        rows += _normed(f"finenet/up_{i}", theirs, first_up + 3 * i, TRANSPOSED_CONVOLUTION)
    for i in range(blocks):
        block, inner = f"finenet/block_{i}", f"{theirs}.{first_block + i}.conv_block"
        for j, index in enumerate((1, 5)):
            rows.append(Row(f"{block}/conv_{j}", f"{inner}.{index}"))
            rows.append(Row(f"{block}/norm_{j}/BatchNorm_0", f"{inner}.{index + 1}"))
    return table(*rows, Row("finenet/head", f"{theirs}.{first_up + 3 * steps + 1}"))


def _discriminator_counts(shapes: Shapes, classes: ClassTable) -> dict[str, Any]:
    return {
        "scales": largest(shapes, r"D\.scale(\d{1,2})_") + 1,
        "layers": largest(shapes, r"D\.scale\d+_layer(\d{1,2})\.") - 1,
    }


def _discriminator(settings: Mapping[str, Any]) -> Table:
    rows = []
    for scale in range(settings["scales"]):
        # They number from the coarse scale: their last one sees full resolution.
        theirs = f"D.scale{settings['scales'] - 1 - scale}_layer"
        ours = f"discriminator/scale_{scale}"
        for layer in range(settings["layers"] + 1):
            rows.append(Row(f"{ours}/conv_{layer}", f"{theirs}{layer}.0"))
            rows.append(Row(f"{ours}/norm_{layer}/BatchNorm_0", f"{theirs}{layer}.1"))
        rows.append(Row(f"{ours}/logits", f"{theirs}{settings['layers'] + 1}.0"))
    return table(*rows)


def _pix2pixhd_counts(shapes: Shapes, classes: ClassTable) -> dict[str, Any]:
    counts = _finenet_counts(shapes, classes, "model")
    if shapes.get("model.1.weight", (0, 0))[1] == classes.num_classes:
        counts |= {"classes": classes.num_classes, "labels_alone": True}
    return counts


def _pix2pixhd(settings: Mapping[str, Any]) -> Table:
    stem = _STEM_ON_LABELS if settings.get("labels_alone") else CONVOLUTION
    return _finenet(settings, "model", stem)


# A generator that saw labels alone becomes a FineNet that does not look at the picture.
_STEM_ON_LABELS = Change(
    to_theirs=lambda kernel: CONVOLUTION.to_theirs(kernel[:, :, :-PICTURE]),
    to_ours=lambda weight: np.pad(
        CONVOLUTION.to_ours(weight), ((0, 0), (0, 0), (0, PICTURE), (0, 0))
    ),
)

# Where the authors' code does not as the poster says.
_IMPLIED = {"upsampling": "bilinear_corners", "round_compact": False}
_OF_COMPNET = rf"C\.model\.\d+\.{_UNUSED}"
_OF_FINENET = rf"G\.model\.\d+(\.conv_block\.\d+)?\.{_UNUSED}"
_OF_DISCRIMINATOR = rf"D\.scale\d+_layer\d+\.1\.{_UNUSED}"
_OF_PIX2PIXHD = rf"model\.\d+(\.conv_block\.\d+)?\.{_UNUSED}"
COMPNET = Naming("compnet", "reference", r"C\.", _compnet_counts, _compnet, _OF_COMPNET, _IMPLIED)
FINENET = Naming("finenet", "reference", r"G\.", _finenet_counts, _finenet, _OF_FINENET, _IMPLIED)
DISCRIMINATOR = Naming(
    "discriminator", "reference", r"D\.", _discriminator_counts, _discriminator, _OF_DISCRIMINATOR
)
PIX2PIXHD = Naming(
    "finenet",
    "pix2pixHD",
    r"model\.\d+\.",
    _pix2pixhd_counts,
    _pix2pixhd,
    _OF_PIX2PIXHD,
    whole=False,
)
