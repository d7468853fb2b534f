"""Exponential moving average of a generator's weights and batch statistics, kept beside those that are trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

Step = Callable[[Any, Any], tuple[Any, Any]]


def begin_average(state: Any) -> Any:
    """`state` with an average, which begins at its weights: at a copy, since a step gives its state's memory away."""
    return state.replace(average=jax.tree.map(np.array, state.variables))


def exported_variables(state: Any) -> Any:
    """The variables to keep of a state: their average where there is one."""
    return state.variables if state.average is None else state.average


def with_average(step: Step, decay: float) -> Step:
    """`step` that also moves the state's average: average ← d average + (1 - d) new weights.

    d is `decay`, but at most (1 + n) / (10 + n) after n steps, so that the random start is soon forgotten.
    """

    def averaging_step(state: Any, batch: Any) -> tuple[Any, Any]:
        new, metrics = step(state, batch)
        steps = new.step.astype(jnp.float32)
        rate = 1.0 - jnp.minimum(decay, (1.0 + steps) / (10.0 + steps))
        average = optax.incremental_update(new.variables, state.average, rate)
        return new.replace(average=average), metrics

    return averaging_step
