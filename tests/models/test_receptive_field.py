"""How far a pixel of c and of x' sees: gradients of whole networks, and windows cut from a picture."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsslic_jax.models.coarse import CoarseModel
from dsslic_jax.models.layers import he_std, init_params
from dsslic_jax.models.settings import CoarseSettings

CLASSES = 3


def model_of(norm: str, alpha: int = 8, **settings: Any) -> CoarseModel:
    return CoarseModel(
        CLASSES,
        alpha=alpha,
        compnet_width=4,
        finenet_width=4,
        finenet_blocks=1,
        norm=norm,
        **settings,
    )


def seeing_all(model: CoarseModel, labels: jax.Array, picture: jax.Array) -> Any:
    """Positive weights that average: no ReLU and no tanh stops any of the light."""
    variables = init_params(
        model, 0, labels, picture, kernel_std=lambda shape: 1 / np.prod(shape[:-1])
    )
    return jax.tree.map(np.abs, variables)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("alpha", [8, 16])
def test_the_gradient_of_a_pixel_of_the_coarse_picture_ends_at_the_radius(
    alpha: int, norm: str
) -> None:
    model = model_of(norm, alpha)
    radius, height, middle = model.finenet_radius, model.min_size, 96
    labels = jnp.zeros((1, height, 2 * middle), jnp.int32)
    variables = seeing_all(model, labels, jnp.ones((1, height, 2 * middle, 3)))
    compact = jnp.full((1, height // alpha, 2 * middle // alpha, 3), 0.5)

    def row_of_pixels(compact: jax.Array) -> jax.Array:
        made = model.apply(variables, labels, compact, method="predict")
        return made.coarse[0, height // 2, middle : middle + alpha, 0]

    gradients = jax.jit(jax.jacrev(row_of_pixels))(compact)  # [alpha, 1, h, w, 3]
    reaches = []
    for pixel, gradient in enumerate(np.asarray(gradients)):
        columns = np.flatnonzero(np.any(gradient != 0, axis=(0, 1, 3)))
        reaches += [
            middle + pixel - alpha * columns[0],
            alpha * columns[-1] + alpha - 1 - (middle + pixel),
        ]
    assert max(reaches) == radius < middle - alpha


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("alpha", [8, 16])
def test_the_gradient_of_a_pixel_of_the_compact_picture_ends_at_the_radius(
    alpha: int, norm: str
) -> None:
    model = model_of(norm, alpha)
    radius, height, width = model.compnet_radius, model.min_size, 12 * alpha
    labels = jnp.zeros((1, height, width), jnp.int32)
    picture = jnp.full((1, height, width, 3), 0.5)
    variables = seeing_all(model, labels, picture)

    def pixel(picture: jax.Array) -> jax.Array:
        return model.apply(variables, labels, picture, method="compress")[0, 2, 6, 0]

    gradient = np.asarray(jax.jit(jax.grad(pixel))(picture))
    columns = np.flatnonzero(np.any(gradient != 0, axis=(0, 1, 3)))
    assert max(6 * alpha - columns[0], columns[-1] - (7 * alpha - 1)) == radius


def test_the_poster_s_networks_see_as_far_as_worked_out_by_hand() -> None:
    # FineNet at row 2: head -1, up -1, -1, -1, eighteen convolutions -19, down -39, -79, -159, stem -162; that row of
    # c' lies between rows -21 and -20 of ĉ, the former from pixel -168 on.
    model = CoarseModel(CLASSES)
    assert model.finenet_radius == 2 + 168
    # CompNet at row 0: head -3, down -7, -15, -31, stem -34.
    assert model.compnet_radius == 34


def largest_difference(model: CoarseModel, margin: int) -> tuple[float, float]:
    """Of c and of x', in the middle of a picture, when only `margin` pixels around the middle are run."""
    rng, side, start, stop = np.random.default_rng(21), 224, 96, 128
    labels = jnp.asarray(rng.integers(0, CLASSES, (1, side, side)))
    picture = jnp.asarray(rng.uniform(-1, 1, (1, side, side, 3)), jnp.float32)
    variables = init_params(model, 0, labels, picture, kernel_std=he_std)
    for stats in variables.get("batch_stats", {}).values():
        stats["stem_norm"]["BatchNorm_0"]["mean"] += rng.uniform(-0.2, 0.2, 4).astype(np.float32)
    compact = jnp.asarray(rng.uniform(-1, 1, (1, side // 8, side // 8, 3)), jnp.float32)

    @jax.jit
    def run(labels: Any, picture: Any, compact: Any) -> tuple[jax.Array, jax.Array]:
        made = model.apply(variables, labels, compact, method="predict")
        return model.apply(variables, labels, picture, method="compress"), made.coarse

    first, last = start - margin, stop + margin
    cut, cut_8 = slice(first, last), slice(first // 8, last // 8)
    whole = run(labels, picture, compact)
    part = run(labels[:, cut, cut], picture[:, cut, cut], compact[:, cut_8, cut_8])
    differences = []
    for ours, theirs, scale in zip(part, whole, (8, 1), strict=True):
        core = slice(start // scale, stop // scale)
        inner = slice(margin // scale, (margin + stop - start) // scale)
        differences.append(float(jnp.abs(ours[:, inner, inner] - theirs[:, core, core]).max()))
    return differences[0], differences[1]


def margins(model: CoarseModel) -> tuple[int, int]:
    """The radii of CompNet and FineNet, rounded up to whole blocks."""
    return -(-model.compnet_radius // 8) * 8, -(-model.finenet_radius // 8) * 8


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_window_with_the_radius_around_it_is_the_picture_s_own_part(norm: str) -> None:
    model = model_of(norm)
    assert CoarseSettings(norm=norm).runs_in_windows
    for_compact, for_coarse = margins(model)
    assert largest_difference(model, for_compact)[0] <= 1e-5
    assert largest_difference(model, for_coarse)[1] <= 1e-5
    assert min(largest_difference(model, margin=16)) > 1e-3


@pytest.mark.parametrize(
    ("norm", "settings"), [("instance", {}), ("group", {}), ("none", {"align_corners": True})]
)
def test_a_model_that_sees_the_whole_picture_says_so(norm: str, settings: dict[str, bool]) -> None:
    model = model_of(norm, **settings)
    upsampling = "bilinear_corners" if model.align_corners else "bilinear"
    assert not CoarseSettings(norm=norm, upsampling=upsampling).runs_in_windows
    assert largest_difference(model, margins(model)[1])[1] > 1e-3
