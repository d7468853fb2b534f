"""Targets are met where they can be, by few trials, and else the reachable range is told."""

import math

import numpy as np
import pytest

from dsslic_jax.codec.rate import meet
from dsslic_jax.codec.settings import CodingSettings, coding_settings
from dsslic_jax.errors import ConfigError


class Curve:
    """A rate-like curve of quality that remembers how often it was asked."""

    def __init__(self, low: float = 0.1, high: float = 8.0, ripple: float = 0.0) -> None:
        self.low, self.growth, self.ripple = low, math.log(high / low) / 100, ripple
        self.trials = 0

    def __call__(self, quality: float) -> tuple[float, float]:
        self.trials += 1
        value = self.low * math.exp(self.growth * quality)
        return value * (1 + self.ripple * math.sin(3 * quality)), quality


@pytest.mark.parametrize("ripple", [0.0, 0.01])
@pytest.mark.parametrize("target", [0.1, 0.12, 0.5, 2.0, 7.9, 8.0])
def test_a_target_is_met_in_few_trials(target: float, ripple: float) -> None:
    curve = Curve(ripple=ripple)
    quality = meet(target, 0.02 * target, curve, 30.0, 0.035 * target, "bits per pixel")
    trials = curve.trials
    assert abs(curve(quality)[0] - target) <= 0.02 * target
    assert trials <= 8


@pytest.mark.parametrize("target", [0.05, 9.0])
def test_a_target_out_of_reach_names_the_range(target: float) -> None:
    with pytest.raises(ConfigError, match=r"0 to 100 give 0.1 to 8 bits per pixel"):
        meet(target, 0.02 * target, Curve(), 30.0, 0.035 * target, "bits per pixel")


def test_a_target_between_two_steps_names_the_nearest() -> None:
    def stairs(quality: float) -> tuple[float, float]:
        return (1.0 if quality < 41.7 else 2.0), quality

    with pytest.raises(ConfigError, match=r"1.5 dB cannot be met.*give 1 to 2 dB.*found: [12]"):
        meet(1.5, 0.1, stairs, 30.0, 0.3, "dB")


@pytest.mark.parametrize(
    "qualities",
    [[60.0], [40.0, 60.0], [50.0, 70.0, 90.0], [15.0, 30.0, 45.0, 60.0], [0.0, 0.0]],
)
def test_layers_are_twenty_apart_or_share_the_quality(qualities: list[float]) -> None:
    layers = CodingSettings(layers=len(qualities)).residual_layers(qualities[-1], {})
    assert [layer.quality for layer in layers] == qualities


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"quality": 101}, "quality must be at least 0 and at most 100, not 101"),
        ({"quality": float("nan")}, "quality must be float, not nan"),
        ({"layers": 17}, "layers must be at least 1 and at most 16"),
        ({"compact_step": 0}, "compact_step must be at least 1 and at most 64"),
        ({"residual": "huffman"}, "residual must be one of min_max, centred"),
        ({"residual_bits": 9}, "residual_bits must be one of 8, 10"),
        ({"labels": "some"}, "labels must be one of sent"),
        ({"label_loss": 1.0}, "label_loss must be at least 0 and below 1"),
        ({"prediction_gain": 1.5}, "prediction_gain must be 0 to 1 in sixteenths"),
        ({"prediction_gain": 0.3}, "in sixteenths"),
        ({"prediction_gain": "best"}, "not 'best'"),
        ({"label_scale": 3}, "label_scale must be one of 1, 2, 4, 8, 16, 32"),
        ({"label_scale": 8, "labels": "none"}, "label_scale is of labels that are sent"),
        ({"target_psnr_db": -1.0}, "above 0"),
        ({"target_psnr_db": 30.0, "target_bits_per_pixel": 1.0}, "not both"),
        ({"weights": "car=2", "labels": "none"}, "need labels"),
        ({"sharpness": 3}, "unknown setting sharpness; known: codecs"),
    ],
)
def test_settings_that_cannot_be_are_refused(chosen: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        coding_settings({"quality": 20}, **chosen)


def test_the_models_label_scale_means_nothing_where_labels_are_not_sent() -> None:
    own = {"label_scale": 8}
    assert coding_settings(own).label_scale == 8
    assert coding_settings(own, labels="none").label_scale == 1


def test_what_is_not_chosen_is_the_models() -> None:
    made = coding_settings({"quality": 20, "layers": 2}, quality=None, layers=np.int64(3))
    assert (made.quality, made.layers, made.residual) == (20, 3, "min_max")
