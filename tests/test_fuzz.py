"""Damaged and forged streams: refused in one line or decoded, never a crash, a hang, a flood of memory, or a wrong
picture taken for the right one.

A short run by default. The long one: DSSLIC_FUZZ=100 python -m pytest -n0 tests/test_fuzz.py -rP
"""

import itertools
import os
import time
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.classes.table import class_table
from dsslic_jax.codec.codec import Codec
from dsslic_jax.codec.coders.registry import OpenCoders
from dsslic_jax.codec.label_scale import coarse_labels
from dsslic_jax.codec.layers.labels import decode_labels, encode_label_layer
from dsslic_jax.codec.layers.residual import read_opening, with_strength
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import DsslicError
from tests.codec.pictures import smooth_picture
from tests.model_fixture import coarse_part

FACTOR = int(os.environ.get("DSSLIC_FUZZ", "1"))
SECONDS = 5.0  # for one input, whatever it is
# A decoder may take four bytes for each that the header declares, and what libraries take at first.
BYTES_PER_PIXEL, BYTES_AT_FIRST = 4 * 3, 8 << 20
# Likewise of the whole process, native decoders and their threads included.
PROCESS_BYTES_AT_FIRST = 64 << 20
SIZE = 24, 40

Mutation = tuple[str, float, bytes]
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["replace", "flip", "insert", "delete", "cut", "repeat"]),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=4,
)


def fuzz(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Examples from a kept seed, so that a run can be repeated."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        checks = list(HealthCheck)
        chosen = settings(
            max_examples=examples * FACTOR,
            database=None,
            deadline=None,
            suppress_health_check=checks,
        )
        return seed(20180314)(chosen(test))

    return decorate


def mutated(data: bytes, mutations: list[Mutation]) -> bytes:
    changed = bytearray(data)
    for kind, place, extra in mutations:
        at = int(place * max(len(changed), 1))
        if kind == "replace":
            changed[at : at + len(extra)] = extra
        elif kind == "flip" and changed:
            changed[at] ^= 1 << extra[0] % 8
        elif kind == "insert":
            changed[at:at] = extra
        elif kind == "delete":
            del changed[at : at + extra[0]]
        elif kind == "cut":
            del changed[at:]
        elif kind == "repeat":
            changed[at:at] = changed[at : at + extra[0]]
    return bytes(changed)


def with_right_checksums(data: bytes) -> bytes:
    """A forger's work: the header's checksum, and every layer's, made to match."""
    try:
        end = _header_end(data)
    except (IndexError, DsslicError):
        return data
    forged = bytearray(data)
    position, start = _first_layer(data), end + 4
    while position < end:
        length, after = container.read_varint(bytes(forged), position + 1, "")
        forged[after : after + 4] = zlib.crc32(data[start : start + length]).to_bytes(4, "little")
        start, position = start + length, after + 4
    forged[end : end + 4] = zlib.crc32(forged[:end]).to_bytes(4, "little")
    return bytes(forged[: len(data)])


def _first_layer(data: bytes) -> int:
    _, position = container.read_varint(data, 6, "")
    _, position = container.read_varint(data, position, "")
    return position + 11


def _header_end(data: bytes) -> int:
    """Where the checksum of a header without an extension lies."""
    position = _first_layer(data)
    for _ in range(data[position - 1]):
        _, position = container.read_varint(data, position + 1, "")
        position += 4
    return position


def forget_peak() -> bool:
    """Begins VmHWM, the peak of the process's memory, anew; False where the system has no such thing."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def process_bytes(what: str) -> int:
    """VmRSS or VmHWM of this process."""
    told = Path("/proc/self/status").read_text()
    return int(told.partition(f"{what}:")[2].split()[0]) << 10


class Watch:
    """Times and weighs each decode; what it returns is None for a refusal."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.slowest_s, self.largest_bytes, self.process_bytes = 0.0, 0, 0

    def __call__(self, decode: Callable[[bytes], object], data: bytes, pixels: int) -> object:
        before = process_bytes("VmRSS") if forget_peak() else None
        tracemalloc.start()  # for the decode alone: it slows down everything
        began = time.perf_counter()
        try:
            made: object = decode(data)
        except DsslicError as error:
            assert "\n" not in str(error)
            made = None
        self.slowest_s = max(self.slowest_s, time.perf_counter() - began)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        grown = 0 if before is None else process_bytes("VmHWM") - before
        self.process_bytes = max(self.process_bytes, grown)
        self.largest_bytes = max(self.largest_bytes, taken)
        self.outcomes["refused" if made is None else "decoded"] += 1
        assert self.slowest_s < SECONDS
        assert taken <= BYTES_PER_PIXEL * pixels + BYTES_AT_FIRST
        assert grown <= BYTES_PER_PIXEL * pixels + PROCESS_BYTES_AT_FIRST
        return made

    def report(self, what: str) -> None:
        print(
            f"{what}: {dict(self.outcomes)}, slowest {self.slowest_s:.3f} s, most at once "
            f"{self.largest_bytes >> 10} KiB, of the whole process {self.process_bytes >> 10} KiB"
        )


@pytest.fixture
def watch() -> Watch:
    return Watch()


LABELS = np.kron(
    np.random.default_rng(3).integers(0, 12, (3, 5)), np.ones((8, 8), int)
).astype(np.uint8)  # fmt: skip


def declared_pixels(data: bytes) -> int:
    try:
        header = container.read_header(data)
    except DsslicError:
        return 0
    return header.width * header.height


@pytest.mark.parametrize("label_scale", [1, 4])
def test_container_and_label_layer(label_scale: int, watch: Watch) -> None:
    coder = OpenCoders().decoder("s", "context")
    coarse = coarse_labels(LABELS, label_scale)
    layers = [
        ("s", "context", encode_label_layer(coarse, coder)),
        ("c", "jxl", b"not looked at"),
        ("r1", "bpg", b"not looked at either"),
    ]
    header = container.Header(
        SIZE[1], SIZE[0], class_table("camvid"), 8, bytes(range(8)), label_scale=label_scale
    )
    stream = container.write(header, layers)
    decode_labels(stream)  # compiles the kernels

    @fuzz(2000)
    @given(MUTATIONS, st.booleans())
    def run(mutations: list[Mutation], forge: bool) -> None:
        data = mutated(stream, mutations)
        data = with_right_checksums(data) if forge else data
        pixels = declared_pixels(data)
        if pixels > 1 << 20:
            return  # a sound header of a larger picture: its time is that picture's
        made = watch(decode_labels, data, pixels)
        if made is None:
            return
        labels, table = made  # type: ignore[misc]
        assert labels.size == pixels and labels.max() < table.num_classes
        if not forge:
            np.testing.assert_array_equal(labels, LABELS)

    run()
    watch.report("container and label layer")
    assert watch.outcomes["decoded"] and watch.outcomes["refused"]


def test_label_coder(watch: Watch) -> None:
    coder = OpenCoders().decoder("s", "context")
    coded = coder.encode(LABELS)

    @fuzz(2000)
    @given(MUTATIONS, st.integers(1, 60), st.integers(1, 60))
    def run(mutations: list[Mutation], height: int, width: int) -> None:
        def decode(data: bytes) -> np.ndarray:
            return coder.decode(data, (height, width))

        made = watch(decode, mutated(coded, mutations), height * width)
        if made is not None:
            assert made.shape == (height, width) and made.dtype == np.uint8  # type: ignore[attr-defined]

    run()
    watch.report("label coder")


def darker(picture: np.ndarray, labels: np.ndarray | None, strength: int) -> np.ndarray:
    """In place of an enhancement network: reaches every strength and needs labels of the right shape."""
    assert labels is not None and labels.shape == picture.shape[:2]
    return np.maximum(picture, np.uint8(strength)) - np.uint8(strength)


def enhanced(stream: bytes) -> bytes:
    """The stream with its r1 enhanced, which an encoder would not choose with what `darker` does."""
    header = container.read_header(stream)
    payloads = container.read_layers(stream, header)
    payloads["r1"] = with_strength(payloads["r1"], 9)
    return container.write(header, [(la.name, la.coder, payloads[la.name]) for la in header.layers])


def test_openings_of_residual_layers() -> None:
    """Each pair of first bytes: what is read is what packs to them, or there is a refusal."""
    read = 0
    for first, second in itertools.product(range(256), repeat=2):
        payload = bytes([first, second, second, 77])
        try:
            opening, position = read_opening(payload)
        except DsslicError:
            continue
        read += 1
        assert opening.pack() == payload[:position]
        assert 0 <= opening.prediction_gain <= 1 and opening.strength != 0
    # Two mappings by four choices of weights and tiles: any second byte, 16 gains, 255 strengths, 15 that are both.
    assert read == 8 * (256 + 16 + 255 + 15)


def test_whole_streams(watch: Watch, tiny_bundle: Bundle) -> None:
    codec = Codec(coarse_part(tiny_bundle), enhancer=darker)
    picture = smooth_picture(*SIZE)
    choices = (
        codec.settings,
        container_settings(codec, layers=2, residual="centred", residual_bits=10, weights="car=4"),
        container_settings(codec, label_scale=4, prediction_gain=0.5, residual="centred"),
    )
    streams = [codec.encode(picture, LABELS, how) for how in choices]
    streams[2] = enhanced(streams[2])
    whole = [codec.decode(stream) for stream in streams]
    for made in whole:
        assert made.picture is not None

    @fuzz(150)
    @given(st.integers(0, 2), MUTATIONS, st.booleans())
    def run(which: int, mutations: list[Mutation], forge: bool) -> None:
        data = mutated(streams[which], mutations)
        data = with_right_checksums(data) if forge else data
        pixels = declared_pixels(data)
        if pixels > 1 << 14:
            return
        made = watch(codec.decode, data, max(pixels, SIZE[0] * SIZE[1]))
        if made is None:
            return
        if forge:
            assert made.labels.size == pixels  # type: ignore[attr-defined]
            return
        # Nothing forged: what decodes is the stream's own layers, and says how far.
        for part in ("labels", "compact", "coarse"):
            if getattr(made, part) is not None:
                np.testing.assert_array_equal(getattr(made, part), getattr(whole[which], part))
        if made.upto == whole[which].upto:  # type: ignore[attr-defined]
            np.testing.assert_array_equal(made.picture, whole[which].picture)  # type: ignore[attr-defined]

    run()
    watch.report("whole streams")
    assert watch.outcomes["decoded"] and watch.outcomes["refused"]


def container_settings(codec: Codec, **chosen: object):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(codec.settings, **chosen)  # type: ignore[arg-type]
