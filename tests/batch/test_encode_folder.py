"""Folders of pictures: what is encoded, kept, refused and left behind."""

import errno
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsslic_jax.batch import jobs, made
from dsslic_jax.batch.folders import encode_folder
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.settings import coding_settings
from dsslic_jax.errors import CoderUnavailable, ConfigError, DataError, ModelError
from dsslic_jax.system import outputs
from tests.codec.pictures import smooth_picture
from tests.model_fixture import coarse_part, make_bundle

SOURCE, TARGET = Path("pictures"), Path("streams")
NAMES = ("a.png", "b.tif", "inner/a.png", "inner/deep/c.webp")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture(scope="module")
def codec(tiny_bundle: Bundle) -> Codec:
    return Codec(tiny_bundle)


def picture(seed: int, height: int = 32) -> np.ndarray:
    return smooth_picture(height, 32, seed)


def write(name: str, pixels: np.ndarray, folder: Path = SOURCE) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, lossless=True)
    return path


def write_some() -> dict[str, np.ndarray]:
    pictures = {name: picture(seed) for seed, name in enumerate(NAMES)}
    for name, pixels in pictures.items():
        write(name, pixels)
    return pictures


def streams(folder: Path = TARGET) -> dict[str, bytes]:
    """Every file below a folder."""
    files = sorted(path for path in folder.rglob("[!.]*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_every_picture_becomes_the_stream_that_the_codec_makes_of_it(codec: Codec) -> None:
    pictures = write_some()
    write("inner/.hidden.png", picture(0))
    write(".hidden/a.png", picture(0))
    (SOURCE / "notes.txt").write_text("no picture")
    settings = coding_settings(codec.bundle.coding, quality=50)
    summary = encode_folder(SOURCE, TARGET, [codec], settings, workers=3)
    wanted = {
        str(Path(name).with_suffix(".dsslic")): codec.encode(pixels, None, settings)
        for name, pixels in pictures.items()
    }
    assert streams() == wanted
    mean = np.mean([8 * len(data) / (32 * 32) for data in wanted.values()])
    assert (summary.written, summary.kept, summary.failed) == (4, 0, ())
    assert summary.bits_per_pixel == pytest.approx(mean)


def test_label_maps_are_found_by_path(codec: Codec) -> None:
    maps = {}
    for seed, name in enumerate(("a.png", "inner/a.png")):
        write(name, picture(seed))
        maps[name] = np.full((32, 32), seed + 3, np.uint8)
        write(name, maps[name], Path("labels"))
    write("c.png", picture(2))
    summary = encode_folder(SOURCE, TARGET, [codec], labels=Path("labels"))
    assert [path for path, _ in summary.failed] == [SOURCE / "c.png"]
    assert "labels/c.png: cannot be read" in summary.failed[0][1]
    for name, labels in maps.items():
        decoded = codec.decode((TARGET / name).with_suffix(".dsslic").read_bytes(), "s")
        np.testing.assert_array_equal(decoded.labels, labels)


def test_a_picture_that_fails_does_not_stop_the_others(codec: Codec) -> None:
    write("a.png", picture(0))
    write("clear.png", np.zeros((32, 32, 4), np.uint8))
    (SOURCE / "broken.png").write_bytes(b"no picture")
    (SOURCE / "gone.jpg").symlink_to("nowhere.jpg")
    write("z.png", picture(1))
    summary = encode_folder(SOURCE, TARGET, [codec])
    assert set(streams()) == {"a.dsslic", "z.dsslic"}
    assert (summary.written, summary.kept) == (2, 0)
    assert [path.name for path, _ in summary.failed] == ["broken.png", "clear.png", "gone.jpg"]
    reasons = ("cannot be read", "is transparent", "cannot be read")
    for (_, message), reason in zip(summary.failed, reasons, strict=True):
        assert message.startswith(reason) and "\n" not in message


def test_reading_options_reach_the_reader(codec: Codec) -> None:
    write("clear.png", np.zeros((32, 32, 4), np.uint8))
    write("deep.png", np.zeros((32, 32), np.uint16))
    summary = encode_folder(SOURCE, TARGET, [codec], alpha="white", deep="round")
    assert (summary.written, summary.failed) == (2, ())


def test_a_second_run_keeps_what_is_current_and_redoes_the_rest(
    codec: Codec, tiny_bundle: Bundle
) -> None:
    pictures = write_some()
    first = encode_folder(SOURCE, TARGET, [codec])
    before = streams()
    again = encode_folder(SOURCE, TARGET, [codec])
    assert (again.written, again.kept) == (0, 4)
    assert again.bits_per_pixel == first.bits_per_pixel
    (TARGET / "a.dsslic").write_bytes(before["a.dsslic"][:-1])  # cut
    (TARGET / "b.dsslic").write_bytes(Codec(make_bundle(1)).encode(pictures["b.tif"]))
    (TARGET / "inner" / "a.dsslic").write_bytes(codec.encode(picture(0, height=40)))
    again = encode_folder(SOURCE, TARGET, [codec])
    assert (again.written, again.kept) == (3, 1)
    assert streams() == before


def test_what_is_no_stream_is_not_replaced_unless_told(codec: Codec) -> None:
    write("a.png", picture(0))
    target = write("a.dsslic.png", picture(1), TARGET).rename(TARGET / "a.dsslic")
    theirs = target.read_bytes()
    summary = encode_folder(SOURCE, TARGET, [codec])
    assert summary.failed[0][1].startswith("streams/a.dsslic is there and not a stream")
    assert target.read_bytes() == theirs
    assert encode_folder(SOURCE, TARGET, [codec], overwrite=True).written == 1
    assert target.read_bytes() == codec.encode(picture(0))


def test_a_stream_is_redone_where_its_picture_or_label_map_holds_something_else(
    codec: Codec,
) -> None:
    write("a.png", picture(0))
    write("b.png", picture(1))
    for name in ("a.png", "b.png"):
        write(name, np.full((32, 32), 3, np.uint8), Path("labels"))
    assert encode_folder(SOURCE, TARGET, [codec], labels=Path("labels")).written == 2
    for changed, folder in (("a.png", SOURCE), ("b.png", Path("labels"))):
        path = folder / changed
        before = path.stat()
        os.utime(path, (before.st_atime + 10, before.st_mtime + 10))
        again = encode_folder(SOURCE, TARGET, [codec], labels=Path("labels"))
        assert (again.written, again.kept) == (0, 2)  # it is the same as before
        # As large as before, and older.
        data = path.read_bytes()
        write(changed, (np.asarray(Image.open(path)) + 1) % 5, folder)
        path.write_bytes(path.read_bytes().ljust(len(data), b"\0"))
        assert path.stat().st_size == len(data)
        os.utime(path, (0, 0))
        again = encode_folder(SOURCE, TARGET, [codec], labels=Path("labels"))
        assert again.kept == 1


def test_other_settings_code_anew(codec: Codec) -> None:
    write("a.png", picture(0))
    encode_folder(SOURCE, TARGET, [codec])
    settings = coding_settings(codec.bundle.coding, quality=80)
    assert encode_folder(SOURCE, TARGET, [codec], settings).written == 1
    assert streams() == {"a.dsslic": codec.encode(picture(0), None, settings)}
    assert encode_folder(SOURCE, TARGET, [codec], settings).kept == 1
    assert encode_folder(SOURCE, TARGET, [codec], settings, overwrite=True).written == 1


def test_several_folders_and_files_go_into_one_folder(codec: Codec) -> None:
    write("a.png", picture(0))
    single = write("b.png", picture(1), Path("elsewhere"))
    (SOURCE / "c.heicx").write_bytes(b"")
    summary = encode_folder([SOURCE, single], TARGET, [codec])
    assert set(streams()) == {"a.dsslic", "b.dsslic"}
    assert summary.passed_over == (SOURCE / "c.heicx",)


def test_a_memory_that_is_damaged_codes_anew(codec: Codec) -> None:
    write("a.png", picture(0))
    encode_folder(SOURCE, TARGET, [codec])
    memory = TARGET / made.FILE
    whole = memory.read_bytes()
    for damaged in (b"", whole[:-9], b"[" * 100_000, b'{"file": "a.dsslic"}\n', b"\xff\n", b"1\n"):
        memory.write_bytes(damaged)
        assert encode_folder(SOURCE, TARGET, [codec]).written == 1
        assert encode_folder(SOURCE, TARGET, [codec]).kept == 1


def test_streams_with_labels_at_the_decoder_are_kept_too(codec: Codec) -> None:
    write("a.png", picture(0))
    settings = coding_settings(codec.bundle.coding, labels="decoder")
    assert encode_folder(SOURCE, TARGET, [codec], settings).written == 1
    assert encode_folder(SOURCE, TARGET, [codec], settings).kept == 1


def test_pictures_of_like_size_follow_each_other_and_go_round_among_codecs(codec: Codec) -> None:
    sides = [(64, 33), (60, 20), (33, 64), (50, 30)]
    for i, (height, width) in enumerate(sides):
        write(f"{i}.png", np.zeros((height, width, 3), np.uint8))
    done: list[tuple[int, tuple[int, ...]]] = []

    class Recorder:
        bundle, settings, precision = codec.bundle, codec.settings, None

        def __init__(self, number: int) -> None:
            self.number = number

        def encode(self, pixels: np.ndarray, *_: object) -> bytes:
            done.append((self.number, pixels.shape[:2]))
            return b"stream"

    recorders = [Recorder(0), Recorder(1)]
    encode_folder(SOURCE, TARGET, recorders, workers=1)  # type: ignore[arg-type]
    assert [number for number, _ in done] == [0, 1, 0, 1]
    # Padded to 64x64, then to 64x32.
    assert [size for _, size in done] == [(64, 33), (33, 64), (60, 20), (50, 30)]


def test_no_more_pictures_than_workers_are_held(codec: Codec) -> None:
    for i in range(8):
        write(f"{i}.png", picture(i))
    held, most, lock = 0, 0, threading.Lock()

    class Slow:
        bundle, settings, precision = codec.bundle, codec.settings, None

        def encode(self, *_: object) -> bytes:
            nonlocal held, most
            with lock:
                held += 1
                most = max(most, held)
            time.sleep(0.02)
            with lock:
                held -= 1
            return b"stream"

    encode_folder(SOURCE, TARGET, [Slow()], workers=3)  # type: ignore[list-item]
    assert most == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: None, "pictures is not there"),
        (SOURCE.mkdir, "pictures: no files with suffix"),
    ],
)
def test_folders_that_cannot_be_encoded_are_refused_before_any_work(
    make: object, message: str, codec: Codec
) -> None:
    make()  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        encode_folder(SOURCE, TARGET, [codec])
    assert not TARGET.exists()


def test_of_pictures_that_would_become_one_stream_one_is_coded_and_the_other_named(
    codec: Codec,
) -> None:
    for name in ("a.bmp", "a.png"):
        write(name, picture(0))
    summary = encode_folder(SOURCE, TARGET, [codec])
    assert set(streams()) == {"a.dsslic"}
    ((path, why),) = summary.failed
    assert path == SOURCE / "a.png" and "as pictures/a.bmp does: rename one" in why


def test_a_negative_number_of_workers_is_refused(codec: Codec) -> None:
    write("a.png", picture(0))
    with pytest.raises(ConfigError, match="not -1"):
        encode_folder(SOURCE, TARGET, [codec], workers=-1)


def test_what_would_fail_every_picture_stops_at_once(
    tiny_bundle: Bundle, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_some()
    with pytest.raises(ModelError, match="no SegNet"):
        encode_folder(SOURCE, TARGET, [Codec(coarse_part(tiny_bundle))])
    monkeypatch.setenv("PATH", "/nowhere")
    settings = coding_settings(codec.bundle.coding, codecs="external")
    with pytest.raises(CoderUnavailable, match="flif"):
        encode_folder(SOURCE, TARGET, [codec], settings)

    def disk_is_full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outputs, "write_atomically", disk_is_full)
    with pytest.raises(OSError, match="No space left"):
        encode_folder(SOURCE, TARGET, [codec])
    assert not TARGET.exists()


def test_failed_pictures_are_not_held_in_memory(codec: Codec) -> None:
    import gc
    import weakref

    for i in range(3):
        write(f"{i}.png", picture(i))
    seen: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    class Failing:
        bundle, settings, precision = codec.bundle, codec.settings, None

        def encode(self, pixels: np.ndarray, *_: object) -> bytes:
            gc.collect()
            alive.append(sum(one() is not None for one in seen))
            seen.append(weakref.ref(pixels))
            raise DataError("no")

    summary = encode_folder(SOURCE, TARGET, [Failing()], workers=1)  # type: ignore[list-item]
    assert [message for _, message in summary.failed] == ["no"] * 3
    assert alive == [0, 0, 0]


def test_no_bar_is_drawn_where_there_is_no_terminal(
    codec: Codec, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.png", picture(0))
    encode_folder(SOURCE, TARGET, [codec])
    assert capsys.readouterr() == ("", "")
    jobs.say("a line")
    assert capsys.readouterr() == ("", "a line\n")
