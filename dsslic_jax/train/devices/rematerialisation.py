"""Rematerialisation: what the backward pass computes anew instead of keeping it, memory against time."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax

from dsslic_jax.models.convolution import CONVOLUTION

Result = TypeVar("Result")

POLICIES: dict[str, Any] = {
    # Norms, activations and paddings: they cost memory traffic alone, which keeping them costs too.
    "norms": jax.checkpoint_policies.save_only_these_names(CONVOLUTION),
    "features": jax.checkpoint_policies.nothing_saveable,  # each network's forward pass
}


def rematerialised(function: Callable[..., Result], choice: str) -> Callable[..., Result]:
    """`function` (of arrays), with what `choice` names rematerialised in its derivative; "nothing": as it is."""
    return function if choice == "nothing" else jax.checkpoint(function, policy=POLICIES[choice])
