"""FLIF and BPG as programs: round trips, and every way in which they mislead a caller."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.codec import programs as programs_module
from dsslic_jax.codec.bpg import bpgenc_quantiser
from dsslic_jax.codec.bpg_file import FORMAT_444, parse_header, read_ue7
from dsslic_jax.codec.external import ExternalBpg, ExternalFlif, flif_size
from dsslic_jax.codec.pnm import read_pnm, write_pnm
from dsslic_jax.codec.programs import run_program
from dsslic_jax.errors import CoderFailed, CoderUnavailable
from tests.codec.pictures import (
    COLOUR_SHAPES,
    KINDS,
    LABEL_SHAPES,
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


def test_flifs_usage_text_with_exit_code_0_is_not_taken_for_success(programs, tmp_path) -> None:
    with pytest.raises(CoderFailed, match="wrote no output"):
        run_program("flif", programs["flif"], ["--no-such-option"], tmp_path, 1, "out.flif")


def test_flifs_own_error_and_exit_code_are_passed_on(programs, tmp_path) -> None:
    with pytest.raises(CoderFailed, match=r"exit code 1, saying: .*does not exist"):
        run_program(
            "flif", programs["flif"], ["-d", "none.flif", "out.ppm"], tmp_path, 1, "out.ppm"
        )


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
    decoded = bpg.decode(bpg.encode(picture, 90), shape)
    assert decoded.shape == shape
    assert decoded.dtype == np.uint8
    assert psnr_db(picture, decoded) > 40


def test_bpgenc_crashing_is_reported_as_its_signal(programs, tmp_path) -> None:
    Image.fromarray(smooth_picture(16, 16)).save(tmp_path / "in.png")
    with pytest.raises(CoderFailed, match="bpgenc crashed with signal 11"):
        run_program(
            "bpgenc", programs["bpgenc"], ["-o", "out.bpg", "in.png"], tmp_path, 256, "out.bpg"
        )


def test_a_crash_behind_a_shell_is_reported_as_its_signal_too(tmp_path) -> None:
    with pytest.raises(CoderFailed, match="crashed with signal 11"):
        run_program("bpgenc", script(tmp_path, "exit 139"), [], tmp_path, 1, "out.bpg")


def test_the_empty_file_bpgenc_leaves_is_never_taken_for_output(programs, tmp_path) -> None:
    (tmp_path / "in.ppm").write_bytes(write_pnm(smooth_picture(40, 40)))  # PNG and JPEG only
    with pytest.raises(CoderFailed, match=r"exit code 1, saying: Not a JPEG file"):
        run_program(
            "bpgenc", programs["bpgenc"], ["-o", "out.bpg", "in.ppm"], tmp_path, 1, "out.bpg"
        )
    assert (tmp_path / "out.bpg").stat().st_size == 0
    empty = {**programs, "bpgenc": script(tmp_path, ": >out.bpg")}
    with pytest.raises(CoderFailed, match="wrote no output"):
        ExternalBpg(empty).encode(smooth_picture(40, 40), 50)


def test_bpgenc_is_asked_for_full_chroma_and_the_mapped_quantiser(programs, tmp_path) -> None:
    log = tmp_path / "arguments"
    recorder = script(tmp_path, f'echo "$@" >{log}; exec {programs["bpgenc"]} "$@"')
    data = ExternalBpg({**programs, "bpgenc": recorder}).encode(smooth_picture(40, 40), 43)
    assert f"-m 8 -f 444 -q {bpgenc_quantiser(43)} -o" in log.read_text()
    assert parse_header(data)[0].pixel_format == FORMAT_444


def test_the_stand_in_reads_its_quantiser_as_c_does(programs, tmp_path) -> None:
    Image.fromarray(smooth_picture(40, 40)).save(tmp_path / "in.dat", "PNG")
    streams = {}
    for quantiser in ("28", "28.5", "0", "abc"):
        arguments = ["-f", "444", "-q", quantiser, "-o", "out.bpg", "in.dat"]
        path, _ = run_program("bpgenc", programs["bpgenc"], arguments, tmp_path, 1, "out.bpg")
        streams[quantiser] = path.read_bytes()
    assert streams["28"] == streams["28.5"] != streams["abc"] == streams["0"]


def test_bpg_of_another_size_is_refused_before_the_program_runs(programs, must_not_run) -> None:
    data = ExternalBpg(programs).encode(smooth_picture(40, 56), 50)
    for shape in [(56, 40, 3), (40, 57, 3), (40, 56)]:
        with pytest.raises(CoderFailed, match=r"expected|\[H,W,3\]"):
            ExternalBpg({"bpgdec": must_not_run}).decode(data, shape)


def test_bpgdec_failing_is_reported(programs) -> None:
    data = bytearray(ExternalBpg(programs).encode(smooth_picture(40, 56), 50))
    _, start = read_ue7(data, 8)
    data[start + 1] = 0  # the HEVC header behind a sound picture header
    with pytest.raises(CoderFailed, match="bpgdec failed with exit code 1"):
        ExternalBpg(programs).decode(bytes(data), (40, 56, 3))


def test_bpg_cut_short_is_refused_although_bpgdec_itself_may_accept_it(programs) -> None:
    data = ExternalBpg(programs).encode(smooth_picture(40, 56), 50)
    with pytest.raises(CoderFailed, match="cut short"):
        ExternalBpg(programs).decode(data[: len(data) // 2], (40, 56, 3))


def test_a_flipped_bit_passes_bpgdec_in_silence_which_is_why_layers_have_a_crc(programs) -> None:
    picture = smooth_picture(40, 56)
    data = bytearray(ExternalBpg(programs).encode(picture, 80))
    sound = ExternalBpg(programs).decode(bytes(data), picture.shape)
    data[len(data) // 2] ^= 1
    assert not np.array_equal(ExternalBpg(programs).decode(bytes(data), picture.shape), sound)


# Running programs


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


def test_pnm_files_are_those_pillow_reads_and_writes(tmp_path) -> None:
    for shape in [(5, 7), (5, 7, 3)]:
        picture = picture_of("noise", shape)
        (tmp_path / "ours.pnm").write_bytes(write_pnm(picture))
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "ours.pnm")), picture)
        Image.fromarray(picture).save(tmp_path / "pillow.ppm")
        np.testing.assert_array_equal(read_pnm((tmp_path / "pillow.ppm").read_bytes()), picture)
