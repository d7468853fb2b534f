"""Residual layers that spend bits by object."""

from dataclasses import replace

import numpy as np
import pytest

from dsslic_jax.classes.table import class_table
from dsslic_jax.codec.layers import object_weights
from dsslic_jax.codec.layers.residual import ResidualSettings
from dsslic_jax.errors import ConfigError, StreamError
from tests.codec.pictures import psnr_db, smooth_picture
from tests.codec.residuals import FINE, Exact, bpg, coded, decoded


def halves() -> np.ndarray:
    labels = np.zeros((64, 128), np.uint8)
    labels[:, 64:] = 3
    return labels


def test_weights_are_parsed_by_name_and_synonym() -> None:
    ade = class_table("ade20k")
    assert object_weights.parse_weights("person=4, SKY = 0.25", ade) == {13: 4.0, 3: 0.25}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("persn=4", r"with a class of camvid"),
        ("cars=4", r"\(car"),
        ("car", "CLASS=NUMBER"),
        ("car=4,", "CLASS=NUMBER"),
        ("car=much", "'much' is not a number"),
        ("car=0", "1/256 to 256"),
        ("car=nan", "1/256 to 256"),
        ("car=257", "1/256 to 256"),
    ],
)
def test_weights_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        object_weights.parse_weights(text, class_table("camvid"))


def test_the_mask_is_the_root_of_the_weight_and_smooth_between() -> None:
    packed = object_weights.pack_weights({3: 16.0, 7: 1 / 4})
    assert packed == bytes([2, 3, 128 + 32, 7, 128 - 16])
    gains, position = object_weights.unpack_gains(packed, 0)
    assert position == 5
    mask = object_weights.gain_mask(halves(), gains)[..., 0]
    reach = object_weights.MARGIN
    assert (mask[:, : 64 - reach] == 1).all() and (mask[:, 64 + reach :] == 4).all()
    steps = np.diff(np.log2(mask[0]))
    # Two boxes of 17: the steepest step is 1/17 of the whole, two octaves.
    assert steps.min() >= 0 and steps.max() == pytest.approx(2 / 17, rel=1e-4)


def test_a_weighted_class_comes_closer_at_equal_size() -> None:
    rng = np.random.default_rng(0)
    picture = np.clip(128 + 20 * rng.standard_normal((64, 128, 3)), 0, 255).astype(np.uint8)
    so_far, labels = np.full_like(picture, 128), halves()

    def errors(quality: float, weights: dict[int, float]) -> tuple[int, float, float]:
        how = ResidualSettings(quality, "centred", weights)
        payload = coded(picture, so_far, labels, how, bpg(10))
        made = decoded(payload, so_far, labels, bpg(10))
        left, right = np.s_[:, :48], np.s_[:, 80:]
        return (
            len(payload),
            psnr_db(picture[left], made[left]),
            psnr_db(picture[right], made[right]),
        )

    plain_bytes, plain_left, plain_right = errors(50, {})
    quality = next(
        q for q in range(50, 0, -1) if errors(q, {3: 16.0})[0] <= plain_bytes
    )  # fmt: skip
    _, left, right = errors(quality, {3: 16.0})
    assert right > plain_right + 2 and left < plain_left - 2


def test_weights_without_labels_are_refused() -> None:
    picture = smooth_picture(64, 128)
    how = replace(FINE, weights={3: 4.0})
    payload = coded(picture, picture, halves(), how, Exact())
    with pytest.raises(StreamError, match="weighted by labels"):
        decoded(payload, picture, None, Exact())
