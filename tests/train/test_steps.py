"""The training step: both players move, orders differ, eight devices agree with one."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.train import sharding
from dsslic_jax.train.segmentation import init_segmentation_state, make_segmentation_step
from dsslic_jax.train.settings import resolve
from dsslic_jax.train.state import init_state, learning_rate
from dsslic_jax.train.steps import make_train_step
from tests.configurations import small_compression, small_segmentation

RNG = np.random.default_rng(11)
BATCH = {
    "image": RNG.integers(0, 256, (8, 64, 64, 3), np.uint8),
    "labels": RNG.integers(0, 8, (8, 64, 64)).astype(np.uint8),
}


def run(config: Any, devices: int, steps: int = 1) -> tuple[Any, list[dict[str, float]]]:
    """The state and metrics after `steps` steps on the first `devices` devices."""
    config = resolve(config)
    mesh = sharding.data_mesh(jax.devices()[:devices])
    if config.task == "compression":
        state, step = init_state(config), make_train_step(config)
    else:
        state, step = init_segmentation_state(config), make_segmentation_step(config, (0,))
    compiled = sharding.compile_step(step, mesh)
    state = jax.device_put(state, sharding.replicated(mesh))
    history = []
    for _ in range(steps):
        state, metrics = compiled(state, sharding.put_batch(BATCH, mesh))
        history.append({k: float(v) for k, v in metrics.items()})
    return jax.device_get(state), history


def largest_difference(a: Any, b: Any) -> float:
    return max(
        float(np.abs(np.asarray(x) - np.asarray(y)).max())
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.fixture(scope="module")
def one_device() -> tuple[Any, list[dict[str, float]]]:
    return run(small_compression(), devices=1, steps=2)


@pytest.mark.parametrize("task", ["compression", "segmentation"])
def test_eight_devices_take_the_step_that_one_takes(
    task: str, one_device: tuple[Any, list[dict[str, float]]]
) -> None:
    config = small_compression() if task == "compression" else small_segmentation()
    one, losses = one_device if task == "compression" else run(config, devices=1, steps=2)
    eight, losses_of_eight = run(config, devices=8, steps=2)
    for a, b in zip(losses, losses_of_eight, strict=True):
        for name, value in a.items():
            assert b[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    if task == "compression":
        difference = largest_difference(weights_that_matter(one), weights_that_matter(eight))
    else:
        difference = largest_difference(one.params, eight.params)
    print(f"{task}, eight devices against one: weights differ by at most {difference:.1e}")
    assert difference <= 1e-5


def weights_that_matter(state: Any) -> Any:
    """Kernels, and biases of layers that no norm follows: others have a zero gradient, so Adam moves them by noise."""

    def keep(path: Any, leaf: Any) -> Any:
        names = [part.key for part in path if hasattr(part, "key")]
        free = names[-2] in ("head", "logits") or (
            names[-2:-1] == ["conv_0"] and "scale" in names[0]
        )
        return leaf if names[-1] == "kernel" or free else np.zeros(())

    return [
        jax.tree_util.tree_map_with_path(keep, player.params)
        for player in (state.generator, state.discriminator)
    ]


def test_every_term_is_named_and_finite(one_device: tuple[Any, list[dict[str, float]]]) -> None:
    metrics = one_device[1][0]
    assert {"G/gan", "G/l1", "G/ssim", "G/dis", "D/real", "D/fake"} <= set(metrics)
    assert np.isfinite(list(metrics.values())).all()
    assert metrics["G/gradient_norm"] > 0 and metrics["D/gradient_norm"] > 0
    total = sum(metrics[f"G/{term}"] for term in ("gan", "l1", "ssim", "dis"))
    assert metrics["G/total"] == pytest.approx(total, rel=1e-5)
    assert metrics["D/total"] == pytest.approx(metrics["D/real"] + metrics["D/fake"], rel=1e-5)


def test_both_players_and_both_halves_of_the_generator_move(
    one_device: tuple[Any, list[dict[str, float]]],
) -> None:
    before = init_state(resolve(small_compression()))
    after = one_device[0]
    for tree, moved in (
        (before.generator.params["compnet"], after.generator.params["compnet"]),
        (before.generator.params["finenet"], after.generator.params["finenet"]),
        (before.discriminator.params, after.discriminator.params),
    ):
        assert largest_difference(tree, moved) > 1e-4
    assert int(after.step) == 2


def test_alternating_and_simultaneous_updates_are_two_algorithms(
    one_device: tuple[Any, list[dict[str, float]]],
) -> None:
    config = small_compression()
    config.train.update_order = "simultaneous"
    _, simultaneous = run(config, devices=1, steps=1)
    first = one_device[1][0]
    # The discriminator's side is the same; the generator faces another discriminator.
    assert simultaneous[0]["D/total"] == pytest.approx(first["D/total"], rel=1e-6)
    assert abs(simultaneous[0]["G/gan"] - first["G/gan"]) > 1e-4 * first["G/gan"]


def test_the_poster_trains_on_the_8_bit_compact_picture_and_the_reference_does_not() -> None:
    config = resolve(small_compression())
    params = init_state(config).generator.params
    labels, picture = BATCH["labels"].astype(np.int32), BATCH["image"] / 127.5 - 1
    made = [
        build_coarse_model({**config.model, "round_compact": rounded}).apply(
            {"params": params}, labels, jnp.asarray(picture, jnp.float32)
        )
        for rounded in (True, False)
    ]
    levels = (np.asarray(made[0].compact) + 1) * 127.5
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-3)
    unrounded = (np.asarray(made[1].compact) + 1) * 127.5
    assert np.abs(unrounded - np.round(unrounded)).max() > 0.2


def test_a_batch_that_does_not_divide_over_the_devices_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 8"):
        sharding.check_batch_size(12, sharding.data_mesh())


def test_an_unknown_update_order_is_refused() -> None:
    config = small_compression(update_order="both")
    with pytest.raises(ConfigError, match="update_order"):
        make_train_step(resolve(config))


def test_the_learning_rate_is_constant_then_falls_linearly_to_zero() -> None:
    config = small_compression(steps=100)
    rate = learning_rate(config)
    assert [float(rate(s)) for s in (0, 49, 50)] == pytest.approx([2e-4] * 3)
    assert float(rate(75)) == pytest.approx(1e-4)
    assert float(rate(100)) == 0.0
    assert float(rate(99)) > 0.0
