"""PyTorch modules with the weights of a model in them.

A part has them where modules are registered for its programs; without, it is exported as StableHLO alone.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dsslic_jax.bundle.model import Bundle, require
from dsslic_jax.convert import discriminator, rules
from dsslic_jax.convert.naming import MODULE, module_row, told_by_our_arrays
from dsslic_jax.convert.programs import programs_of
from dsslic_jax.convert.rules import Arrays
from dsslic_jax.convert.torch.coarse import Decoder, Discriminator, Encoder
from dsslic_jax.convert.torch.enhancenet import EnhanceNet
from dsslic_jax.convert.torch.segnet import SegNet
from dsslic_jax.convert.transfer import Portable, to_state_dict
from dsslic_jax.errors import ModelError

_MODULES: dict[str, Callable[[Any], nn.Module]] = {}


def register_torch_module(program: str, build: Callable[[Any], nn.Module]) -> None:
    """Makes a module known that does what a part's program does.

    Its arguments are the program's inputs, pictures as [B, 3, H, W]. `build` makes it of the part's settings. Its
    `load_state_dict` takes the keys of layout `module`: without the part's name, or where the part has several
    networks, of those that are its children.
    """
    _MODULES[program] = build


def modules_of(bundle: Bundle) -> dict[str, nn.Module]:
    """By program, the modules of those parts that have some, for inference on the CPU."""
    state_dict = to_state_dict(Portable(bundle, {}), MODULE)
    made: dict[str, nn.Module] = {}
    for name, (kind, _, _) in programs_of(bundle).items():
        if name in _MODULES:
            module = _MODULES[name](bundle.settings(kind))
            networks = {*kind.all_prefixes}
            if kind.networks is not None:
                networks &= {child for child, _ in module.named_children()}
            own = {key: a for key, a in state_dict.items() if key.partition(".")[0] in networks}
            made[name] = _loaded(module, own, f"{kind.name}." if kind.networks is None else "")
    return made


def require_torch_module(program: str) -> None:
    """Raises ModelError where no module is registered for this program."""
    if program not in _MODULES:
        raise ModelError(f"{program} has no PyTorch module: export it as StableHLO")


def discriminator_of(training: Arrays, norm: str | None = None) -> nn.Module:
    """The discriminator whose arrays a state of training has; `norm` "none" where it was trained without."""
    told = told_by_our_arrays("discriminator", training)
    arrays = {n: a for n, a in training.items() if n.startswith("discriminator/")}
    require(arrays, discriminator.shapes(told))
    settings = discriminator.stored_discriminator(told | ({"norm": norm} if norm else {}))
    state_dict = rules.to_theirs(arrays, rules.pair(arrays, module_row))
    return _loaded(Discriminator(settings), state_dict, "discriminator.")


def _loaded(network: nn.Module, arrays: Arrays, prefix: str) -> nn.Module:
    """The module with these arrays, strictly: none left out, none left over."""
    own = {key.removeprefix(prefix): torch.from_numpy(array) for key, array in arrays.items()}
    network.load_state_dict(own, strict=True)
    return network.eval()


register_torch_module("encoder", Encoder)
register_torch_module("decoder", Decoder)
register_torch_module("segnet", SegNet)
register_torch_module("enhancenet", EnhanceNet)
