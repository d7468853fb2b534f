"""bfloat16 arithmetic and rematerialisation change what a step costs, and hardly what it does."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.train.devices.rematerialisation import POLICIES, rematerialised
from dsslic_jax.train.tasks.registry import make_task
from tests.configurations import settings_of, small_compression, small_segmentation

STEPS = 200


def losses_of(config: Any) -> tuple[Any, list[dict[str, float]]]:
    """The last state and the metrics of every step."""
    task = make_task(config)
    config, state, step = task.settings, task.first_state(), task.step()
    compiled = jax.jit(step, donate_argnums=0)
    stream = train_iterator(config.data, batch_size=config.train.batch_size, seed=1)
    history = []
    for _ in range(config.train.steps):
        state, metrics = compiled(state, next(stream))
        history.append(metrics)
    stream.close()
    return state, [{k: float(v) for k, v in m.items()} for m in jax.device_get(history)]


@pytest.fixture(scope="module")
def four_steps() -> list[dict[str, float]]:
    return losses_of(small_compression(batch_size=2, steps=4))[1]


def test_200_steps_in_bfloat16_lose_what_they_lose_in_float32() -> None:
    """Means of 50 steps: single steps part ways, since the learners answer each other's rounding."""
    curves = {}
    for precision in ("float32", "bfloat16"):
        config = small_compression(batch_size=2, steps=STEPS)
        config.losses.update({"gan_weight": 0.01, "features_weight": 0.02})
        config.precision = precision
        state, history = losses_of(config)
        leaves = jax.tree.leaves((state.generator, state.discriminator))
        assert {str(leaf.dtype) for leaf in leaves} == {"float32", "int32"}  # moments and counts
        curves[precision] = {
            name: np.array([metrics[name] for metrics in history]).reshape(4, -1).mean(1)
            for name in ("G/l1", "G/ssim", "D/total", "mse/coarse")
        }
    for name, values in curves["float32"].items():
        distance = np.abs(curves["bfloat16"][name] - values) / np.abs(values)
        print(f"{name}: {values.round(4)}, bfloat16 within {distance.max():.1%}")
        assert distance.max() < 0.05, name
    falls = curves["float32"]["mse/coarse"]
    assert falls[-1] < 0.5 * falls[0]  # something was learned for the two to agree on


@pytest.mark.parametrize("choice", POLICIES)
def test_recomputing_changes_no_loss(choice: str, four_steps: list[dict[str, float]]) -> None:
    recomputing = losses_of(small_compression(batch_size=2, steps=4, recompute=choice))[1]
    for kept, again in zip(four_steps, recomputing, strict=True):
        for name, value in kept.items():
            assert again[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


def test_segnet_recomputes_too() -> None:
    kept, again = (
        losses_of(small_segmentation(batch_size=2, steps=1, recompute=choice))[1][0]
        for choice in ("nothing", "norms")
    )
    assert again == pytest.approx(kept, rel=1e-5)


def test_each_choice_keeps_less_for_the_way_back(capsys: pytest.CaptureFixture[str]) -> None:
    task = make_task(small_compression())
    model = build_coarse_model(task.settings.model)
    params = task.init_state().generator.params
    labels, picture = jnp.zeros((1, 64, 64), jnp.int32), jnp.zeros((1, 64, 64, 3))

    def total(params: Any) -> jax.Array:
        return model.apply({"params": params}, labels, picture).coarse.sum()

    kept = {}
    for choice in ("nothing", *POLICIES):
        jax.ad_checkpoint.print_saved_residuals(rematerialised(total, choice), params)
        shapes = re.findall(
            r"^\w+\[([\d,]*)\](?!.*from the argument)", capsys.readouterr().out, re.M
        )
        kept[choice] = sum(
            int(np.prod([int(side) for side in shape.split(",") if side])) for shape in shapes
        )
    assert kept["features"] < kept["norms"] / 4 < kept["nothing"] / 16, kept


def test_an_unknown_precision_or_choice_is_refused() -> None:
    config = small_compression()
    config.precision = "float16"
    with pytest.raises(ConfigError, match=r"^precision must be one of float32, bfloat16"):
        settings_of(config)
    with pytest.raises(ConfigError, match=r"train\.recompute"):
        settings_of(small_compression(recompute="all"))
