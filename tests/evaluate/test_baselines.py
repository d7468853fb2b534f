"""The ordinary codecs: real files of their formats, in the colour mode that is claimed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin, features

from dsslic_jax.errors import CoderFailed, CoderUnavailable
from dsslic_jax.evaluate.baselines import Baseline, all_baselines, pillow_baselines
from dsslic_jax.metrics import psnr_rgb_db

BASELINES = {baseline.name: baseline for baseline in all_baselines()}


def colourful_picture(height: int = 64, width: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    red = 128 + 100 * np.sin(rows / 5)
    green = 128 + 100 * np.cos(columns / 3)
    blue = 255 * (rows + columns) / (height + width)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def test_the_fair_protocol_has_these_codecs() -> None:
    assert list(BASELINES) == [
        "jpeg-444", "jpeg-420", "jpeg-2000", "webp", "avif-444", "jpeg-xl", "bpg-444",
    ]  # fmt: skip


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES.keys())
def test_settings_go_from_low_to_high_rate_and_quality(baseline: Baseline) -> None:
    picture = colourful_picture()
    files = [baseline.encode(picture, setting) for setting in baseline.settings]
    rates = [len(file) for file in files]
    psnrs = [psnr_rgb_db(picture, baseline.decode(file, picture.shape)) for file in files]
    assert rates == sorted(rates) and rates[0] < rates[-1]
    assert psnrs == sorted(psnrs) and psnrs[-1] > psnrs[0] + 3
    assert psnrs[-1] > 28


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (5, 3, 3), (17, 33, 3)])
@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES.keys())
def test_odd_and_tiny_pictures_come_back_in_their_size(
    baseline: Baseline, shape: tuple[int, ...]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    decoded = baseline.decode(baseline.encode(picture, baseline.settings[0]), shape)
    assert decoded.shape == shape and decoded.dtype == np.uint8


@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES.keys())
def test_a_file_of_another_size_or_format_is_refused(baseline: Baseline) -> None:
    picture = colourful_picture(40, 48)
    data = baseline.encode(picture, baseline.settings[-1])
    with pytest.raises(CoderFailed):
        baseline.decode(data, (40, 47, 3))
    with pytest.raises(CoderFailed):
        baseline.decode(b"not a picture", picture.shape)


@pytest.mark.parametrize(("name", "sampling"), [("jpeg-444", 0), ("jpeg-420", 2)])
def test_jpeg_files_have_the_chroma_sampling_of_their_name(name: str, sampling: int) -> None:
    with Image.open(io.BytesIO(BASELINES[name].encode(colourful_picture(), 75))) as image:
        assert JpegImagePlugin.get_sampling(image) == sampling


def test_jpeg_2000_uses_its_colour_transform_and_the_lossy_wavelet() -> None:
    data = BASELINES["jpeg-2000"].encode(colourful_picture(), 20)
    # COD segment: marker, length(2), style(1), progression(1), layers(2), colour transform(1),
    # levels(1), block width and height(2), block style(1), wavelet(1): ISO/IEC 15444-1, A.6.1.
    segment = data.index(b"\xff\x52")
    assert data[segment + 8] == 1  # component transform used
    assert data[segment + 13] == 0  # 9-7 irreversible, so ICT and not RCT


def test_webp_files_are_lossy_ones() -> None:
    assert BASELINES["webp"].encode(colourful_picture(), 75)[12:16] == b"VP8 "


def test_avif_files_keep_full_chroma() -> None:
    data = BASELINES["avif-444"].encode(colourful_picture(), 60)
    # av1C box: its third byte holds, from bit 3 down, chroma_subsampling_x and _y.
    flags = data[data.index(b"av1C") + 4 + 2]
    assert (flags >> 3 & 1, flags >> 2 & 1) == (0, 0)


def test_bpg_files_are_444_ycbcr() -> None:
    data = BASELINES["bpg-444"].encode(colourful_picture(), 40)
    assert data[:4] == b"BPG\xfb"
    assert data[4] >> 5 == 3  # 4:4:4
    assert data[5] >> 4 == 0  # YCbCr, BT.601


def test_a_pillow_without_a_format_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "webp" and check(name))
    with pytest.raises(CoderUnavailable, match="webp baseline needs a Pillow"):
        pillow_baselines()
