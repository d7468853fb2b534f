"""The external coders: FLIF and BPG as their own command lines, run through files.

Both programs report damage badly: truncated or corrupt FLIF and BPG files decode with exit code 0
and write a picture. flif remarks CORRUPTION on files cut short and for about half of all
flipped bits; bpgdec says nothing. So no coder here can be relied on to detect a flipped bit; the
container's CRC does. Sizes are read from each file's header and compared with what the caller
expects before a program sees the file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dsslic_jax.codec.coders.bpg.bit_depth import narrow, widen
from dsslic_jax.codec.coders.bpg.embedded import (
    COLOURS,
    check_request,
    check_stored_size,
    pad_to_min_side,
    stored_size,
)
from dsslic_jax.codec.coders.programs.png import read_png_48, write_png
from dsslic_jax.codec.coders.programs.pnm import MAX_HEADER_BYTES, read_pnm, write_pnm
from dsslic_jax.codec.coders.programs.running import find_program, run_program
from dsslic_jax.codec.varint import read_varint
from dsslic_jax.errors import CoderFailed, StreamError


def flif_size(data: bytes) -> tuple[int, int, int]:
    """Height, width and channels in a FLIF file's header; refuses animations and files cut short.

    Source: the FLIF 16 specification's main header: "FLIF", a digit for interlacing with one for
    channels in a byte, a byte for depth, then width - 1 and height - 1 in groups of seven bits,
    high first.
    """
    if data[:4] != b"FLIF" or len(data) < 8:
        raise CoderFailed("the layer is not a FLIF file, or is cut short inside its header")
    kind, channels = data[4] >> 4, data[4] & 0xF
    if kind not in (3, 4) or channels not in (1, 3) or data[5:6] != b"1":
        raise CoderFailed("the FLIF layer is not a still 8-bit picture of one or three channels")
    try:
        width_below, position = read_varint(data, 6, "the FLIF layer's header")
        height_below, _ = read_varint(data, position, "the FLIF layer's header")
    except StreamError as error:
        raise CoderFailed(str(error)) from error
    return height_below + 1, width_below + 1, channels


class ExternalFlif:
    """Lossless coder, name "flif": FLIF 0.4's `flif` program at its best effort (-E100)."""

    name = "flif"

    def __init__(self, programs: Mapping[str, str] | None = None) -> None:
        """`programs["flif"]`: its path, otherwise PATH is searched. Raises CoderUnavailable."""
        self._flif = find_program("flif", programs)

    def encode(self, picture: np.ndarray) -> bytes:
        """Codes uint8 [H,W] or [H,W,3]; [H,W] without interlacing (-N): maps shrink by 2-13 %."""
        source = "in.pgm" if picture.ndim == 2 else "in.ppm"
        options = ["-e", "-E100"] + (["-N"] if picture.ndim == 2 else [])
        with tempfile.TemporaryDirectory(prefix="dsslic-") as name:
            folder = Path(name)
            (folder / source).write_bytes(write_pnm(picture))
            arguments = [*options, str(folder / source), str(folder / "out.flif")]
            written, _ = run_program(
                "flif", self._flif, arguments, folder, picture.size, "out.flif"
            )
            data = written.read_bytes()
        if flif_size(data)[:2] != picture.shape[:2]:
            raise CoderFailed("flif wrote a picture of another size than it was given")
        return data

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Decodes to uint8 of exactly `shape`, [H,W] or [H,W,3].

        FLIF stores a colour picture with R = G = B as one channel; `shape` brings the three back.
        Raises CoderFailed for another size (before decoding) and for damage that FLIF notices.
        """
        height, width, channels = flif_size(data)
        if (height, width) != shape[:2] or (len(shape) == 2 and channels == 3):
            raise CoderFailed(
                f"the FLIF layer is {width}x{height} with {channels} channels where shape {shape} "
                "was expected"
            )
        output = "out.pgm" if channels == 1 else "out.ppm"
        with tempfile.TemporaryDirectory(prefix="dsslic-") as name:
            folder = Path(name)
            (folder / "in.flif").write_bytes(data)
            arguments = ["-d", str(folder / "in.flif"), str(folder / output)]
            written, said = run_program(
                "flif", self._flif, arguments, folder, height * width, output
            )
            if "CORRUPTION" in said:
                raise CoderFailed("flif found the FLIF layer cut short or corrupt")
            picture = _read_picture(written, height * width * channels)
        if picture.ndim == 2 and len(shape) == 3:
            picture = np.repeat(picture[..., None], 3, axis=-1)
        return _exactly(picture, shape, "flif")


_PNG_HEADERS_BYTES = 4096
_FORMAT_OPTIONS = {
    "ycbcr444": ("-f", "444", "-c", "ycbcr"),
    "ycbcr420": ("-f", "420", "-c", "ycbcr"),
    "rgb444": ("-f", "444", "-c", "rgb"),
}


class ExternalBpg:
    """Lossy coder of the residual, name "bpg": libbpg's `bpgenc` (with x265) and `bpgdec`."""

    name = "bpg"

    def __init__(self, programs: Mapping[str, str] | None = None) -> None:
        """`programs["bpgenc"]`, `programs["bpgdec"]`: paths, otherwise PATH is searched.

        Decoding needs bpgdec alone, so only that is looked for here. Raises CoderUnavailable.
        """
        self._programs = programs
        self._bpgdec = find_program("bpgdec", programs)

    def check_encoder(self) -> None:
        """Raises CoderUnavailable if bpgenc is missing."""
        find_program("bpgenc", self._programs)

    def encode(self, picture: np.ndarray, qp: int, colour: str, bit_depth: int) -> bytes:
        """Codes [H,W,3] with the settings of `EmbeddedBpg.encode`; small sides are padded alike.

        bpgenc reads PNG and JPEG only, and crashes on pictures below 32x32.
        """
        check_request(picture, qp, colour, bit_depth)
        padded = pad_to_min_side(picture)
        with tempfile.TemporaryDirectory(prefix="dsslic-") as name:
            folder = Path(name)
            (folder / "in.png").write_bytes(write_png(padded if bit_depth == 8 else widen(padded)))
            arguments = ["-m", "8", *_FORMAT_OPTIONS[colour], "-b", str(bit_depth), "-q", str(qp)]
            arguments += ["-o", str(folder / "out.bpg"), str(folder / "in.png")]
            bpgenc = find_program("bpgenc", self._programs)
            written, _ = run_program(
                "bpgenc", bpgenc, arguments, folder, padded.shape[0] * padded.shape[1], "out.bpg"
            )
            data = written.read_bytes()
        header = check_stored_size(data, picture.shape)
        if (*COLOURS[colour], bit_depth) != (
            header.pixel_format,
            header.colour_space,
            header.bit_depth,
        ):
            raise CoderFailed("bpgenc wrote another kind of BPG file than it was asked for")
        return data

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Decodes a BPG file to exactly `shape` = (H, W, 3), cropping the padding.

        Returns uint8, or uint16 in 0..1023 where the file has 10 bits: bpgdec then writes a PNG of
        16 bits. Raises CoderFailed for another stored size (before decoding) and if bpgdec fails.
        """
        shown_bits = 8 if check_stored_size(data, shape).bit_depth == 8 else 16
        output = "out.ppm" if shown_bits == 8 else "out.png"
        stored = (*stored_size(shape), 3)
        pixels = stored[0] * stored[1]
        with tempfile.TemporaryDirectory(prefix="dsslic-") as name:
            folder = Path(name)
            (folder / "in.bpg").write_bytes(data)
            arguments = ["-b", str(shown_bits), "-o", str(folder / output), str(folder / "in.bpg")]
            written, _ = run_program("bpgdec", self._bpgdec, arguments, folder, pixels, output)
            if shown_bits == 8:
                picture = _exactly(_read_picture(written, pixels * 3), stored, "bpgdec")
            else:
                _check_length(written, pixels * 7 + _PNG_HEADERS_BYTES)  # noise grows a little
                picture = narrow(read_png_48(written.read_bytes(), stored))
        return picture[: shape[0], : shape[1]]


def _read_picture(path: Path, samples: int) -> np.ndarray:
    """Reads a PGM or PPM of `samples` bytes of pixels, looking at the file's length first."""
    _check_length(path, samples + MAX_HEADER_BYTES)
    return read_pnm(path.read_bytes())


def _check_length(path: Path, most_bytes: int) -> None:
    if path.stat().st_size > most_bytes:
        raise CoderFailed("the program wrote a larger picture than its input announced")


def _exactly(picture: np.ndarray, shape: tuple[int, ...], program: str) -> np.ndarray:
    if picture.shape != shape:
        raise CoderFailed(f"{program} wrote shape {picture.shape} where {shape} was expected")
    return picture
