"""The `reference` choice against numbers computed by the authors' networks; `pytest -n0 -rP` shows how close."""

import json
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.classes.table import class_table_json
from dsslic_jax.configs import default
from dsslic_jax.models.coarse import Coarse, build_coarse_model
from dsslic_jax.models.discriminator import build_discriminator
from dsslic_jax.train import state as states
from dsslic_jax.train.losses.adversarial import discriminator_loss
from dsslic_jax.train.losses.terms import Seen, generator_loss
from dsslic_jax.train.state import make_optimizer
from dsslic_jax.train.tasks.coarse import Compression, make_train_step
from tests import reference_fixture as reference
from tests.configurations import settings_of

ARRAYS, SETTINGS = reference.load()
LOSS_NAMES = {
    "G_GAN": "G/gan",
    "G_GAN_Feat": "G/dis",
    "G_DIS": "G/l1",
    "G_SSIM": "G/ssim",
    "D_real": "D/real",
    "D_fake": "D/fake",
    "loss_G": "G/total",
    "loss_D": "D/total",
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Any:
    table = tmp_path_factory.mktemp("classes") / "five.json"
    table.write_text(json.dumps(class_table_json(reference.CLASSES)))
    config = default.use_variant(default.compression(), "reference")
    config.model.update(
        classes=SETTINGS["classes"],
        compnet_width=SETTINGS["ncf"],
        finenet_width=SETTINGS["ngf"],
        finenet_blocks=SETTINGS["n_blocks"],
    )
    config.discriminator.width = SETTINGS["ndf"]
    config.losses.vgg_weight = 0.0
    config.optimizer.constant_fraction = 1.0
    config.data.classes = str(table)
    return settings_of(config)


@pytest.fixture(scope="module")
def state(config: Any) -> states.TrainState:
    params = reference.parameters(ARRAYS, "init")
    optimizer = make_optimizer(config)
    learners = {k: states.Learner(v, optimizer.init(v)) for k, v in params.items()}
    fresh = Compression(config).init_state()
    for name, learner in learners.items():
        ours = jax.tree.map(jnp.shape, getattr(fresh, name).params)
        assert ours == jax.tree.map(jnp.shape, learner.params)
    return fresh.replace(**learners)


@pytest.fixture(scope="module")
def batch() -> dict[str, np.ndarray]:
    image = reference.nhwc(ARRAYS["in/image"])
    return {"image": image, "labels": ARRAYS["in/label"][:, 0].astype(np.int32)}


@pytest.fixture(scope="module")
def outputs(config: Any, state: states.TrainState, batch: dict[str, np.ndarray]) -> Any:
    def forward(state: states.TrainState, batch: Any) -> tuple[Coarse, Any]:
        made = build_coarse_model(config.model).apply(
            {"params": state.generator.params}, batch["labels"], batch["image"]
        )
        one_hot = jax.nn.one_hot(batch["labels"], config.model.classes)
        seen = jnp.concatenate([one_hot, made.coarse], axis=-1)
        judge = build_discriminator(config.discriminator)
        return made, judge.apply({"params": state.discriminator.params}, seen)

    return jax.jit(forward)(state, batch)


@pytest.mark.parametrize("name", ["compact", "upsampled", "fine", "coarse"])
def test_every_picture_of_the_coarse_path_agrees(outputs: Any, name: str) -> None:
    stored = "upsampled_align_corners" if name == "upsampled" else name
    expected = reference.nhwc(ARRAYS[f"out/{stored}"])
    print(f"{name}: largest difference {np.abs(getattr(outputs[0], name) - expected).max():.1e}")
    np.testing.assert_allclose(getattr(outputs[0], name), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", [0, 1])
@pytest.mark.parametrize("layer", range(5))
def test_every_discriminator_layer_agrees(outputs: Any, scale: int, layer: int) -> None:
    expected = reference.nhwc(ARRAYS[f"out/disc_fake/scale{scale}/layer{layer}"])
    difference = np.abs(outputs[1][scale][layer] - expected).max()
    print(f"scale {scale}, layer {layer}: largest difference {difference:.1e}")
    np.testing.assert_allclose(outputs[1][scale][layer], expected, rtol=0, atol=1e-4)


def test_half_pixel_upsampling_agrees_with_pytorch() -> None:
    from dsslic_jax.models.layers import upsample_bilinear

    upsampled = upsample_bilinear(jnp.asarray(reference.nhwc(ARRAYS["out/compact"])), 8)
    expected = reference.nhwc(ARRAYS["out/upsampled_half_pixel"])
    np.testing.assert_allclose(upsampled, expected, rtol=0, atol=1e-5)


def test_three_steps_have_the_reference_losses_and_weights(
    config: Any, state: states.TrainState, batch: dict[str, np.ndarray]
) -> None:
    step = jax.jit(make_train_step(config))
    for expected in SETTINGS["losses"]:
        state, metrics = step(state, batch)
        for theirs, ours in LOSS_NAMES.items():
            difference = abs(float(metrics[ours]) - expected[theirs])
            print(f"{ours}: difference {difference:.1e} of {expected[theirs]:.4g}")
            if theirs == "G_SSIM":  # starts near -3e-5
                assert difference <= 1e-6
            else:
                np.testing.assert_allclose(metrics[ours], expected[theirs], rtol=1e-4, err_msg=ours)
    after = reference.parameters(ARRAYS, "after3")
    for network, tree in after.items():
        moved = flax.traverse_util.flatten_dict(getattr(state, network).params)
        for path, expected in flax.traverse_util.flatten_dict(tree).items():
            if path[-1] == "bias" and reference.feeds_a_norm(network, path):
                continue
            difference = np.abs(np.asarray(moved[path]) - expected)
            # Adam moves each weight by about the learning rate whatever its gradient's size, so a gradient
            # near zero may turn its sign: allow a few such weights, never more than all three moves.
            assert difference.max() <= 2 * 3 * 2e-4, path
            assert np.mean(difference > 2e-5) <= 0.01, path


def test_gradients_of_all_weights_agree(
    config: Any, state: states.TrainState, batch: dict[str, np.ndarray]
) -> None:
    generator, judge = build_coarse_model(config.model), build_discriminator(config.discriminator)
    one_hot = jax.nn.one_hot(batch["labels"], config.model.classes)

    def discriminate(params: Any, picture: Any) -> Any:
        return judge.apply({"params": params}, jnp.concatenate([one_hot, picture], axis=-1))

    def loss_g(params: Any) -> jax.Array:
        made = generator.apply({"params": params}, batch["labels"], batch["image"])
        real = discriminate(state.discriminator.params, batch["image"])
        fake = discriminate(state.discriminator.params, made.coarse)
        return generator_loss(Seen(batch["image"], made, (real, fake)), config.losses)[0]

    def loss_d(params: Any) -> jax.Array:
        made = generator.apply({"params": state.generator.params}, batch["labels"], batch["image"])
        real, fake = discriminate(params, batch["image"]), discriminate(params, made.coarse)
        return discriminator_loss(real, fake, config.losses.gan)[0]

    gradients = {
        "generator": jax.jit(jax.grad(loss_g))(state.generator.params),
        "discriminator": jax.jit(jax.grad(loss_d))(state.discriminator.params),
    }
    expected = reference.parameters(ARRAYS, "grad")
    errors = []
    for network, tree in expected.items():
        ours = flax.traverse_util.flatten_dict(gradients[network])
        for path, theirs in flax.traverse_util.flatten_dict(tree).items():
            if path[-1] == "bias" and reference.feeds_a_norm(network, path):
                continue
            error = np.linalg.norm(np.asarray(ours[path]) - theirs) / np.linalg.norm(theirs)
            errors.append(error)
            assert error <= 1e-3, (path, error)
    print(f"gradients: largest relative difference {max(errors):.1e} of {len(errors)} arrays")
