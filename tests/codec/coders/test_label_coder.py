"""The label coder: exact on any map, as documented, small, and unharmed by any bytes."""

import math
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dsslic_jax.codec.coders.context import coder as label_coder
from dsslic_jax.codec.coders.context.coder import LabelCoder
from dsslic_jax.codec.coders.context.mixing import logit_tables
from dsslic_jax.codec.coders.programs.pictures import write_pnm
from dsslic_jax.codec.coders.programs.running import run_program
from dsslic_jax.errors import CoderFailed, CoderUnavailable
from tests.codec.coders import plain_label_decoder

GENERATOR = np.random.default_rng(5)
Y, X = np.mgrid[:48, :64]
RINGS = ((X**2 + 3 * Y**2) // 60 % 5).astype(np.uint8)
SCENE = ((X + 2 * Y > 90) + 2 * ((X - 30) ** 2 + (Y - 20) ** 2 < 300) + (Y < 9)).astype(np.uint8)
MAPS = {
    "one pixel": np.zeros((1, 1), np.uint8),
    "one high pixel": np.full((1, 1), 255, np.uint8),
    "row": GENERATOR.integers(0, 5, (1, 300), np.uint8),
    "column": GENERATOR.integers(0, 5, (300, 1), np.uint8),
    "two rows": GENERATOR.integers(0, 3, (2, 90), np.uint8),
    "constant": np.zeros((40, 70), np.uint8),
    "constant 255": np.full((33, 17), 255, np.uint8),
    "noise of 2 labels": GENERATOR.integers(0, 2, (40, 33), np.uint8),
    "noise of 256 labels": GENERATOR.integers(0, 256, (64, 64), np.uint8),
    "every label once": GENERATOR.permutation(256).astype(np.uint8).reshape(16, 16),
    "columns of all labels": np.tile(np.arange(256, dtype=np.uint8), (9, 1)),
    "chequered": ((X + Y) % 2).astype(np.uint8),
    "one odd pixel": np.where((X == 40) & (Y == 30), 9, 4).astype(np.uint8),
    "diagonals": ((X + Y) // 3 % 256).astype(np.uint8),
    "rings": RINGS,
    "scene": SCENE,
}


@pytest.fixture
def in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing compiled is run, nor found."""
    monkeypatch.setattr(label_coder._InPython, "left", 1 << 40)
    monkeypatch.setitem(sys.modules, "dsslic_jax.codec.coders.context.compiled", None)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_coder._InPython, "left", 0)


@pytest.mark.usefixtures("in_python")
@pytest.mark.parametrize("labels", MAPS.values(), ids=MAPS.keys())
def test_python_writes_what_compiled_code_writes(
    labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = LabelCoder().encode(labels)
    np.testing.assert_array_equal(LabelCoder().decode(data, labels.shape), labels)
    monkeypatch.undo()
    monkeypatch.setattr(label_coder._InPython, "left", 0)
    assert LabelCoder().encode(labels) == data


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("labels", MAPS.values(), ids=MAPS.keys())
def test_any_map_comes_back_exactly_also_from_the_documented_decoder(labels: np.ndarray) -> None:
    data = LabelCoder().encode(labels)
    decoded = LabelCoder().decode(data, labels.shape)
    assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, labels)
    np.testing.assert_array_equal(plain_label_decoder.decode(data, labels.shape), labels)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 256), st.integers(1, 9), st.integers(0)
)
def test_blocks_of_any_size_and_number_of_labels_come_back(
    height: int, width: int, labels: int, block: int, seed: int
) -> None:
    cells = -(-height // block), -(-width // block)
    blocks = np.random.default_rng(seed).integers(0, labels, cells, np.uint8)
    drawn = np.repeat(np.repeat(blocks, block, 0), block, 1)[:height, :width]
    assert np.array_equal(LabelCoder().decode(LabelCoder().encode(drawn), drawn.shape), drawn)


@pytest.mark.parametrize("folder", ["camvid/val", "coco_stuff/val", "msrc21/val"])
def test_real_maps_come_back_exactly(shared_data: Path, folder: str) -> None:
    paths = sorted((shared_data / folder / "labels").glob("*.png"))[::12]
    assert paths
    for path in paths:
        labels = np.asarray(Image.open(path))  # with the gaps and the 255 that real ids have
        data = LabelCoder().encode(labels)
        np.testing.assert_array_equal(LabelCoder().decode(data, labels.shape), labels)


def test_the_format_is_the_one_it_was() -> None:
    data = bytes.fromhex("04536eb3b5371d3281b4387227043b198fee318cb0a73da4f63022c75ede")
    assert LabelCoder().encode(RINGS[:16, :16]) == data
    np.testing.assert_array_equal(LabelCoder().decode(data, (16, 16)), RINGS[:16, :16])


def test_probabilities_are_the_logistic_function_of_logits_without_floats() -> None:
    squash, stretch = logit_tables()
    logits = np.arange(-2047, 2048)
    np.testing.assert_array_equal(squash, np.rint(65536 / (1 + np.exp(-logits / 256))))
    assert (squash[0], squash[2047], squash[-1]) == (22, 32768, 65514)
    exact = [256 * math.log((q + 0.5) / (4095.5 - q)) for q in range(4096)]
    assert np.abs(stretch - exact)[16:-16].max() < 1.5  # steeper outside, where rounding tells
    assert np.all(np.diff(stretch) >= 0)


def test_constant_maps_of_rank_0_take_one_byte_and_others_few() -> None:
    assert LabelCoder().encode(np.zeros((512, 512), np.uint8)) == b"\0"
    assert len(LabelCoder().encode(np.full((512, 512), 77, np.uint8))) < 12


def test_noise_of_256_labels_grows_by_less_than_a_twentieth() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (96, 96), np.uint8)
    assert len(LabelCoder().encode(noise)) < 1.02 * noise.size + 8


def test_maps_are_a_quarter_smaller_than_flif_makes_them(
    shared_data: Path, programs: dict[str, str]
) -> None:
    ours = flif = 0
    for path in sorted((shared_data / "camvid/test/labels").glob("*.png"))[::80]:
        labels = np.asarray(Image.open(path))
        ranks = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint8)
        ours += len(LabelCoder().encode(ranks))
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "in.pgm").write_bytes(write_pnm(ranks))
            arguments = ["-e", "-E100", f"{name}/in.pgm", f"{name}/out.flif"]
            written, _ = run_program(
                "flif", programs["flif"], arguments, Path(name), ranks.size, "out.flif"
            )
            flif += written.stat().st_size
    assert ours <= 0.75 * flif


def test_a_map_that_is_a_view_is_coded_like_its_copy_and_left_as_it_was() -> None:
    labels = RINGS.copy()
    labels.flags.writeable = False
    view = labels[::2, ::-1].T
    assert LabelCoder().encode(view) == LabelCoder().encode(view.copy())
    np.testing.assert_array_equal(labels, RINGS)


def test_a_map_and_its_transpose_take_the_same_bytes_but_for_the_bit_that_tells() -> None:
    upright, turned = LabelCoder().encode(SCENE), LabelCoder().encode(SCENE.T)
    assert abs(len(upright) - len(turned)) <= 1
    assert upright[1] >> 7 != turned[1] >> 7


def test_threads_do_not_disturb_each_other() -> None:
    alone = [LabelCoder().encode(labels) for labels in MAPS.values()]
    with ThreadPoolExecutor(4) as pool:
        for together in (list(pool.map(LabelCoder().encode, MAPS.values())) for _ in range(3)):
            assert together == alone


def test_a_map_that_needs_more_room_than_usual_takes_a_second_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = LabelCoder().encode(RINGS)
    monkeypatch.setattr(label_coder, "_usual_room", lambda pixels: 3)
    assert LabelCoder().encode(RINGS) == usual


@pytest.mark.parametrize(
    "labels",
    [np.zeros((4, 4), np.int64), np.zeros((4, 4, 1), np.uint8), np.zeros((0, 4), np.uint8)],
)
def test_what_is_no_label_map_is_refused(labels: np.ndarray) -> None:
    with pytest.raises(CoderFailed, match="uint8 maps"):
        LabelCoder().encode(labels)


def test_a_picture_of_three_planes_is_coded_as_three_maps() -> None:
    picture = np.stack([SCENE, SCENE // 2, 255 - SCENE], axis=-1)
    coded = LabelCoder().encode(picture)
    np.testing.assert_array_equal(LabelCoder().decode(coded, picture.shape), picture)
    stacked = LabelCoder().decode(coded, (3 * SCENE.shape[0], SCENE.shape[1]))
    np.testing.assert_array_equal(stacked, np.concatenate([SCENE, SCENE // 2, 255 - SCENE]))


@pytest.mark.parametrize("shape", [(48, 64, 1), (48,), (), (0, 64), (-48, 64)])
def test_shapes_of_no_map_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(CoderFailed, match="not shape"):
        LabelCoder().decode(LabelCoder().encode(SCENE), shape)


@pytest.mark.parametrize("shape", [(64, 48), (48, 63), (1, 1), (2000, 2000)])
def test_a_stream_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(CoderFailed, match="damaged, cut short, or not of shape"):
        LabelCoder().decode(LabelCoder().encode(SCENE), shape)


@pytest.mark.parametrize("labels", [RINGS, SCENE, MAPS["noise of 256 labels"]])
def test_a_stream_that_lacks_five_bytes_or_more_or_goes_on_is_refused(labels: np.ndarray) -> None:
    data = LabelCoder().encode(labels)
    cuts = [*range(0, len(data) - 4, max(1, len(data) // 60)), len(data) - 6, len(data) - 5]
    for kept in cuts:
        with pytest.raises(CoderFailed, match=r"cut short|no bytes"):
            LabelCoder().decode(data[:kept], labels.shape)
    for more in (b"\0", b"\1", b"\0\0\0\0\0\0", b"junk and more junk"):
        with pytest.raises(CoderFailed, match="damaged"):
            LabelCoder().decode(data + more, labels.shape)


def test_damaged_streams_are_refused_or_are_what_the_encoder_writes_of_another_map() -> None:
    small = SCENE[12:36, 20:44]
    streams = [LabelCoder().encode(small), LabelCoder().encode(MAPS["noise of 2 labels"][:24, :24])]
    generator = np.random.default_rng(2)
    accepted = 0
    for trial in range(4000):
        damaged = bytearray(streams[trial % 2])
        for _ in range(generator.integers(1, 4)):
            damaged[generator.integers(len(damaged))] = generator.integers(256)
        if trial % 5 == 0:
            damaged = bytearray(generator.bytes(int(generator.integers(1, 40))))
        try:
            decoded = LabelCoder().decode(bytes(damaged), (24, 24))
        except CoderFailed:
            continue
        accepted += 1
        assert decoded.shape == (24, 24) and decoded.max() == damaged[0]
        assert len(LabelCoder().encode(decoded)) <= len(damaged)
    assert accepted < 400


@pytest.mark.usefixtures("compiled")
def test_without_numba_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dsslic_jax.codec.coders.context.compiled", None)
    with pytest.raises(CoderUnavailable, match="pip install numba"):
        LabelCoder().encode(SCENE)


@pytest.mark.usefixtures("compiled")
def test_without_a_place_for_compiled_code_the_error_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NoCache:
        """Finds every module in the state in which numba's decorators fail."""

        def find_spec(self, *_: object) -> None:
            raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.delitem(sys.modules, "dsslic_jax.codec.coders.context.compiled", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoCache()])
    with pytest.raises(CoderUnavailable, match="set NUMBA_CACHE_DIR"):
        LabelCoder().encode(SCENE)
