"""Shapes, ranges and settings of whole networks, mostly traced without running."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from dsslic_jax.convert.vgg import load_vgg
from dsslic_jax.errors import ModelError
from dsslic_jax.models import vgg
from dsslic_jax.models.coarse import CoarseModel
from dsslic_jax.models.layers import he_std, init_params
from dsslic_jax.models.pixels import IMAGENET_MEAN, IMAGENET_STD
from dsslic_jax.models.segnet import SegNet, adaptive_average, to_labels


def shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.shape, tree)


@pytest.mark.parametrize("alpha", [8, 16, 32, 64])
@pytest.mark.parametrize("norm", ["instance", "group", "batch", "none"])
def test_every_alpha_and_norm_gives_a_compact_picture_at_its_scale(alpha: int, norm: str) -> None:
    model = CoarseModel(
        5, alpha=alpha, compnet_width=4, finenet_width=4, finenet_blocks=1, norm=norm
    )
    labels = jax.ShapeDtypeStruct((2, 256, 512), jnp.int32)
    picture = jax.ShapeDtypeStruct((2, 256, 512, 3), jnp.float32)
    made, _ = jax.eval_shape(
        lambda s, x: model.init_with_output(jax.random.key(0), s, x), labels, picture
    )
    assert made.compact.shape == (2, 256 // alpha, 512 // alpha, 3)
    assert made.coarse.shape == made.upsampled.shape == made.fine.shape == (2, 256, 512, 3)


def test_poster_widths_have_the_sizes_of_the_published_networks() -> None:
    model = CoarseModel(151)
    labels = jax.ShapeDtypeStruct((1, 64, 64), jnp.int32)
    picture = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    params = jax.eval_shape(model.init, jax.random.key(0), labels, picture)["params"]
    assert params["compnet"]["stem"]["kernel"].shape == (7, 7, 154, 64)
    assert params["compnet"]["down_2"]["kernel"].shape == (3, 3, 256, 512)
    assert params["compnet"]["head"]["kernel"].shape == (7, 7, 512, 3)
    assert params["finenet"]["block_8"]["conv_1"]["kernel"].shape == (3, 3, 512, 512)
    assert params["finenet"]["up_2"]["kernel"].shape == (3, 3, 128, 64)


def test_the_smallest_picture_a_model_names_really_runs() -> None:
    model = CoarseModel(3, alpha=8, compnet_width=2, finenet_width=2, finenet_blocks=1)
    size = model.min_size
    labels, picture = jnp.zeros((1, size, size), jnp.int32), jnp.ones((1, size, size, 3))
    params = init_params(model, 0, labels, picture)
    made = jax.jit(model.apply)(params, labels, picture)
    assert bool(jnp.all(jnp.isfinite(made.coarse)))
    assert float(jnp.abs(made.compact).max()) <= 1.0


def test_resnet50_pspnet_has_the_parameters_of_the_published_one() -> None:
    # Deep-stem ResNet-50 without classifier: 23,508,032 weights of torchvision's, its 7x7 stem (9,408 + 128)
    # exchanged for 3x3 stems 3-64-64-128 (75,456 + 512) and 64 more inputs in the first block's two 1x1s.
    model = SegNet(150)
    params = jax.eval_shape(
        model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    )["params"]
    count = sum(
        int(np.prod(leaf.shape))
        for name, tree in params.items()
        if name.startswith(("stem", "stage"))
        for leaf in jax.tree.leaves(tree)
    )
    stem = 9 * (3 * 64 + 64 * 64 + 64 * 128) + 2 * (64 + 64 + 128)
    assert count == 23_508_032 - (9_408 + 128) + stem + 64 * 64 + 64 * 256
    assert params["fuse"]["conv"]["kernel"].shape == (3, 3, 2048 + 4 * 512, 512)
    assert params["auxiliary"]["conv"]["kernel"].shape == (3, 3, 1024, 256)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_segnet_scores_every_eighth_pixel_and_never_predicts_void(norm: str) -> None:
    model = SegNet(4, backbone="small", width=4, pyramid_width=4, norm=norm)
    picture = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, 64, 48, 3)), jnp.float32)
    variables = init_params(model, 0, picture, kernel_std=he_std)
    output = jax.jit(model.apply)(variables, picture)
    assert output.logits.shape == output.auxiliary.shape == (1, 8, 6, 4)
    best_is_void = output.logits.at[..., 2].add(100.0)
    labels = to_labels(best_is_void, (2,))
    assert labels.shape == (1, 64, 48) and labels.dtype == jnp.uint8
    assert not bool(jnp.any(labels == 2))


def test_adaptive_average_bins_overlap_as_pytorch_s_do() -> None:
    x = jnp.arange(5.0).reshape(1, 5, 1, 1)
    # 5 rows to 3 bins: rows 0-1, 1-3, 3-4.
    np.testing.assert_allclose(adaptive_average(x, 3)[0, :, 0, 0], [0.5, 2.0, 3.5])


def test_vgg_without_weights_says_where_they_come_from(tmp_path: Path) -> None:
    for path in ("", tmp_path / "none.safetensors"):
        with pytest.raises(ModelError, match=r"torchvision's vgg19 .* losses.vgg_weight = 0"):
            load_vgg(path)


def test_vgg_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    save_file({"features.0.weight": np.zeros((2, 2), np.float32)}, tmp_path / "misfit.safetensors")
    for name in ("junk", "misfit"):
        with pytest.raises(ModelError, match="the VGG loss needs ImageNet weights"):
            load_vgg(tmp_path / f"{name}.safetensors")


def test_vgg_features_come_from_the_first_convolution_of_each_block() -> None:
    picture = jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.float32)
    features, _ = jax.eval_shape(
        lambda x: vgg.VGG19Features().init_with_output(jax.random.key(0), x), picture
    )
    assert shapes(features) == [
        (2, 64, 64, 64),
        (2, 32, 32, 128),
        (2, 16, 16, 256),
        (2, 8, 8, 512),
        (2, 4, 4, 512),
    ]


def test_vgg_weights_are_read_by_torchvision_s_names(tmp_path: Path) -> None:
    rng, channels, stored = np.random.default_rng(3), 3, {}
    for indices, width in zip(vgg.BLOCKS, vgg.WIDTHS, strict=True):
        for index in indices:
            stored[f"features.{index}.weight"] = np.zeros((width, channels, 3, 3), np.float32)
            stored[f"features.{index}.bias"] = np.zeros(width, np.float32)
            channels = width
    kernel = rng.standard_normal((64, 3, 3, 3)).astype(np.float32)
    stored["features.0.weight"] = kernel
    save_file(stored, tmp_path / "vgg.safetensors")
    params = load_vgg(tmp_path / "vgg.safetensors")
    x = rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    first = vgg.VGG19Features().apply({"params": params}, jnp.asarray(x))[0]
    normalised = ((x + 1) / 2 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    middle = np.sum(kernel[7] * normalised[0, 4:7, 6:9].transpose(2, 0, 1))
    np.testing.assert_allclose(first[0, 5, 7, 7], max(middle, 0.0), atol=1e-4)


def test_compact_average_starts_from_the_block_average_of_the_picture() -> None:
    model = CoarseModel(
        3, alpha=8, compnet_width=2, finenet_width=2, finenet_blocks=1, compact="average"
    )
    rng = np.random.default_rng(4)
    picture = rng.uniform(-0.9, 0.9, (1, 32, 40, 3)).astype(np.float32)
    labels = jnp.zeros((1, 32, 40), jnp.int32)
    params = init_params(model, 0, labels, jnp.asarray(picture))
    head = params["params"]["compnet"]["head"]
    head["kernel"] = np.zeros_like(head["kernel"])
    compact = model.apply(params, labels, jnp.asarray(picture), method="compress")
    blocks = picture.reshape(1, 4, 8, 5, 8, 3).mean((2, 4))
    np.testing.assert_allclose(compact, blocks, atol=1e-5)
    head["bias"] = np.full(3, 0.5, np.float32)
    corrected = model.apply(params, labels, jnp.asarray(picture), method="compress")
    np.testing.assert_allclose(corrected, np.tanh(np.arctanh(blocks) + 0.05), atol=1e-5)
