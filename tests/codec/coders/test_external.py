"""FLIF and BPG as programs: round trips, and no way in which they mislead a caller."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.codec.coders.bpg.embedded import COLOURS, EmbeddedBpg
from dsslic_jax.codec.coders.bpg.file import parse_header, read_ue7
from dsslic_jax.codec.coders.bpg.libbpg import ExternalBpg
from dsslic_jax.codec.coders.flif import ExternalFlif, flif_size
from dsslic_jax.codec.coders.programs import running as programs_module
from dsslic_jax.codec.coders.programs.pictures import read_pnm, write_png
from dsslic_jax.codec.coders.programs.running import run_program
from dsslic_jax.errors import CoderFailed, CoderUnavailable, ConfigError
from tests.codec.pictures import (
    COLOUR_SHAPES,
    KINDS,
    LABEL_SHAPES,
    at_depth,
    picture_of,
    psnr_db,
    smooth_picture,
)


def script(folder: Path, body: str) -> str:
    """A shell script standing for a program that misbehaves."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def must_not_run(tmp_path: Path) -> str:
    """A program whose every run ends in an error that names it."""
    return script(tmp_path, "echo the program was run; exit 99")


@pytest.fixture(scope="module")
def bpg_file() -> bytes:
    return EmbeddedBpg().encode(smooth_picture(40, 56), 10, "ycbcr444", 8)


# FLIF


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [*LABEL_SHAPES[:3], *COLOUR_SHAPES[:3]])
def test_flif_gives_any_picture_back_exactly(shape, kind, programs) -> None:
    picture = picture_of(kind, shape)
    flif = ExternalFlif(programs)
    decoded = flif.decode(flif.encode(picture), shape)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, picture)


def test_flif_stores_equal_channels_once_and_the_shape_brings_three_back(programs) -> None:
    picture = picture_of("equal channels", (24, 32, 3))
    flif = ExternalFlif(programs)
    data = flif.encode(picture)
    assert flif_size(data) == (24, 32, 1)
    assert flif.decode(data, (24, 32, 3)).shape == (24, 32, 3)
    np.testing.assert_array_equal(flif.decode(data, (24, 32)), picture[..., 0])


def test_flif_codes_label_maps_without_interlacing_and_pictures_with(programs) -> None:
    flif = ExternalFlif(programs)
    kinds = [
        flif.encode(smooth_picture(96, 200)[index])[4] >> 4 for index in (np.s_[..., 0], np.s_[:])
    ]
    assert kinds == [3, 4]  # FLIF's digits for plain and interlaced stills


@pytest.mark.parametrize("shape", [(32, 24), (24, 33), (24, 32, 3)])
def test_flif_of_another_size_is_refused_before_the_program_runs(
    shape, programs, must_not_run
) -> None:
    data = ExternalFlif(programs).encode(picture_of("noise", (24, 32)))
    if shape == (24, 32, 3):  # one channel may stand for three equal ones, but not three for one
        data, shape = ExternalFlif(programs).encode(picture_of("noise", shape)), (24, 32)
    with pytest.raises(CoderFailed, match="where shape"):
        ExternalFlif({"flif": must_not_run}).decode(data, shape)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"FLIF31",
        b"junk junk junk",
        b"FLIF\x611\x03\x03\x00",
        b"FLIF12\x03\x03\x00",
        b"FLIF11" + b"\xff" * 9,
    ],
    ids="empty cut junk animated sixteen_bit endless_size".split(),
)
def test_what_is_not_a_still_eight_bit_flif_is_refused_unseen(data, must_not_run) -> None:
    with pytest.raises(CoderFailed, match="FLIF"):
        ExternalFlif({"flif": must_not_run}).decode(data, (4, 4))


def test_truncated_flif_is_refused_although_flif_itself_accepts_it(programs, tmp_path) -> None:
    data = ExternalFlif(programs).encode(smooth_picture(40, 56))
    (tmp_path / "cut.flif").write_bytes(data[: len(data) // 2])
    command = [programs["flif"], "-d", tmp_path / "cut.flif", tmp_path / "out.ppm"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert (tmp_path / "out.ppm").stat().st_size > 3 * 40 * 56
    with pytest.raises(CoderFailed, match="cut short or corrupt"):
        ExternalFlif(programs).decode(data[: len(data) // 2], (40, 56, 3))


def test_a_decoded_picture_other_than_its_header_is_refused(programs, tmp_path) -> None:
    data = ExternalFlif(programs).encode(picture_of("noise", (8, 8)))
    outputs = {
        "larger picture": r"printf 'P5\n9000 9000\n255\n' >$3; head -c 9000 /dev/zero >>$3",
        "cut short": r"printf 'P5\n8 8\n255\n1234' >$3",
        "shape": r"printf 'P5\n4 16\n255\n' >$3; head -c 64 /dev/zero >>$3",
        "other than": "echo not a picture >$3",
    }
    for message, body in outputs.items():
        with pytest.raises(CoderFailed, match=message):
            ExternalFlif({"flif": script(tmp_path, body)}).decode(data, (8, 8))


# BPG


@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 16, 3), (33, 17, 3), (40, 56, 3)])
def test_small_pictures_survive_the_size_at_which_bpgenc_crashes(shape, programs) -> None:
    picture = smooth_picture(*shape[:2])
    bpg = ExternalBpg(programs)
    decoded = bpg.decode(bpg.encode(picture, 5, "ycbcr444", 8), shape)
    assert decoded.shape == shape
    assert decoded.dtype == np.uint8
    assert psnr_db(picture, decoded) > 40


def test_ten_bit_pictures_go_there_and_back(programs_of_16_bits) -> None:
    picture = at_depth(smooth_picture(33, 40), 10)
    bpg = ExternalBpg(programs_of_16_bits)
    data = bpg.encode(picture, 5, "rgb444", 10)
    decoded = bpg.decode(data, picture.shape)
    np.testing.assert_array_equal(decoded, EmbeddedBpg().decode(data, picture.shape), strict=True)
    assert psnr_db(picture * (255 / 1023), decoded * (255 / 1023)) > 44


def test_ten_bit_samples_reach_bpgenc_whole(programs) -> None:
    picture = np.arange(3072, dtype=np.uint16).reshape(32, 32, 3) % 1024
    data = ExternalBpg(programs).encode(picture, 0, "rgb444", 10)
    assert data == EmbeddedBpg().encode(picture, 0, "rgb444", 10)


@pytest.mark.parametrize(
    ("colour", "options"),
    [
        ("ycbcr444", "-f 444 -c ycbcr"),
        ("ycbcr420", "-f 420 -c ycbcr"),
        ("rgb444", "-f 444 -c rgb"),
    ],
)
def test_bpgenc_is_asked_for_what_the_caller_wants(colour, options, programs, tmp_path) -> None:
    log = tmp_path / "arguments"
    recorder = script(tmp_path, f'echo "$@" >{log}; exec {programs["bpgenc"]} "$@"')
    picture = at_depth(smooth_picture(40, 40), 10)
    data = ExternalBpg({**programs, "bpgenc": recorder}).encode(picture, 29, colour, 10)
    assert f"-m 8 {options} -b 10 -q 29 -o" in log.read_text()
    header, _ = parse_header(data)
    assert (header.pixel_format, header.colour_space, header.bit_depth) == (*COLOURS[colour], 10)


def test_another_kind_of_file_than_bpgenc_was_asked_for_is_refused(programs, tmp_path) -> None:
    halved = script(tmp_path, f'shift 6; exec {programs["bpgenc"]} "$@"')  # off with -m, -f and -c
    with pytest.raises(CoderFailed, match="another kind"):
        ExternalBpg({**programs, "bpgenc": halved}).encode(
            smooth_picture(40, 40), 29, "ycbcr444", 8
        )


def test_settings_and_pictures_are_checked_before_bpgenc_runs(programs, must_not_run) -> None:
    bpg = ExternalBpg({**programs, "bpgenc": must_not_run})
    for settings in [(52, "ycbcr444", 8), (29, "ycgco", 8), (29, "ycbcr444", 12)]:
        with pytest.raises(ConfigError):
            bpg.encode(smooth_picture(40, 40), *settings)
    with pytest.raises(CoderFailed, match="uint16"):
        bpg.encode(smooth_picture(40, 40), 29, "ycbcr444", 10)


def test_the_empty_file_bpgenc_leaves_is_never_taken_for_output(programs, tmp_path) -> None:
    empty = {**programs, "bpgenc": script(tmp_path, ": >out.bpg")}
    with pytest.raises(CoderFailed, match="wrote no output"):
        ExternalBpg(empty).encode(smooth_picture(40, 40), 29, "ycbcr444", 8)


def test_bpg_of_another_size_is_refused_before_the_program_runs(bpg_file, must_not_run) -> None:
    for shape in [(56, 40, 3), (40, 57, 3), (40, 56)]:
        with pytest.raises(CoderFailed, match=r"expected|\[H,W,3\]"):
            ExternalBpg({"bpgdec": must_not_run}).decode(bpg_file, shape)


def test_bpg_of_a_depth_not_coded_here_is_refused_before_the_program_runs(
    bpg_file, must_not_run
) -> None:
    for depth in (9, 11, 12):
        deeper = bpg_file[:4] + bytes([bpg_file[4] | depth - 8]) + bpg_file[5:]
        with pytest.raises(CoderFailed, match=f"{depth} bits"):
            ExternalBpg({"bpgdec": must_not_run}).decode(deeper, (40, 56, 3))


def test_bpgdec_failing_is_reported(programs, bpg_file) -> None:
    data = bytearray(bpg_file)
    _, start = read_ue7(data, 8)
    data[start + 1] = 0  # the HEVC header behind a sound picture header
    with pytest.raises(CoderFailed, match="bpgdec failed with exit code 1"):
        ExternalBpg(programs).decode(bytes(data), (40, 56, 3))


def test_bpg_cut_short_is_refused_although_bpgdec_itself_accepts_it(
    programs, bpg_file, tmp_path
) -> None:
    _, start = read_ue7(bpg_file, 8)
    cut = bpg_file[: len(bpg_file) // 2]
    (tmp_path / "cut.bpg").write_bytes(cut[:8] + b"\x00" + cut[start:])  # length "up to the end"
    command = [programs["bpgdec"], "-o", tmp_path / "out.ppm", tmp_path / "cut.bpg"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert read_pnm((tmp_path / "out.ppm").read_bytes()).shape == (40, 56, 3)
    with pytest.raises(CoderFailed, match="cut short"):
        ExternalBpg(programs).decode(cut, (40, 56, 3))


def test_a_flipped_bit_passes_bpgdec_in_silence_which_is_why_layers_have_a_crc(
    programs, bpg_file
) -> None:
    data = bytearray(bpg_file)
    sound = ExternalBpg(programs).decode(bytes(data), (40, 56, 3))
    data[len(data) // 2] ^= 1
    assert not np.array_equal(ExternalBpg(programs).decode(bytes(data), (40, 56, 3)), sound)


def test_a_ten_bit_picture_other_than_announced_is_refused(tmp_path) -> None:
    picture = at_depth(smooth_picture(40, 56), 10)
    data = EmbeddedBpg().encode(picture, 29, "ycbcr444", 10)
    (tmp_path / "other.png").write_bytes(write_png(np.zeros((56, 40, 3), np.uint16)))
    Image.fromarray(smooth_picture(40, 56)).save(tmp_path / "eight.png")
    outputs = {  # bpgdec -b 16 -o out.png in.bpg: $4 is the output
        "40x56 where": f"cp {tmp_path / 'other.png'} $4",
        "48 bits": f"cp {tmp_path / 'eight.png'} $4",
        "larger picture": "head -c 90000 /dev/zero >$4",
    }
    for message, body in outputs.items():
        with pytest.raises(CoderFailed, match=message):
            ExternalBpg({"bpgdec": script(tmp_path, body)}).decode(data, picture.shape)


def test_a_bpgdec_without_sixteen_bits_is_reported_in_its_own_words(programs) -> None:
    picture = at_depth(smooth_picture(40, 56), 10)
    data = EmbeddedBpg().encode(picture, 29, "ycbcr444", 10)
    with pytest.raises(CoderFailed, match=r"exit code 1, saying: .*8 bits only"):
        ExternalBpg(programs).decode(data, picture.shape)


# Running programs


def test_a_remark_about_corruption_counts_on_either_output(programs, tmp_path) -> None:
    data = ExternalFlif(programs).encode(picture_of("noise", (8, 8)))
    sound = r"printf 'P5\n8 8\n255\n' >$3; head -c 64 /dev/zero >>$3"
    for remark in ["echo CORRUPTION; echo banner >&2", "echo banner; echo CORRUPTION >&2"]:
        with pytest.raises(CoderFailed, match="cut short or corrupt"):
            ExternalFlif({"flif": script(tmp_path, f"{sound}; {remark}")}).decode(data, (8, 8))


def test_a_program_that_hangs_is_stopped(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(programs_module, "_SECONDS_TO_START", 0.3)
    with pytest.raises(CoderFailed, match="flif was stopped after"):
        run_program("flif", script(tmp_path, "exec sleep 60"), [], tmp_path, 1, "out.flif")


def test_a_file_that_is_no_program_is_reported(tmp_path) -> None:
    path = tmp_path / "flif"
    path.write_bytes(b"\x7fELF but not really")
    path.chmod(0o755)
    flif = ExternalFlif({"flif": str(path)})
    with pytest.raises(CoderFailed, match="cannot be started: Exec format error"):
        flif.encode(np.zeros((4, 4), np.uint8))


def test_a_relative_program_path_still_works_from_the_private_folder(tmp_path, monkeypatch) -> None:
    script(tmp_path, "exit 7")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CoderFailed, match="exit code 7"):
        ExternalFlif({"flif": "./program"}).encode(np.zeros((4, 4), np.uint8))


def test_a_path_that_cannot_be_executed_is_unavailable(tmp_path) -> None:
    (tmp_path / "flif").write_text("")
    with pytest.raises(CoderUnavailable, match="flif is not at"):
        ExternalFlif({"flif": str(tmp_path / "flif")})
