"""Training state: one tree that is restored whole, of two players or of one network by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.discriminator import MultiScaleDiscriminator
from dsslic_jax.models.layers import init_params

Params = Any


class Player(struct.PyTreeNode):
    """One side of the game: its parameters and its optimiser's state."""

    params: Params
    opt_state: optax.OptState

    def updated(self, gradients: Params, optimizer: optax.GradientTransformation) -> Player:
        """This player one optimiser step further."""
        updates, opt_state = optimizer.update(gradients, self.opt_state, self.params)
        return Player(optax.apply_updates(self.params, updates), opt_state)


class TrainState(struct.PyTreeNode):
    """Everything a step needs.

    `batch_stats` are the generator's running statistics, {} where its norm keeps none. `average` follows the
    generator's variables (train.ema_decay), or is None. `frozen` holds weights that are never updated nor saved
    (VGG19), or None.
    """

    step: jax.Array
    generator: Player
    batch_stats: Any
    discriminator: Player
    average: Any = None
    frozen: Params = None

    @property
    def variables(self) -> dict[str, Any]:
        """What `CoarseModel.apply` takes."""
        return {"params": self.generator.params, "batch_stats": self.batch_stats}


class NetworkState(struct.PyTreeNode):
    """What the step of one network by itself needs: `average` and `frozen` as in `TrainState`.

    `network` is what the names of its weights begin with in a model: "segnet" or "enhancenet".
    """

    step: jax.Array
    params: Params
    batch_stats: Any
    opt_state: optax.OptState
    average: Any = None
    frozen: Params = None
    network: str = struct.field(pytree_node=False, default="")

    @property
    def variables(self) -> dict[str, Any]:
        """What the network's `apply` takes."""
        return {"params": self.params, "batch_stats": self.batch_stats}

    def updated(self, gradients: Params, optimizer: optax.GradientTransformation) -> NetworkState:
        """This state one step further, its statistics left as they are."""
        player = Player(self.params, self.opt_state).updated(gradients, optimizer)
        return self.replace(step=self.step + 1, params=player.params, opt_state=player.opt_state)


def learning_rate(config: Any) -> optax.Schedule:
    """Constant for `optimizer.constant_fraction` of the steps, then linear to zero (or polynomial).

    Over the first `optimizer.warmup_steps` it rises to that. Counts from 0, so the very last step still moves.
    """
    optimizer, steps = config.optimizer, config.train.steps
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


def make_optimizer(config: Any) -> optax.GradientTransformation:
    """Adam (poster: 2e-4, betas 0.5 and 0.999) or SGD with momentum, under `learning_rate`."""
    settings = config.optimizer
    rate = learning_rate(config)
    if settings.name == "adam":
        update = optax.adam(rate, b1=settings.beta1, b2=settings.beta2)
    elif settings.name == "sgd":
        update = optax.sgd(rate, momentum=settings.beta1)
    else:
        raise ConfigError(f'optimizer.name must be "adam" or "sgd", not {settings.name!r}')
    decay = settings.weight_decay
    return optax.chain(optax.add_decayed_weights(decay), update) if decay else update


def discriminator_model(config: Any) -> MultiScaleDiscriminator:
    """The discriminator that `config.discriminator` describes."""
    settings = config.discriminator
    return MultiScaleDiscriminator(
        width=settings.width,
        layers=settings.layers,
        scales=settings.scales,
        norm=settings.norm,
        dtype=jnp.dtype(config.precision),
    )


def init_state(
    config: Any, frozen: Params = None, draw: Callable[..., Any] = init_params
) -> TrainState:
    """A fresh state on the host, as NumPy arrays; the same for every device and process.

    `draw` makes the variables as `init_params` does.
    """
    generator, discriminator = build_coarse_model(config.model), discriminator_model(config)
    size = generator.min_size
    picture = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    labels = jax.ShapeDtypeStruct((1, size, size), jnp.int32)
    channels = config.model.classes + (6 if config.discriminator.sees_compact else 3)
    seen = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
    optimizer = make_optimizer(config)

    def player(params: Params) -> Player:
        return Player(params, jax.device_get(optimizer.init(params)))

    variables = draw(generator, config.seed, labels, picture)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        generator=player(variables["params"]),
        batch_stats=variables.get("batch_stats", {}),
        discriminator=player(draw(discriminator, config.seed + 1, seen)["params"]),
        frozen=frozen,
    )


def init_network_state(config: Any, network: str, variables: Any) -> NetworkState:
    """The state of a network with these variables before its first step, on the host."""
    return NetworkState(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        batch_stats=variables.get("batch_stats", {}),
        opt_state=jax.device_get(make_optimizer(config).init(variables["params"])),
        network=network,
    )
