"""Entries of files: little is read, and damage is seen."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from dsslic_jax.codec.stream import container
from dsslic_jax.codec.varint import write_varint
from dsslic_jax.errors import DataError, StreamError
from dsslic_jax.search import reading
from dsslic_jax.search.reading import read_entry, read_label_map
from tests.search.streams import CAMVID, CAR, SKY, map_of, own_table, save, stream


def test_an_entry_is_what_the_file_holds(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dsslic", {SKY: 60, CAR: 140})
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    entry = read_entry(str(path))
    assert (entry.path, entry.size) == (str(path), path.stat().st_size)
    assert entry.mtime_ns == path.stat().st_mtime_ns
    assert (entry.width, entry.height, entry.classes) == (10, 20, CAMVID)
    assert entry.fingerprint == b"modelsum" and entry.pixels == {SKY: 60, CAR: 140}
    np.testing.assert_array_equal(read_label_map(entry), map_of({SKY: 60, CAR: 140}))


@pytest.mark.parametrize("scale", [2, 32])
def test_the_pixels_of_a_coarse_map_are_those_of_whole_blocks(tmp_path: Path, scale: int) -> None:
    path = tmp_path / "a.dsslic"
    path.write_bytes(stream(map_of({SKY: 30}), label_scale=scale))  # 3 rows of 10
    entry = read_entry(str(path))
    assert (entry.width, entry.height) == (10, 3)
    assert entry.pixels == {SKY: {2: 40, 32: 1024}[scale]}
    assert read_label_map(entry).shape == (3, 10)


def test_a_file_without_labels_says_so_and_not_that_classes_are_absent(tmp_path: Path) -> None:
    entry = read_entry(str(save(tmp_path / "a.dsslic", None)))
    assert entry.pixels is None and entry.classes == CAMVID


def test_a_table_that_the_stream_sends_is_its_own(tmp_path: Path) -> None:
    table = own_table("cup", "saucer")
    entry = read_entry(str(save(tmp_path / "a.dsslic", {1: 100}, table)))
    assert (entry.classes.names, entry.pixels) == (("cup", "saucer"), {1: 100})


def test_layers_c_and_r_are_neither_read_nor_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_FIRST_BLOCK", 16)
    data = stream(map_of({SKY: 60, CAR: 40}))
    end = len(data) - len(b"compactresidual")
    path = tmp_path / "a.dsslic"
    path.write_bytes(data)
    sizes = []
    extend = reading._extend

    def watched(first: bytes, file: reading.FileIO, size: int) -> bytes:
        sizes.append(size)
        return extend(first, file, size)

    monkeypatch.setattr(reading, "_extend", watched)
    assert read_entry(str(path)).pixels == {SKY: 60, CAR: 40}
    assert sizes == [end]  # after the header: to the end of s and no further
    path.write_bytes(data[:end])
    assert read_entry(str(path)).pixels == {SKY: 60, CAR: 40}


def test_a_long_header_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "a.dsslic"
    for size in (3000, 50_000, 1_000_000):
        path.write_bytes(stream(map_of({CAR: 100}), metadata={"icc": bytes(size)}))
        assert read_entry(str(path)).pixels == {CAR: 100}


def test_every_cut_inside_layer_s_and_every_flipped_bit_is_refused(tmp_path: Path) -> None:
    data = stream(map_of({SKY: 60, CAR: 40}))
    end = len(data) - len(b"compactresidual")
    path = tmp_path / "a.dsslic"
    for length in range(end):
        path.write_bytes(data[:length])
        with pytest.raises(StreamError):
            read_entry(str(path))
    for position in range(end):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(StreamError):
            read_entry(str(path))


def test_a_header_cut_by_the_end_of_a_large_file_is_refused(tmp_path: Path) -> None:
    data = stream(map_of({CAR: 100}), metadata={"icc": bytes(100_000)})
    path = tmp_path / "a.dsslic"
    path.write_bytes(data[:70_000])
    with pytest.raises(StreamError, match="cut inside its header"):
        read_entry(str(path))


def test_a_layer_of_impossible_length_is_refused_before_it_is_read(tmp_path: Path) -> None:
    head = b"DSLC" + bytes([container.VERSION, 0, 10, 10, 3, 3]) + bytes(8) + bytes([2])
    for kind, length in ((0, 1 << 31), (1, 4)):
        head += bytes([kind << 5 | 2]) + write_varint(length) + bytes(4)
    path = tmp_path / "a.dsslic"
    path.write_bytes(head + struct.pack("<I", zlib.crc32(head)))
    os.truncate(path, 1 << 32)  # a sparse file: it takes no room, reading it would
    with pytest.raises(StreamError, match=f"declares {1 << 31} bytes of labels: too much"):
        read_entry(str(path))


def test_a_pipe_that_took_a_file_s_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.dsslic")
    with pytest.raises(DataError, match="not a regular file"):
        read_entry(str(tmp_path / "a.dsslic"))


def test_a_map_of_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dsslic", {SKY: 60, CAR: 40})
    entry = read_entry(str(path))
    for areas in ({SKY: 50, CAR: 50, 5: 100}, None):
        save(path, areas)
        os.utime(path, ns=(1, 1))
        with pytest.raises(StreamError, match="changed while it was searched"):
            read_label_map(entry)
