"""The optimiser and its learning rate."""

import jax.numpy as jnp
import optax

from dsslic_jax.train.settings import RunSettings


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
