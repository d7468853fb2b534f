"""What "auto" stands for, and what a choice costs."""

import math
from functools import partial

import numpy as np
import pytest

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec import choosing
from dsslic_jax.codec.choosing import gain_choices, label_choices
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.coders.bpg.coder import BpgCoder
from dsslic_jax.codec.settings import CodingSettings
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import ConfigError
from dsslic_jax.metrics import mean_squared_error
from tests.codec.pictures import psnr_db, smooth_picture
from tests.codec.streams import encode, label_map

cost = partial(choosing.cost, error_power=BpgCoder.error_power)


def test_an_e_fold_of_bytes_is_worth_4_93_decibels() -> None:
    error_10_db, error_14_93_db = 255**2 / 10, 255**2 / 10**1.493
    assert cost(1000, error_10_db) == pytest.approx(
        cost(round(1000 * math.e), error_14_93_db), abs=1e-3
    )
    assert cost(990, 30.0) < cost(1000, 30.0) < cost(1000, 30.1)
    assert cost(10**9, 0.0) < cost(1, 1e-9)


def test_nothing_is_tried_that_was_chosen() -> None:
    own = CodingSettings(labels="decoder", prediction_gain=0.25)
    assert label_choices(own) == gain_choices(own) == [own]


def test_auto_is_labels_or_none_and_some_gains() -> None:
    both = label_choices(CodingSettings(labels="auto", label_scale=8))
    assert [(s.labels, s.label_scale) for s in both] == [("sent", 8), ("none", 1)]
    assert [s.labels for s in label_choices(CodingSettings(labels="auto", weights="car=2"))] == [
        "sent"
    ]
    gains = [s.prediction_gain for s in gain_choices(CodingSettings(prediction_gain="auto"))]
    assert gains == [*choosing.GAINS_TRIED] and {0, 1} <= set(gains)


AUTO = {"labels": "auto", "prediction_gain": "auto"}
FIXED = [
    {"labels": labels, "prediction_gain": gain}
    for labels in ("sent", "none")
    for gain in choosing.GAINS_TRIED
]


@pytest.mark.parametrize("how", [{}, {"residual": "centred", "residual_bits": 10, "layers": 2}])
@pytest.mark.parametrize("quality", [10.0, 70.0])
def test_auto_costs_what_the_cheapest_fixed_choice_costs(
    quality: float, how: dict[str, object], encoder: Codec, decoder: Codec
) -> None:
    picture, labels = smooth_picture(33, 50), label_map(33, 50)

    def cost_of(**chosen: object) -> float:
        data = encode(encoder, picture, labels, quality=quality, **how, **chosen)
        return cost(len(data), mean_squared_error(picture, decoder.decode(data).picture))

    costs = [cost_of(**fixed) for fixed in FIXED]
    assert cost_of(**AUTO) == min(costs) < max(costs)
    assert cost_of(prediction_gain="auto") == min(costs[: len(FIXED) // 2])
    assert cost_of(labels="auto") == min(costs[0], costs[len(FIXED) // 2])


def test_segnet_runs_once_however_much_is_tried(tiny_bundle: Bundle) -> None:
    told: list[str] = []
    codec = Codec(tiny_bundle, progress=lambda phase, done, total: told.append(phase))
    encode(codec, smooth_picture(20, 32), **AUTO)
    assert told.count("labels") == 1 and told.count("coarse picture") == 2
    assert told.count("residual") == len(FIXED)


@pytest.mark.parametrize("target", [{"target_bits_per_pixel": 4.0}, {"target_psnr_db": 33.0}])
def test_targets_are_met_by_the_cheapest_choice(
    target: dict[str, float], encoder: Codec, decoder: Codec
) -> None:
    picture, labels = smooth_picture(64, 64), label_map(64, 64)

    def coded(**chosen: object) -> tuple[float, float, float]:
        data = encode(encoder, picture, labels, **target, **chosen)
        made = decoder.decode(data).picture
        rate = 8 * len(data) / 64**2
        return cost(len(data), mean_squared_error(picture, made)), rate, psnr_db(picture, made)

    least, rate, psnr = coded(**AUTO)
    if "target_psnr_db" in target:
        assert abs(psnr - 33.0) <= 0.1
    else:
        assert abs(rate - 4.0) <= 0.08
    assert least == min(coded(**fixed)[0] for fixed in FIXED)


def test_a_target_that_some_choices_miss_is_met_by_the_others(encoder: Codec) -> None:
    picture, labels = smooth_picture(64, 64), label_map(64, 64)
    labels[:] = np.random.default_rng(0).integers(0, 12, labels.shape)  # two kilobytes of labels
    target = {"target_bits_per_pixel": 2.5}
    with pytest.raises(ConfigError, match="cannot be met"):
        encode(encoder, picture, labels, **target)
    data = encode(encoder, picture, labels, labels="auto", **target)
    assert container.read_header(data).layer("s") is None
    with pytest.raises(ConfigError, match=r"0.001 bits per pixel cannot be met"):
        encode(encoder, picture, labels, **AUTO, target_bits_per_pixel=0.001)
