"""Kept streams decode as they did when they were made: the format does not drift.

Made by `python -m tests.codec.test_golden`, only when the version of the format changes.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.coders.coder import Context
from dsslic_jax.codec.layers import residual
from dsslic_jax.codec.layers.labels import decode_labels
from dsslic_jax.codec.layers.residual import ResidualSettings
from dsslic_jax.codec.stream import container
from tests.codec.pictures import smooth_picture
from tests.codec.residuals import bpg
from tests.model_fixture import make_bundle

FOLDER = Path(__file__).parent / "golden"
SIZE = 45, 70
CHOICES = {
    "poster": {},
    "layers": {
        "layers": 2,
        "residual": "centred",
        "residual_bits": 10,
        "residual_colour": "ycbcr420",
        "compact_step": 4,
        "weights": "car=8",
    },
}


def label_map() -> np.ndarray:
    rows, columns = np.indices(SIZE)
    return ((rows + columns // 2) // 12 % 4 * 3 + (np.hypot(rows - 20, columns - 40) < 9)).astype(
        np.uint8
    )


@pytest.mark.parametrize("name", CHOICES)
def test_a_kept_stream_decodes_as_it_did(name: str, tiny_bundle: Bundle) -> None:
    data = (FOLDER / f"{name}.dsslic").read_bytes()
    assert container.read_header(data).fingerprint == tiny_bundle.fingerprint
    labels, table = decode_labels(data)
    np.testing.assert_array_equal(labels, label_map())
    assert table.name == "camvid"
    decoded = Codec(tiny_bundle).decode(data)
    np.testing.assert_array_equal(decoded.compact, kept(name, "compact"))
    # Another processor may round a sample of x' otherwise, and with it one of the picture.
    for part in ("coarse", "picture"):
        apart = np.abs(getattr(decoded, part).astype(int) - kept(name, part))
        assert apart.max() <= 1 and (apart > 0).mean() < 1e-3


@pytest.mark.parametrize("name", CHOICES)
def test_an_encoder_of_today_writes_layer_s_as_it_did(name: str, tiny_bundle: Bundle) -> None:
    data = (FOLDER / f"{name}.dsslic").read_bytes()
    made = make(Codec(tiny_bundle), name)
    old, new = (container.read_layers(d, container.read_header(d), "s") for d in (data, made))
    assert old == new


def test_the_default_residual_layer_still_opens_as_it_did() -> None:
    """From the kept x', so that no network's rounding matters; what BPG's encoder makes of it is not compared."""
    data = (FOLDER / "poster.dsslic").read_bytes()
    old = container.read_layers(data, container.read_header(data))["r1"]
    picture, coarse = smooth_picture(*SIZE), kept("poster", "coarse").astype(np.uint8)
    how = ResidualSettings(quality=50.0)
    span = residual.span(picture, coarse)
    new = residual.encode(picture, coarse, Context(), how, bpg(), span)
    assert new[:5] == old[:5]  # mapping without a flag, low, high


def kept(name: str, part: str) -> np.ndarray:
    with Image.open(FOLDER / f"{name}.{part}.png") as picture:
        return np.asarray(picture).astype(int)


def make(codec: Codec, name: str) -> bytes:
    how = replace(codec.settings, quality=50.0, **CHOICES[name])
    return codec.encode(smooth_picture(*SIZE), label_map(), how)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    codec = Codec(make_bundle())
    for name in CHOICES:
        data = make(codec, name)
        (FOLDER / f"{name}.dsslic").write_bytes(data)
        decoded = codec.decode(data)
        for part in ("compact", "coarse", "picture"):
            Image.fromarray(getattr(decoded, part)).save(FOLDER / f"{name}.{part}.png")


if __name__ == "__main__":
    main()
