"""Our networks as conversion sees them: names and shapes of their arrays, and arrays drawn where a file has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import numpy as np

from dsslic_jax.bundle.directory import COARSE_NETWORKS
from dsslic_jax.convert.rules import Shapes
from dsslic_jax.errors import ConfigError
from dsslic_jax.models import coarse, enhancenet, segnet
from dsslic_jax.models.discriminator import MultiScaleDiscriminator
from dsslic_jax.models.layers import he_std, init_params
from dsslic_jax.models.vgg import VGG19Features

# Settings of each part, as the poster chooses those that no file tells.
SETTINGS: dict[str, dict[str, Any]] = {
    "coarse": {
        "alpha": 8,
        "compnet_width": 64,
        "finenet_width": 64,
        "finenet_blocks": 9,
        "finenet_downs": 3,
        "norm": "instance",
        "colour": "rgb",
        "compact": "direct",
        "label_conv": "auto",
        "upsampling": "bilinear",
        "round_compact": True,
        "dtype": "float32",
    },
    "segnet": {
        "width": 64,
        "pyramid_width": 512,
        "auxiliary_width": None,
        "norm": "batch",
        "input": "symmetric",
        "dtype": "float32",
    },
    "enhancenet": {"width": 48, "blocks": 5, "label_width": 8, "dtype": "float32"},
    "discriminator": {"width": 64, "channels": 6, "norm": "instance"},
}
# Settings that arrays tell: not taken from what a file says of itself, unless it has none of those arrays.
TOLD_BY_ARRAYS = (
    "classes",
    "alpha",
    "compnet_width",
    "finenet_width",
    "finenet_blocks",
    "finenet_downs",
    "backbone",
    "width",
    "pyramid_width",
    "auxiliary_width",
    "blocks",
    "label_width",
)


# Those that only one network's arrays tell.
TOLD_BY = {
    "compnet": ("alpha", "compnet_width"),
    "finenet": ("finenet_width", "finenet_blocks", "finenet_downs"),
}


def require_known(part: str, settings: Mapping[str, Any]) -> None:
    """Raises ConfigError naming a setting whose value is none that the part knows."""
    choices = {
        "coarse": coarse.CHOICES,
        "segnet": segnet.CHOICES,
        "enhancenet": enhancenet.CHOICES,
        "discriminator": {},
    }[part]
    for name, known in choices.items():
        if name in settings and settings[name] not in known:
            told = ", ".join(map(str, known))
            raise ConfigError(f"{name} must be one of {told}, not {settings[name]!r}")


def shapes_of(network: str, settings: Mapping[str, Any]) -> Shapes:
    """The shapes of a network's arrays, by the names that a model directory has."""
    module, inputs = _module(network, settings)
    variables = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    return {name: leaf.shape for name, leaf in _named(network, variables).items()}


def drawn(network: str, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A network's arrays as training would begin with them (seed 0)."""
    module, inputs = _module(network, settings)
    how: dict[str, Any] = {"kernel_std": he_std} if network in ("segnet", "enhancenet") else {}
    if network == "enhancenet":
        how["silent"] = enhancenet.build_enhancenet(settings).silent
    return _named(network, init_params(module, 0, *inputs, **how))


def _module(network: str, settings: Mapping[str, Any]) -> tuple[nn.Module, tuple[Any, ...]]:
    """The module and what it is applied to, as shapes."""

    def pixels(size: int, channels: int = 3) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((1, size, size, channels), np.float32)

    if network == "vgg":
        return VGG19Features(), (pixels(32),)
    if network == "segnet":
        return segnet.build_segnet(settings), (pixels(64),)
    if network == "enhancenet":
        labels = jax.ShapeDtypeStruct((1, 32, 32), np.int32)
        strength = jax.ShapeDtypeStruct((1,), np.float32)
        return enhancenet.build_enhancenet(settings), (labels, pixels(32), strength)
    if network == "discriminator":
        module = MultiScaleDiscriminator(
            settings["width"], settings["layers"], settings["scales"], settings["norm"]
        )
        return module, (pixels(64, settings["channels"]),)
    model = coarse.build_coarse_model(settings)
    labels = jax.ShapeDtypeStruct((1, model.min_size, model.min_size), np.int32)
    return model, (labels, pixels(model.min_size))


def _named(network: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of a module's variables by the names that a model directory has."""
    if network in ("segnet", "enhancenet"):
        return _flat(variables, f"{network}/")
    if network in ("discriminator", "vgg"):
        return _flat(variables["params"], f"{network}/")
    assert network in COARSE_NETWORKS
    leaves: dict[str, Any] = {}
    for collection in variables.values():
        leaves |= _flat(collection[network], f"{network}/")
    return leaves


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat = flax.traverse_util.flatten_dict(tree, sep="/")
    return {f"{prefix}{name}": leaf for name, leaf in flat.items()}
