"""The models that come with the package: what they promise, and that they work with no further file."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import dsslic_jax
from dsslic_jax import cli, pillow_plugin
from dsslic_jax.bundle import directory as bundle
from dsslic_jax.bundle import known as known_models
from dsslic_jax.models.enhancenet import build_enhancenet
from dsslic_jax.models.parts import COARSE, ENHANCENET
from tests.codec.pictures import psnr_db, smooth_picture

NAMES = ("natural", "natural_poster", "street", "street_poster")
MOST_MACS_PER_PIXEL = 60_000  # of the decoder of the `best` profile


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_both_profiles_are_there_for_both_kinds_of_pictures_and_small() -> None:
    directories = known_models.bundled()
    assert tuple(directories) == NAMES
    assert known_models.default_model() in directories.values()
    files = [path for directory in directories.values() for path in directory.iterdir()]
    assert sum(path.stat().st_size for path in files) < 40e6


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_names_its_data_and_terms_and_is_in_half_precision(name: str) -> None:
    model = bundle.load(known_models.bundled()[name])
    trained = [part for part in model.parts if part != "coarse" or name.endswith("_poster")]
    assert trained == (["coarse", "segnet"] if "poster" in name else ["segnet", "enhancenet"])
    for part in trained:
        told = model.parts[part].provenance
        assert told["trained_on"] and told["terms"] and told["steps"] > 0
    for array in model.weights.values():
        np.testing.assert_array_equal(array, array.astype(np.float16))


def test_the_decoder_of_the_best_profile_is_cheap() -> None:
    model = bundle.load(known_models.default_model())
    assert model.settings(COARSE).finenet_width == 0
    side = 64

    def run(variables: object, labels: jax.Array, picture: jax.Array) -> jax.Array:
        network = build_enhancenet(model.settings(ENHANCENET))
        made: jax.Array = network.apply(variables, labels, picture, jnp.ones(1))
        return made

    shapes = (
        jax.ShapeDtypeStruct((1, side, side), jnp.int32),
        jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32),
    )
    program = jax.jit(run).lower(model.variables(ENHANCENET), *shapes)
    counted = program.cost_analysis()
    assert counted is not None
    macs_per_pixel = counted["flops"] / 2 / side**2
    assert MOST_MACS_PER_PIXEL / 4 < macs_per_pixel < MOST_MACS_PER_PIXEL


def test_a_picture_is_coded_and_decoded_without_naming_a_model() -> None:
    picture = smooth_picture(64, 96)
    Image.fromarray(picture).save("photo.png")
    assert cli.main(["encode", "photo.png", "photo.dsslic"]) == 0
    assert cli.main(["decode", "photo.dsslic", "decoded.png"]) == 0
    decoded = np.asarray(Image.open("decoded.png"))
    assert np.square(decoded.astype(float) - picture).mean() < 80  # grain that the rate leaves out
    data = Path("photo.dsslic").read_bytes()
    assert dsslic_jax.encode(picture) == data
    pillow_plugin.register()
    Image.fromarray(picture).save("pillow.dsslic")
    assert Path("pillow.dsslic").read_bytes() == data


@pytest.mark.parametrize("name", NAMES)
def test_every_bundled_model_codes(name: str) -> None:
    picture = smooth_picture(64, 96)
    data = dsslic_jax.encode(picture, name, quality=60.0)
    pixels = dsslic_jax.decode(data).pixels
    assert psnr_db(picture, pixels) > 33


def test_every_prefix_of_a_stream_of_the_default_model_decodes() -> None:
    data = dsslic_jax.encode(smooth_picture(64, 96))
    labels = dsslic_jax.decode(data, upto="s")
    coarse = dsslic_jax.decode(data, upto="c")
    whole = dsslic_jax.decode(data)
    assert labels.labels is not None and labels.labels.shape == (64, 96)
    assert coarse.coarse is not None and coarse.coarse.shape == (64, 96, 3)
    assert whole.pixels is not None and whole.complete
