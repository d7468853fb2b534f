"""The training step: both learners move, orders differ, eight devices agree with one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.bundle import directory as bundles
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.label_conv import LabelConv
from dsslic_jax.models.layers import he_std, init_params
from dsslic_jax.models.parts import COARSE
from dsslic_jax.models.pixels import to_network, to_pixels, to_rgb
from dsslic_jax.models.vgg import VGG19Features
from dsslic_jax.train.devices import sharding
from dsslic_jax.train.devices.sharding import check_batch_size, make_mesh
from dsslic_jax.train.settings import MeshSettings
from dsslic_jax.train.state import learning_rate
from dsslic_jax.train.tasks import coarse as steps
from dsslic_jax.train.tasks.registry import make_task
from tests.configurations import settings_of, small_compression, small_segmentation

RNG = np.random.default_rng(11)
BATCH = {
    "image": RNG.integers(0, 256, (8, 64, 64, 3), np.uint8),
    "labels": RNG.integers(0, 8, (8, 64, 64)).astype(np.uint8),
}


def run(
    config: Any, devices: int, steps: int = 1, frozen: Any = None, **mesh: int
) -> tuple[Any, list[dict[str, float]]]:
    """The state and metrics after `steps` steps on the first `devices` devices."""
    config.mesh.update(mesh)
    task = make_task(config)
    grid = make_mesh(task.settings.mesh, jax.devices()[:devices])
    state, step = task.first_state().replace(frozen=frozen), task.step()
    compiled = sharding.compile_step(step, grid, state)
    state = sharding.place(state, sharding.state_sharding(state, grid))
    history = []
    for _ in range(steps):
        state, metrics = compiled(state, sharding.put_batch(BATCH, 8, grid))
        history.append({k: float(v) for k, v in metrics.items()})
    return sharding.on_host(state, grid), history


def largest_difference(a: Any, b: Any) -> float:
    return max(
        float(np.abs(np.asarray(x) - np.asarray(y)).max())
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def small_batch_norm(**train: Any) -> Any:
    """`small_compression` with batch norm, its networks in YCbCr, by SGD."""
    config = small_compression(**train)
    config.model.update({"norm": "batch", "colour": "ycbcr"})
    config.optimizer.update({"name": "sgd", "learning_rate": 0.01})
    return config


@pytest.fixture(scope="module")
def one_device() -> tuple[Any, list[dict[str, float]]]:
    return run(small_compression(), devices=1, steps=2)


@pytest.fixture(scope="module")
def batch_norm() -> tuple[Any, list[dict[str, float]]]:
    return run(small_batch_norm(), devices=1, steps=3)


@pytest.mark.parametrize(
    ("task", "mesh"),
    [
        ("compression", {}),
        ("compression", {"rows": 2}),
        ("compression", {"fsdp": 2, "rows": 2}),
        ("segmentation", {}),
        ("segmentation", {"fsdp": 2, "rows": 2}),
    ],
)
def test_eight_devices_take_the_step_that_one_takes(
    task: str, mesh: dict[str, int], one_device: tuple[Any, list[dict[str, float]]]
) -> None:
    config = small_compression() if task == "compression" else small_segmentation()
    one, losses = one_device if task == "compression" else run(config, devices=1, steps=2)
    eight, losses_of_eight = run(config, devices=8, steps=2, **mesh)
    for a, b in zip(losses, losses_of_eight, strict=True):
        for name, value in a.items():
            assert b[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    if task == "compression":
        difference = largest_difference(weights_that_matter(one), weights_that_matter(eight))
    else:
        difference = largest_difference(one.params, eight.params)
    print(f"{task}, eight devices {mesh}: weights differ from one's by at most {difference:.1e}")
    assert difference <= 1e-5


@pytest.mark.parametrize("mesh", [{}, {"rows": 2}])
def test_eight_devices_share_the_statistics_of_their_whole_batch(mesh: dict[str, int]) -> None:
    # One step, without absolute values, whose gradients a last digit may turn around, as on some processors; nor is c
    # rounded to 8 bits, where one may decide between two grey levels.
    config = small_batch_norm()
    config.model.round_compact = False
    config.losses.update({"l1_weight": 0.0, "features_weight": 0.0, "mse_weight": 20.0})
    (one, losses), (eight, losses_of_eight) = run(config, 1), run(config, 8, **mesh)
    for name, value in losses[0].items():
        assert losses_of_eight[0][name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    weights, weights_of_eight = (
        (state.variables, state.discriminator.params) for state in (one, eight)
    )
    difference = largest_difference(weights, weights_of_eight)
    fresh = make_task(config).first_state()
    moved = largest_difference(fresh.variables, one.variables)
    print(f"batch norm, eight devices {mesh}: weights differ from one's by {difference:.1e}")
    print(f"they moved by up to {moved:.1e}")
    assert difference <= 2e-5 and moved > 1e-2


def test_vgg_distances_and_group_norm_are_the_same_in_bands_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    narrow = VGG19Features(widths=(8, 8, 8, 8, 8))
    monkeypatch.setattr(steps, "VGG19Features", lambda dtype: narrow)
    picture = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    vgg = init_params(narrow, 3, picture, kernel_std=he_std)["params"]
    config = small_compression()
    config.losses.vgg_weight = 10.0
    config.model.norm = config.discriminator.norm = "group"
    (one, losses), (eight, losses_of_eight) = (
        run(config, devices, frozen=vgg, rows=rows, fsdp=rows) for devices, rows in ((1, 1), (8, 2))
    )
    assert losses[0]["G/vgg"] > 1
    for name, value in losses[0].items():
        assert losses_of_eight[0][name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    difference = largest_difference(weights_that_matter(one), weights_that_matter(eight))
    print(f"VGG and group norm, bands of rows: weights differ by at most {difference:.1e}")
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
        jax.tree_util.tree_map_with_path(keep, learner.params)
        for learner in (state.generator, state.discriminator)
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
    before = make_task(small_compression()).init_state()
    after = one_device[0]
    for tree, moved in (
        (before.generator.params["compnet"], after.generator.params["compnet"]),
        (before.generator.params["finenet"], after.generator.params["finenet"]),
        (before.discriminator.params, after.discriminator.params),
    ):
        assert largest_difference(tree, moved) > 1e-4
    assert int(after.step) == 2


def test_without_adversarial_terms_the_discriminator_is_neither_run_nor_moved(
    one_device: tuple[Any, list[dict[str, float]]],
) -> None:
    config = small_compression()
    config.losses.update({"gan_weight": 0.0, "features_weight": 0.0, "mse_weight": 10.0})
    config.losses.compact_rate_weight = 0.5
    before = make_task(config).init_state()
    after, (metrics,) = run(config, devices=1)
    assert not any(name.startswith("D/") for name in metrics)
    first = one_device[1][0]
    assert metrics["G/l1"] == pytest.approx(first["G/l1"], rel=1e-5)
    # Pixels in [-1, 1]; the reported error is of x' clipped to them.
    assert metrics["G/mse"] == pytest.approx(10 * metrics["mse/coarse"] / 127.5**2, rel=0.1)
    assert metrics["G/compact_rate"] > 0
    total = sum(metrics[f"G/{term}"] for term in ("l1", "ssim", "mse", "compact_rate"))
    assert metrics["G/total"] == pytest.approx(total, rel=1e-5)
    assert largest_difference(before.discriminator, after.discriminator) == 0
    assert largest_difference(before.generator.params, after.generator.params) > 0


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
    task = make_task(small_compression())
    params = task.init_state().generator.params
    labels, picture = BATCH["labels"].astype(np.int32), BATCH["image"] / 127.5 - 1
    made = [
        build_coarse_model(replace(task.settings.model, round_compact=rounded)).apply(
            {"params": params}, labels, jnp.asarray(picture, jnp.float32)
        )
        for rounded in (True, False)
    ]
    levels = (np.asarray(made[0].compact) + 1) * 127.5
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-3)
    unrounded = (np.asarray(made[1].compact) + 1) * 127.5
    assert np.abs(unrounded - np.round(unrounded)).max() > 0.2


@pytest.mark.parametrize("update_order", ["alternating", "simultaneous"])
def test_running_statistics_move_once_a_step(update_order: str) -> None:
    config = small_compression(update_order=update_order)
    config.model.norm = "batch"
    task = make_task(config)
    config = task.settings
    batch = {name: jnp.asarray(array[:2]) for name, array in BATCH.items()}
    stem = LabelConv(config.model.compnet_width, config.model.classes)
    state, step, mean, var = task.init_state(), jax.jit(task.step()), 0.0, 1.0
    for _ in range(2):
        params = {"params": state.generator.params["compnet"]["stem"]}
        seen = stem.apply(params, batch["labels"].astype(jnp.int32), to_network(batch["image"]))
        mean = 0.99 * mean + 0.01 * np.mean(seen, (0, 1, 2))
        var = 0.99 * var + 0.01 * np.var(seen, (0, 1, 2))
        state, _ = step(state, batch)
        kept = state.batch_stats["compnet"]["stem_norm"]["BatchNorm_0"]
        np.testing.assert_allclose(kept["mean"], mean, atol=1e-6)
        np.testing.assert_allclose(kept["var"], var, atol=1e-6)
    assert np.abs(mean).max() > 1e-4


def test_batch_norm_in_ycbcr_trains(batch_norm: tuple[Any, list[dict[str, float]]]) -> None:
    state, history = batch_norm
    assert all(np.isfinite(list(metrics.values())).all() for metrics in history)
    before = make_task(small_batch_norm()).init_state()
    for network in ("compnet", "finenet"):
        moved = largest_difference(
            before.generator.params[network], state.generator.params[network]
        )
        assert moved > 1e-4
        # Every layer's statistics are its own.
        for layer, stats in jax.tree_util.tree_leaves_with_path(state.batch_stats[network]):
            assert not np.allclose(stats, np.round(stats), atol=1e-7), layer


def test_a_model_directory_infers_what_training_s_samples_show(
    batch_norm: tuple[Any, list[dict[str, float]]], tmp_path: Path
) -> None:
    task, state = make_task(small_batch_norm()), batch_norm[0]
    bundles.save(task.bundle(state), tmp_path)
    loaded = bundles.load(tmp_path)
    labels, picture = BATCH["labels"][:1], to_network(jnp.asarray(BATCH["image"][:1]))
    infer = jax.jit(build_coarse_model(loaded.settings(COARSE)).apply)
    made = infer(loaded.variables(COARSE), labels.astype(np.int32), picture)
    trained = infer(state.variables, labels.astype(np.int32), picture)
    np.testing.assert_array_equal(made.coarse, trained.coarse)
    fresh = {**loaded.variables(COARSE), "batch_stats": task.init_state().batch_stats}
    assert np.abs(infer(fresh, labels.astype(np.int32), picture).coarse - made.coarse).max() > 1e-4
    _, _, compact, coarse, _ = task.sample(state, {k: v[:1] for k, v in BATCH.items()})[0]
    assert np.abs(coarse - np.asarray(to_pixels(made.coarse[0]), np.int16)).max() <= 1
    shown = np.asarray(to_pixels(to_rgb(made.compact[0], "ycbcr")), np.int16)
    assert np.abs(compact[::8, ::8] - shown).max() <= 1


def test_a_batch_that_does_not_divide_over_the_devices_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 8"):
        check_batch_size(12, make_mesh(MeshSettings()))


def test_an_unknown_update_order_is_refused() -> None:
    config = small_compression(update_order="both")
    with pytest.raises(ConfigError, match="update_order"):
        make_task(config)


def test_the_learning_rate_is_constant_then_falls_linearly_to_zero() -> None:
    config = small_compression(steps=100)
    rate = learning_rate(settings_of(config))
    assert [float(rate(s)) for s in (0, 49, 50)] == pytest.approx([2e-4] * 3)
    assert float(rate(75)) == pytest.approx(1e-4)
    assert float(rate(100)) == 0.0
    assert float(rate(99)) > 0.0
