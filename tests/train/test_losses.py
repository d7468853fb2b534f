"""Loss terms against hand-worked numbers and independent libraries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from dsslic_jax.errors import ConfigError
from dsslic_jax.settings.reading import read
from dsslic_jax.train.losses import adversarial, pixels, vgg
from dsslic_jax.train.losses.ssim import ssim
from dsslic_jax.train.losses.terms import LossSettings, generator_loss


def outputs(*logits: float) -> list[list[jax.Array]]:
    """Discriminator outputs of two layers a scale, the first a feature equal to 2 x the logit."""
    return [[jnp.full((1, 2, 2, 3), 2 * v), jnp.full((1, 1, 1, 1), v)] for v in logits]


def test_log_loss_is_minus_the_log_of_the_sigmoid_summed_over_scales() -> None:
    probabilities = 1 / (1 + np.exp(-np.array([0.3, -1.2])))
    real = adversarial.adversarial(outputs(0.3, -1.2), True, "log")
    fake = adversarial.adversarial(outputs(0.3, -1.2), False, "log")
    np.testing.assert_allclose(real, -np.log(probabilities).sum(), rtol=1e-6)
    np.testing.assert_allclose(fake, -np.log(1 - probabilities).sum(), rtol=1e-6)


def test_log_loss_is_finite_for_extreme_logits() -> None:
    assert float(adversarial.adversarial(outputs(-1e4), True, "log")) == pytest.approx(1e4)


def test_least_squares_measures_the_distance_to_one_and_to_zero() -> None:
    assert float(adversarial.adversarial(outputs(0.5, 3.0), True, "least_squares")) == 0.25 + 4.0
    assert float(adversarial.adversarial(outputs(0.5, 3.0), False, "least_squares")) == 0.25 + 9.0


def test_poster_feature_distance_sums_every_layer_of_every_scale() -> None:
    distance = adversarial.feature_distance(outputs(1.0, 2.0), outputs(0.5, 0.0), "poster")
    assert float(distance) == pytest.approx((1.0 + 0.5) + (4.0 + 2.0))


def test_reference_feature_distance_leaves_the_logits_out_and_averages_scales() -> None:
    distance = adversarial.feature_distance(outputs(1.0, 2.0), outputs(0.5, 0.0), "reference")
    # one layer before the logits: weight 4 / 1 / 2 scales
    assert float(distance) == pytest.approx(4 / 1 / 2 * (1.0 + 4.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gan": "hinge"}, "gan must be one of log, least_squares"),
        ({"features": "none"}, "features must be one of"),
        ({"ssim": "none"}, "ssim must be one of"),
        ({"l1_weight": -20.0}, "l1_weight must be at least 0, not -20"),
        ({"l2_weight": 1.0}, "unknown setting l2_weight"),
    ],
)
def test_settings_that_no_term_has_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(LossSettings, change)


def test_a_term_of_no_weight_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    for term in LossSettings.added():
        monkeypatch.setattr(term, "__call__", lambda self, seen: pytest.fail("computed"))
    monkeypatch.setattr(pixels.SquaredError, "__call__", lambda self, seen: jnp.float32(3.0))
    weights = {term.weight_name: 0.0 for term in LossSettings.added()}
    total, metrics = generator_loss(None, LossSettings(**{**weights, "mse_weight": 2.0}))  # type: ignore[arg-type]
    assert float(total) == 6.0
    assert metrics.keys() == {"G/mse", "G/total"}


def test_mean_absolute_refuses_shapes_that_would_broadcast() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        pixels.mean_absolute(jnp.zeros((2, 3)), jnp.zeros((1, 3)))


def test_compact_bits_are_counted_for_each_pixel_of_the_picture() -> None:
    # Each sample stands 8 grey levels above the one to its left and 16 above the upper one: 12 above their mean.
    levels = 16.0 * jnp.arange(4)[:, None] + 8.0 * jnp.arange(6)
    compact = jnp.broadcast_to(levels[None, :, :, None] / 127.5, (2, 4, 6, 3))
    picture = jnp.zeros((2, 32, 48, 3))
    bits = pixels.compact_bits_per_pixel(compact, picture)
    assert float(bits) == pytest.approx(np.log2(1 + 2 * np.e * 12) * 3 / 64, rel=1e-5)
    assert float(pixels.compact_bits_per_pixel(jnp.ones_like(compact), picture)) == 0.0


def test_vgg_distance_weighs_layers_as_each_choice_says() -> None:
    real = [jnp.full((1, 2, 2, 1), float(i)) for i in range(1, 6)]
    fake = [jnp.zeros((1, 2, 2, 1)) for _ in range(5)]
    assert float(vgg.vgg_distance(real, fake, "poster")) == 15.0
    expected = 1 / 32 + 2 / 16 + 3 / 8 + 4 / 4 + 5
    assert float(vgg.vgg_distance(real, fake, "reference")) == pytest.approx(expected)


def test_ssim_equals_scikit_image_s_away_from_the_border() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 1, (150, 37, 3))  # windows of several blocks of rows, and of one
    y = np.clip(x + 0.2 * rng.standard_normal(x.shape), 0, 1)
    _, full = structural_similarity(
        x,
        y,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=2,
        full=True,
    )
    ours = jax.jit(ssim)(jnp.asarray(x[None], jnp.float32), jnp.asarray(y[None], jnp.float32))
    np.testing.assert_allclose(ours, full[5:-5, 5:-5].mean(), rtol=1e-4)


def test_ssim_has_a_finite_gradient_on_flat_pictures() -> None:
    flat = jnp.full((1, 16, 16, 3), 0.5)
    gradient = jax.grad(lambda y: ssim(flat, y))(flat)
    assert bool(jnp.all(jnp.isfinite(gradient)))
    assert float(ssim(flat, flat)) == pytest.approx(1.0)
