"""PyTorch modules with the weights of a model in them."""

from __future__ import annotations

import re

import torch
from torch import nn

from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.convert import own_layout as module
from dsslic_jax.convert import rules
from dsslic_jax.convert.rules import Arrays
from dsslic_jax.convert.torch.coarse import Decoder, Discriminator, Encoder
from dsslic_jax.convert.torch.enhancenet import EnhanceNet
from dsslic_jax.convert.torch.segnet import SegNet
from dsslic_jax.convert.transfer import Portable, discriminator_settings, to_state_dict


def modules_of(bundle: Bundle) -> dict[str, nn.Module]:
    """The parts that a model has, of "encoder", "decoder", "segnet" and "enhancenet", for inference on the CPU."""
    state_dict = to_state_dict(Portable(bundle, {}), "module")
    modules: dict[str, nn.Module] = {}
    if bundle.model is not None:
        modules["encoder"] = _loaded(Encoder(bundle.model), state_dict, r"compnet\.")
        modules["decoder"] = _loaded(Decoder(bundle.model), state_dict, r"finenet\.")
    if bundle.segnet is not None:
        modules["segnet"] = _loaded(SegNet(bundle.segnet), state_dict, r"segnet\.", "segnet.")
    if bundle.enhancenet is not None:
        enhancenet = EnhanceNet(bundle.enhancenet)
        modules["enhancenet"] = _loaded(enhancenet, state_dict, r"enhancenet\.", "enhancenet.")
    return modules


def discriminator_of(training: Arrays, norm: str | None = None) -> nn.Module:
    """The discriminator whose arrays a state of training has; `norm` "none" where it was trained without."""
    settings = discriminator_settings(training)
    arrays = {n: a for n, a in training.items() if n.startswith("discriminator/")}
    state_dict = rules.to_theirs(arrays, rules.pair(arrays, module.row))
    made = Discriminator({**settings, "norm": norm or settings["norm"]})
    return _loaded(made, state_dict, r"discriminator\.", "discriminator.")


def _loaded(network: nn.Module, arrays: Arrays, pattern: str, prefix: str = "") -> nn.Module:
    """The module with the arrays whose keys the pattern begins, strictly: none left out, none left over."""
    own = {
        key.removeprefix(prefix): torch.from_numpy(array)
        for key, array in arrays.items()
        if re.match(pattern, key)
    }
    network.load_state_dict(own, strict=True)
    return network.eval()
