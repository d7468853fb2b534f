"""Training state: one tree that is restored whole, of two learners or of one network by itself, and its average."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from dsslic_jax.train.settings import RunSettings

Params = Any
Step = Callable[[Any, Any], tuple[Any, Any]]


class Learner(struct.PyTreeNode):
    """One side of the game, or the only one: its parameters and its optimiser's state."""

    params: Params
    opt_state: optax.OptState

    def updated(self, gradients: Params, optimizer: optax.GradientTransformation) -> Learner:
        """This learner one optimiser step further."""
        updates, opt_state = optimizer.update(gradients, self.opt_state, self.params)
        return Learner(optax.apply_updates(self.params, updates), opt_state)


def new_learner(run: RunSettings, params: Params) -> Learner:
    """A learner before its first step, on the host."""
    return Learner(params, jax.device_get(make_optimizer(run).init(params)))


class State(struct.PyTreeNode):
    """What the loop, checkpoints and model directories ask of a training state.

    Attributes:
      step: updates done.
      batch_stats: running statistics of the part that is trained, {} where its norm keeps none.
      average: a moving average of `variables` (train.ema_decay), or None.
      frozen: weights that are never updated nor saved (VGG19), or None.
    """

    step: jax.Array
    batch_stats: Any
    average: Any = struct.field(default=None, kw_only=True)
    frozen: Params = struct.field(default=None, kw_only=True)

    @property
    def learners(self) -> dict[str, Learner]:
        """Who learns, by what the names of its parameters begin with beside a model; the first is the model itself."""
        raise NotImplementedError

    @property
    def statistics_prefix(self) -> str:
        """What the names of the running statistics begin with."""
        raise NotImplementedError

    def with_learners(self, learners: Mapping[str, Learner]) -> Any:
        """This state with others in the place of `learners`, of the same prefixes."""
        raise NotImplementedError

    @property
    def variables(self) -> dict[str, Any]:
        """What `apply` of the part that is trained takes."""
        model, *_ = self.learners.values()
        return {"params": model.params, "batch_stats": self.batch_stats}


class TrainState(State):
    """A generator against a discriminator."""

    generator: Learner
    discriminator: Learner

    @property
    def learners(self) -> dict[str, Learner]:
        """See `State`."""
        return {"": self.generator, "discriminator/": self.discriminator}

    @property
    def statistics_prefix(self) -> str:
        """See `State`."""
        return ""

    def with_learners(self, learners: Mapping[str, Learner]) -> TrainState:
        """See `State`."""
        return self.replace(generator=learners[""], discriminator=learners["discriminator/"])


class NetworkState(State):
    """One network by itself; `network` is what the names of its weights begin with in a model."""

    params: Params
    opt_state: optax.OptState
    network: str = struct.field(pytree_node=False)

    @property
    def learners(self) -> dict[str, Learner]:
        """See `State`."""
        return {f"{self.network}/params/": Learner(self.params, self.opt_state)}

    @property
    def statistics_prefix(self) -> str:
        """See `State`."""
        return f"{self.network}/batch_stats/"

    def with_learners(self, learners: Mapping[str, Learner]) -> NetworkState:
        """See `State`."""
        (learner,) = learners.values()
        return self.replace(params=learner.params, opt_state=learner.opt_state)

    def updated(self, gradients: Params, optimizer: optax.GradientTransformation) -> NetworkState:
        """This state one step further, its statistics left as they are."""
        learners = {k: own.updated(gradients, optimizer) for k, own in self.learners.items()}
        return self.with_learners(learners).replace(step=self.step + 1)


def new_network_state(run: RunSettings, network: str, variables: Any) -> NetworkState:
    """The state of a network with these variables before its first step, on the host."""
    learner = new_learner(run, variables["params"])
    return NetworkState(
        step=jnp.zeros((), jnp.int32),
        batch_stats=variables.get("batch_stats", {}),
        params=learner.params,
        opt_state=learner.opt_state,
        network=network,
    )


def begin_average(state: Any) -> Any:
    """`state` with an average, which begins at its weights: at a copy, since a step gives its state's memory away."""
    return state.replace(average=jax.tree.map(lambda leaf: leaf.copy(), state.variables))


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


def learning_rate(run: RunSettings) -> optax.Schedule:
    """Constant for `optimizer.constant_fraction` of the steps, then linear to zero (or polynomial).

    Over the first `optimizer.warmup_steps` it rises to that. Counts from 0, so the very last step still moves.
    """
    optimizer, steps = run.optimizer, run.train.steps
    constant = round(optimizer.constant_fraction * steps)
    falling = optax.polynomial_schedule(
        init_value=optimizer.learning_rate,
        end_value=0.0,
        power=optimizer.decay_power,
        transition_steps=max(steps - constant, 1),
        transition_begin=constant,
    )
    warmup = optimizer.warmup_steps
    if not warmup:
        return falling
    return lambda count: falling(count) * jnp.minimum((count + 1) / warmup, 1.0)


def make_optimizer(run: RunSettings) -> optax.GradientTransformation:
    """Adam (poster: 2e-4, betas 0.5 and 0.999) or SGD with momentum, under `learning_rate`."""
    settings, rate = run.optimizer, learning_rate(run)
    if settings.name == "adam":
        update = optax.adam(rate, b1=settings.beta1, b2=settings.beta2)
    else:
        update = optax.sgd(rate, momentum=settings.beta1)
    decay = settings.weight_decay
    return optax.chain(optax.add_decayed_weights(decay), update) if decay else update
