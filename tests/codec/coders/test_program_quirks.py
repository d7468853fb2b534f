"""How flif, bpgenc and bpgdec mislead their callers: what the external coders are built against.

flif and bpgdec are the real programs; bpgenc is a stand-in made to do what was measured on 0.9.8.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.codec.coders.bpg import embedded as bpg
from dsslic_jax.codec.coders.bpg.file import FORMAT_420_JPEG, FORMAT_GRAY, parse_header, read_ue7
from dsslic_jax.codec.coders.flif import flif_size
from dsslic_jax.codec.coders.programs.pictures import read_pnm, write_pnm
from dsslic_jax.codec.coders.programs.running import run_program
from dsslic_jax.codec.varint import write_varint
from dsslic_jax.errors import CoderFailed
from tests.codec.pictures import picture_of, smooth_picture
from tests.programs_fixture import PROGRAMS

Run = Callable[..., subprocess.CompletedProcess[bytes]]
CRASHING_SIZES = [(1, 1), (7, 5), (8, 8), (16, 16), (17, 33), (24, 24)]
SOUND_SIZES = [(32, 32), (200, 16)]


@pytest.fixture
def run(programs: dict[str, str], tmp_path: Path) -> Run:
    """Runs a program in `tmp_path`, whatever it exits with."""

    def run_in_folder(name: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [programs[name], *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    return run_in_folder


@pytest.fixture
def picture(tmp_path: Path) -> np.ndarray:
    """A picture that is in the folder as in.png, in.ppm and in.jpg."""
    picture = smooth_picture(40, 56)
    Image.fromarray(picture).save(tmp_path / "in.png")
    Image.fromarray(picture).save(tmp_path / "in.jpg", quality=95)
    (tmp_path / "in.ppm").write_bytes(write_pnm(picture))
    return picture


# flif


@pytest.mark.parametrize("words", [[], ["-h"], ["--no-such-option"]], ids=str)
def test_flifs_usage_text_exits_with_0_and_writes_nothing(words, run, tmp_path, programs) -> None:
    done = run("flif", *words)
    assert (done.returncode, list(tmp_path.iterdir())) == (0, [])
    assert b"Usage" in done.stdout + done.stderr
    with pytest.raises(CoderFailed, match="wrote no output"):
        run_program("flif", programs["flif"], words, tmp_path, 1, "out.flif")


@pytest.mark.usefixtures("picture")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-e", "none.ppm", "out.flif"], 1),
        (["-d", "none.flif", "out.ppm"], 1),
        (["-d", "sound.flif", "out.xyz"], 1),
        (["-e", "-E", "1000", "in.ppm", "out.flif"], 1),
        (["-e", "in.ppm", "there.flif"], 1),
        (["-e", "cut.png", "out.flif"], 1),
        (["-e", "junk.ppm", "out.flif"], 2),
        (["-e", "in.ppm", "no/such/folder/out.flif"], 2),
        (["-d", "junk.flif", "out.ppm"], 3),
        (["-d", "empty.flif", "out.ppm"], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_flifs_errors_have_their_exit_codes_and_are_passed_on(
    arguments, code, run, tmp_path, programs
) -> None:
    run("flif", "-e", "in.ppm", "sound.flif")
    (tmp_path / "there.flif").write_bytes(b"already exists; needs -o")
    (tmp_path / "cut.png").write_bytes((tmp_path / "in.png").read_bytes()[:500])
    (tmp_path / "junk.ppm").write_bytes(b"junk")
    (tmp_path / "junk.flif").write_bytes(b"junk junk ")
    (tmp_path / "empty.flif").write_bytes(b"")
    assert run("flif", *arguments).returncode == code
    with pytest.raises(CoderFailed, match=f"flif failed with exit code {code}, saying: "):
        run_program("flif", programs["flif"], arguments, tmp_path, 1, arguments[-1])


def test_flif_writes_over_a_file_only_when_told_to(picture, run, tmp_path) -> None:
    (tmp_path / "out.flif").write_bytes(b"already here")
    assert run("flif", "-e", "in.ppm", "out.flif").returncode == 1
    assert (tmp_path / "out.flif").read_bytes() == b"already here"
    assert run("flif", "-e", "-o", "in.ppm", "out.flif").returncode == 0
    assert flif_size((tmp_path / "out.flif").read_bytes()) == picture.shape


@pytest.mark.usefixtures("picture")
def test_flif_decodes_half_a_file_with_exit_code_0_and_a_mere_remark(run, tmp_path) -> None:
    run("flif", "-e", "in.ppm", "out.flif")
    whole = (tmp_path / "out.flif").read_bytes()
    (tmp_path / "half.flif").write_bytes(whole[: len(whole) // 2])
    done = run("flif", "-d", "half.flif", "half.ppm")
    assert done.returncode == 0
    assert b"CORRUPTION" in done.stdout + done.stderr  # native flif: stderr
    assert read_pnm((tmp_path / "half.ppm").read_bytes()).shape == (40, 56, 3)


def test_flif_encodes_half_a_ppm_with_exit_code_0(picture, run, tmp_path) -> None:
    (tmp_path / "half.ppm").write_bytes(write_pnm(picture)[:3000])
    assert run("flif", "-e", "half.ppm", "out.flif").returncode == 0
    assert flif_size((tmp_path / "out.flif").read_bytes()) == (40, 56, 3)


def test_flif_gives_palettes_back_as_rgb_unless_told_to_keep_them(run, tmp_path) -> None:
    image = Image.fromarray(smooth_picture(40, 56)).quantize(16)
    image.save(tmp_path / "in.png")
    for keep, mode in ([], "RGB"), (["-k"], "P"):
        run("flif", "-e", "-o", *keep, "in.png", "out.flif")
        run("flif", "-d", "-o", *keep, "out.flif", "out.png")
        with Image.open(tmp_path / "out.png") as back:
            assert back.mode == mode
            shown = back.convert("RGBA").convert("RGB")
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("shape", [(40, 56), (40, 56, 3)])
def test_flifs_pam_of_opaque_pictures_is_pgm_or_ppm_inside(shape, run, tmp_path) -> None:
    picture = picture_of("noise", shape)
    (tmp_path / "in.pnm").write_bytes(write_pnm(picture))
    run("flif", "-e", "in.pnm", "out.flif")
    run("flif", "-d", "out.flif", "out.pam")
    np.testing.assert_array_equal(read_pnm((tmp_path / "out.pam").read_bytes()), picture)


def test_flif_forgets_colours_under_full_transparency_unless_told_to_keep_them(
    run, tmp_path
) -> None:
    picture = picture_of("noise", (16, 16, 4))
    picture[:8, :, 3] = 0
    Image.fromarray(picture, "RGBA").save(tmp_path / "in.png")
    kept = {}
    for option in ([], ["-K"]):
        run("flif", "-e", "-o", *option, "in.png", "out.flif")
        run("flif", "-d", "-o", "out.flif", "out.png")
        kept[bool(option)] = np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), picture)
    assert kept == {False: False, True: True}


@pytest.mark.usefixtures("picture")
def test_the_flif_launcher_leaves_no_cache_in_the_package(run) -> None:
    library = PROGRAMS / "node_modules" / "flif-wasm" / "lib"
    before = sorted(path.name for path in library.iterdir())
    done = run("flif", "-e", "in.ppm", "out.flif")
    assert b"deserialize" not in done.stderr
    assert sorted(path.name for path in library.iterdir()) == before


# bpgenc


@pytest.mark.usefixtures("picture")
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-h"],
        ["-q", "52", "in.png"],
        ["-q", "-1", "in.png"],
        ["-f", "444", "-c", "cmyk", "in.png"],
        ["-b", "16", "in.png"],
        ["-x", "in.png"],
        ["in.png", "in.jpg"],
    ],
    ids=" ".join,
)
def test_bpgencs_wrong_arguments_and_help_exit_with_1(arguments, run, tmp_path) -> None:
    done = run("bpgenc", "-o", "out.bpg", *arguments)
    assert done.returncode == 1
    assert done.stderr


@pytest.mark.usefixtures("picture")
@pytest.mark.parametrize("source", ["in.ppm", "cut.png", "none.png"])
def test_bpgenc_leaves_an_empty_file_when_it_cannot_read_its_input(source, run, tmp_path) -> None:
    (tmp_path / "cut.png").write_bytes((tmp_path / "in.png").read_bytes()[:500])
    assert run("bpgenc", "-o", "out.bpg", source).returncode == 1
    assert (tmp_path / "out.bpg").read_bytes() == b""


@pytest.mark.usefixtures("picture")
@pytest.mark.parametrize("source", ["in.png", "in.jpg"])
def test_bpgenc_tells_png_and_jpeg_by_content_and_halves_chroma(source, run, tmp_path) -> None:
    (tmp_path / source).rename(tmp_path / "in.dat")
    assert run("bpgenc", "in.dat").returncode == 0
    header, _ = parse_header((tmp_path / "out.bpg").read_bytes())
    assert (header.width, header.height, header.pixel_format) == (56, 40, FORMAT_420_JPEG)


@pytest.mark.usefixtures("picture")
def test_bpgenc_reads_its_quantiser_as_c_does(run, tmp_path) -> None:
    files = {}
    for quantiser in ("28", "28.5", "0", "abc"):
        done = run("bpgenc", "-q", quantiser, "-o", f"{quantiser}.bpg", "in.png")
        assert done.returncode == 0
        files[quantiser] = (tmp_path / f"{quantiser}.bpg").read_bytes()
    assert files["28"] == files["28.5"] != files["abc"] == files["0"]


def test_bpgencs_lossless_mode_is_rgb_whatever_is_asked_and_exact(picture, run, tmp_path) -> None:
    assert run("bpgenc", "-lossless", "-o", "out.bpg", "in.png").returncode == 0
    data = (tmp_path / "out.bpg").read_bytes()
    assert parse_header(data)[0] == bpg.BpgHeader(56, 40, *bpg.COLOURS["rgb444"])
    np.testing.assert_array_equal(bpg.decode_picture(data), picture)
    run("bpgdec", "-o", "out.ppm", "out.bpg")
    np.testing.assert_array_equal(read_pnm((tmp_path / "out.ppm").read_bytes()), picture)


@pytest.mark.parametrize(("width", "height"), CRASHING_SIZES)
def test_bpgenc_crashing_on_a_small_picture_is_reported_as_its_signal(
    width, height, programs, tmp_path
) -> None:
    Image.fromarray(smooth_picture(height, width)).save(tmp_path / "in.png")
    with pytest.raises(CoderFailed, match="bpgenc crashed with signal 11"):
        run_program(
            "bpgenc", programs["bpgenc"], ["-o", "out.bpg", "in.png"], tmp_path, 256, "out.bpg"
        )


@pytest.mark.parametrize(("width", "height"), SOUND_SIZES)
def test_bpgenc_survives_larger_pictures(width, height, run, tmp_path) -> None:
    Image.fromarray(smooth_picture(height, width)).save(tmp_path / "in.png")
    assert run("bpgenc", "-f", "444", "in.png").returncode == 0


# bpgdec


@pytest.mark.parametrize("damage", ["none", "empty", "junk", "no size", "long numbers", "blocks"])
def test_bpgdec_exits_with_1_where_a_header_is_damaged(damage, picture, run, tmp_path) -> None:
    data = bpg.encode_picture(picture, 10, "ycbcr444", 8)
    _, start = read_ue7(data, 8)
    damaged = {
        "empty": b"",
        "junk": b"junk" * 10,
        "no size": data[:6] + b"\x00\x00" + data[8:],
        "long numbers": data[:6] + b"\x80" + data[6:],
        "blocks": data[: start + 1] + b"\x00" + data[start + 2 :],
    }
    if damage in damaged:
        (tmp_path / "in.bpg").write_bytes(damaged[damage])
    assert run("bpgdec", "-o", "out.ppm", "in.bpg").returncode == 1
    assert not (tmp_path / "out.ppm").exists()


@pytest.mark.parametrize("damage", ["cut short", "flipped", "tail"])
def test_bpgdec_shows_a_damaged_payload_with_exit_code_0(damage, picture, run, tmp_path) -> None:
    data = bpg.encode_picture(picture, 10, "ycbcr444", 8)
    _, start = read_ue7(data, 8)
    middle = len(data) // 2
    damaged = {
        "cut short": data[:8] + write_varint(middle - start) + data[start:middle],
        "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "tail": data + b"tail",
    }[damage]
    (tmp_path / "in.bpg").write_bytes(damaged)
    assert run("bpgdec", "-o", "out.ppm", "in.bpg").returncode == 0
    assert read_pnm((tmp_path / "out.ppm").read_bytes()).shape == picture.shape


def test_bpgdec_writes_rgb_for_gray_files_and_png_unless_the_suffix_is_ppm(run, tmp_path) -> None:
    luma = smooth_picture(40, 56)[..., 0]
    gray = bpg.BpgHeader(56, 40, FORMAT_GRAY)
    (tmp_path / "in.bpg").write_bytes(bpg.encode_planes_to_bpg([luma], gray, 10))
    for name, kind in [("out.ppm", "PPM"), ("out.png", "PNG"), ("out.dat", "PNG")]:
        assert run("bpgdec", "-o", name, "in.bpg").returncode == 0
        with Image.open(tmp_path / name) as shown:
            assert (shown.format, shown.mode, shown.size) == (kind, "RGB", (56, 40))
