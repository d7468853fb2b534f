"""Every network against its PyTorch module: the same weights and inputs give the same outputs."""

from dataclasses import replace
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.convert.transfer import Portable, from_state_dict, to_state_dict
from dsslic_jax.errors import ConfigError, ModelError
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.discriminator import build_discriminator
from dsslic_jax.models.enhancenet import build_enhancenet
from dsslic_jax.models.parts import COARSE, ENHANCENET, SEGNET
from dsslic_jax.models.segnet import build_segnet
from dsslic_jax.settings.reading import to_mapping
from tests.convert import models
from tests.convert.models import apart

COARSE_SETTINGS = [
    ({}, (64, 64)),
    ({"norm": "group", "colour": "ycbcr"}, (40, 72)),
    ({"norm": "batch", "compact": "average", "upsampling": "bilinear_corners"}, (72, 40)),
    ({"norm": "none", "alpha": 16, "finenet_downs": 4}, (80, 112)),
    ({"compact": "mean", "alpha": 32, "colour": "ycbcr", "finenet_width": 0}, (64, 32)),
    ({"compact": "mean"}, (40, 32)),
    ({"finenet_width": 0}, (40, 32)),
]
SEGNET_SETTINGS = [
    ({"norm": "batch"}, (64, 64)),
    ({"norm": "group", "backbone": "resnet18"}, (40, 72)),
    ({"backbone": "resnet50", "input": "imagenet", "auxiliary_width": None}, (24, 56)),
    ({"backbone": "resnet50_7x7", "width": 4}, (88, 24)),
]


def nchw(torch: Any, picture: np.ndarray) -> Any:
    return torch.from_numpy(picture.transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize(("chosen", "size"), COARSE_SETTINGS)
def test_encoder_and_decoder_agree(torch: Any, chosen: dict[str, Any], size: Any) -> None:
    from dsslic_jax.convert.torch.loading import modules_of

    bundle = models.make_bundle(models.coarse_settings(**chosen))
    labels, picture = models.inputs(*size)
    model, variables = build_coarse_model(bundle.settings(COARSE)), bundle.variables(COARSE)
    compact = jax.jit(lambda v: model.apply(v, labels, picture, method="compress"))(variables)
    made = jax.jit(lambda v, c: model.apply(v, labels, c, method="predict"))(variables, compact)
    theirs = modules_of(bundle)
    ids = torch.from_numpy(labels)
    with torch.no_grad():
        assert apart(compact, theirs["encoder"](ids, nchw(torch, picture))) < 1e-5
        coarse = theirs["decoder"](ids, nchw(torch, np.array(compact)))
        assert apart(made.coarse, coarse) < 1e-5


@pytest.mark.parametrize(("norm", "scales"), [("instance", 2), ("group", 3), ("none", 1)])
def test_the_discriminator_agrees_layer_by_layer(torch: Any, norm: str, scales: int) -> None:
    from dsslic_jax.convert.torch.loading import discriminator_of

    settings = replace(models.DISCRIMINATOR, norm=norm, scales=scales)
    training = models.discriminator_arrays(settings)
    seen = np.random.default_rng(0).uniform(-1, 1, (2, 61, 83, settings.channels))
    seen = seen.astype(np.float32)
    params = flax.traverse_util.unflatten_dict(training, sep="/")["discriminator"]
    ours = jax.jit(build_discriminator(settings).apply)({"params": params}, seen)
    with torch.no_grad():
        theirs = discriminator_of(training, norm)(nchw(torch, seen))
    assert [len(outputs) for outputs in ours] == [len(outputs) for outputs in theirs]
    for scale, layers in zip(ours, theirs, strict=True):
        assert max(apart(a, b) for a, b in zip(scale, layers, strict=True)) < 1e-5


@pytest.mark.parametrize(("chosen", "size"), SEGNET_SETTINGS)
def test_segnet_agrees(torch: Any, chosen: dict[str, Any], size: Any) -> None:
    from dsslic_jax.convert.torch.loading import modules_of

    bundle = models.make_bundle(segnet=models.segnet_settings(**chosen))
    _, picture = models.inputs(*size)
    apply = jax.jit(build_segnet(bundle.settings(SEGNET)).apply)
    ours = apply(bundle.variables(SEGNET), jnp.asarray(picture))
    with torch.no_grad():
        logits, auxiliary = modules_of(bundle)["segnet"](nchw(torch, picture))
    assert apart(ours.logits, logits) < 1e-5
    assert apart(ours.auxiliary, auxiliary) < 1e-5


def test_enhancenet_agrees(torch: Any) -> None:
    from dsslic_jax.convert.torch.loading import modules_of

    bundle = models.make_bundle(enhancenet=models.enhancenet_settings())
    labels, decoded = models.inputs(24, 38)
    strength = np.array([90.0, 160.0], np.float32)
    apply = jax.jit(build_enhancenet(bundle.settings(ENHANCENET)).apply)
    ours = apply(bundle.variables(ENHANCENET), labels, decoded, strength)
    assert np.abs(ours - decoded).max() > 0.05  # it changes something
    theirs = modules_of(bundle)["enhancenet"]
    with torch.no_grad():
        given = torch.from_numpy(labels), nchw(torch, decoded), torch.from_numpy(strength)
        assert apart(ours, theirs(*given)) < 1e-5


BEST = {"alpha": 64, "compact": "mean", "colour": "ycbcr", "finenet_width": 0}


@pytest.mark.parametrize("chosen", [BEST, {"compact": "mean"}, {"finenet_width": 0, "alpha": 16}])
def test_models_without_compnet_or_finenet_come_back_by_their_settings(
    chosen: dict[str, Any],
) -> None:
    coarse = models.coarse_settings(**chosen)
    bundle = models.make_bundle(coarse, enhancenet=models.enhancenet_settings())
    arrays = to_state_dict(Portable(bundle, {}), "module")
    back = from_state_dict(arrays, models.TABLE, {"coarse": to_mapping(coarse)}).bundle
    assert models.same_arrays(back.weights, bundle.weights)
    assert back.settings(COARSE) == coarse
    assert back.settings(ENHANCENET) == bundle.settings(ENHANCENET)
    assert back.fingerprints == bundle.fingerprints


def test_arrays_that_the_settings_have_no_place_for_are_refused() -> None:
    arrays = to_state_dict(Portable(models.make_bundle(models.coarse_settings()), {}), "module")
    with pytest.raises(ModelError, match="compnet: there are arrays of it, and settings without"):
        from_state_dict(arrays, models.TABLE, {"coarse": {"compact": "mean"}})
    with pytest.raises(ConfigError, match="alpha must be one of"):
        settings = {"coarse": {**BEST, "alpha": 7}}
        enhancenet = models.make_bundle(enhancenet=models.enhancenet_settings())
        from_state_dict(to_state_dict(Portable(enhancenet, {}), "module"), models.TABLE, settings)


@pytest.mark.parametrize(
    ("layout", "norm"),
    [("reference", "instance"), ("reference", "batch"), ("module", "batch"), ("module", "group")],
)
def test_there_and_back_is_bit_identical(layout: str, norm: str) -> None:
    segnet = models.segnet_settings(norm="batch" if norm == "instance" else norm)
    bundle = models.make_bundle(models.coarse_settings(norm=norm), segnet)
    model = Portable(bundle, models.discriminator_arrays())
    back = from_state_dict(to_state_dict(model, layout), models.TABLE)
    assert models.same_arrays(back.bundle.weights, bundle.weights)
    assert models.same_arrays(back.training, model.training)
    chosen = {"upsampling": "bilinear", "round_compact": True}  # the reference has others
    assert replace(back.bundle.settings(COARSE), **chosen) == bundle.settings(COARSE)
    assert replace(back.bundle.settings(SEGNET), input="symmetric") == segnet
