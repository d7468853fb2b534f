"""torchvision's VGG19 for the perceptual loss."""

from pathlib import Path
from typing import Any

import flax.traverse_util
import jax

from dsslic_jax.convert import rules
from dsslic_jax.convert.files import read_arrays
from dsslic_jax.errors import ModelError
from dsslic_jax.models.layers import parameter_shapes
from dsslic_jax.models.vgg import VGG19Features

HOW_TO_GET_WEIGHTS = (
    "the VGG loss needs ImageNet weights: set losses.vgg_weights to a .safetensors or .pth file of "
    "torchvision's vgg19 (IMAGENET1K_V1) state dict, or leave the term out with losses.vgg_weight = 0"
)
AFTER_CONV5_1 = r"(features|classifier)\.\d+\.(weight|bias)"


def load_vgg(path: str | Path | None) -> dict[str, Any]:
    """Parameters of `VGG19Features` from torchvision's state dict.

    Raises ModelError, saying where weights come from, when there are none or they do not fit.
    """
    if not path:
        raise ModelError(HOW_TO_GET_WEIGHTS)
    shapes = parameter_shapes(VGG19Features(), jax.ShapeDtypeStruct((1, 32, 32, 3), "float32"))
    pairs = rules.pair(shapes, lambda module: rules.Row(module, module.replace("_", ".")))
    try:
        weights = rules.to_ours(read_arrays(Path(path)), pairs, shapes, AFTER_CONV5_1)
    except ModelError as error:
        raise ModelError(f"{error}: {HOW_TO_GET_WEIGHTS}") from error
    return dict(flax.traverse_util.unflatten_dict(weights, sep="/"))
