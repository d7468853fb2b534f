"""Generated scenes: reproducible to the bit, never shared between splits, and worth learning."""

import hashlib
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from dsslic_jax.classes.table import class_table
from dsslic_jax.data.scenes.painting import SceneSource
from dsslic_jax.data.scenes.textures import Draws, bricks, noise, wave
from dsslic_jax.data.sources import open_source
from dsslic_jax.errors import ConfigError, DataError
from tests.data.conftest import settings_of


def test_scene_is_the_same_to_the_bit_on_every_platform() -> None:
    digest = hashlib.sha256()
    for height, width in ((64, 64), (96, 160)):
        source = SceneSource(seed=5, split="train", count=8, height=height, width=width)
        for index in range(8):
            digest.update(source[index]["image"].tobytes() + source[index]["labels"].tobytes())
    assert digest.hexdigest() == "90e2f37795409d09f3681cd0d9c9196e31d05e66e63c53d814ba6cc358816561"


def test_draws_are_the_top_bits_of_the_generator() -> None:
    seeded = np.random.Generator(np.random.PCG64(np.random.SeedSequence((3, 1, 4))))
    expected = np.floor(seeded.random(20) * 2**24) / 2**24
    np.testing.assert_array_equal(Draws(3, 1, 4).array(4, 5).ravel(), expected)


def test_wave_is_a_sine_in_shape() -> None:
    turns = np.array([-0.75, 0, 0.25, 0.5, 0.75, 1, 7.25], np.float32)
    np.testing.assert_array_equal(wave(turns), [1, 0, 1, 0, -1, 0, 1])
    fine = np.linspace(0, 1, 101, dtype=np.float32)
    np.testing.assert_allclose(wave(fine), np.sin(2 * np.pi * fine), atol=0.06)


def test_noise_of_one_row_is_straight_between_its_lattice_points() -> None:
    line = noise(Draws(1), 1, 25, 1, 8)[0]
    lattice = 2 * Draws(1).array(3, 5)[0] - 1
    np.testing.assert_allclose(line, np.interp(np.arange(25) / 8, np.arange(5), lattice), atol=1e-6)


def test_mortar_runs_every_six_rows_and_shifts_by_half_a_brick() -> None:
    y, x = np.mgrid[0:12, 0:24].astype(np.float32)
    mortar = bricks(Draws(0), y, x) == 1
    assert mortar[[0, 6]].all()
    assert np.flatnonzero(mortar[3]).tolist() == [0, 12]
    assert np.flatnonzero(mortar[9]).tolist() == [6, 18]


def test_element_has_the_documented_shape() -> None:
    element = SceneSource(seed=0, split="val", count=3, height=40, width=56)[2]
    assert element["image"].shape == (40, 56, 3)
    assert element["labels"].shape == (40, 56)
    assert element["image"].dtype == element["labels"].dtype == np.uint8
    assert element["name"] == "scene_val_000002"


def test_splits_and_seeds_share_no_scene() -> None:
    seen = set()
    for seed in (0, 1):
        for split in ("train", "val", "test"):
            source = SceneSource(seed, split, count=10, height=32, width=32)
            seen |= {source[index]["image"].tobytes() for index in range(10)}
    assert len(seen) == 60


def test_every_class_occurs_within_its_table() -> None:
    source = SceneSource(seed=0, split="train", count=60, height=64, width=64)
    ids = np.unique(np.concatenate([source[i]["labels"].ravel() for i in range(60)]))
    assert ids.tolist() == list(range(class_table("scenes").num_classes))


def test_labels_tell_detail_that_upsampling_loses() -> None:
    """The class and the depth below its upper edge explain much of what 1/8 scale drops."""
    source = SceneSource(seed=0, split="train", count=20, height=128, width=128)
    water = class_table("scenes").names.index("water")
    lost, depths = [], []
    for index in range(20):
        image, labels = source[index]["image"][..., 2].astype(float), source[index]["labels"]
        coarse = image.reshape(16, 8, 16, 8).mean((1, 3)).repeat(8, 0).repeat(8, 1)
        depth = np.cumsum(labels == water, axis=0)
        inside = (depth > 8) & (depth < 40) & (labels == water)
        lost.append((image - coarse)[inside])
        depths.append(depth[inside])
    detail, depth = np.concatenate(lost), np.concatenate(depths)
    by_depth = np.array([detail[depth == d].mean() if (depth == d).any() else 0 for d in range(41)])
    explained = 1 - np.var(detail - by_depth[depth]) / np.var(detail)
    assert explained > 0.3


def test_config_keys_are_followed(data_config: ConfigDict) -> None:
    train, val = (
        open_source(settings_of(data_config), "train"),
        open_source(settings_of(data_config), "val"),
    )
    assert (len(train), len(val)) == (16, 5)
    assert train[0]["image"].shape == (48, 64, 3)
    first = train[0]["image"]
    data_config.scenes_seed = 1
    assert not np.array_equal(open_source(settings_of(data_config), "train")[0]["image"], first)


def test_unknown_split_is_refused() -> None:
    with pytest.raises(DataError, match="no split 'dev'; known: train, val, test"):
        SceneSource(0, "dev", 1, 64, 64)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scenes_seed", -1),
        ("scenes_train", 0),
        ("scenes_test", 0),
        ("scenes_size", (16, 64)),
        ("scenes_size", (64, 4097)),
    ],
)
def test_impossible_numbers_are_refused(data_config: ConfigDict, key: str, value: Any) -> None:
    data_config[key] = value
    with pytest.raises(ConfigError, match=f"data.{key} must be at least"):
        settings_of(data_config)


def test_index_beyond_the_end_is_refused() -> None:
    source = SceneSource(0, "train", 2, 64, 64)
    with pytest.raises(IndexError):
        source[2]
