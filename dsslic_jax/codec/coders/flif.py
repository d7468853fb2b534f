"""FLIF as its own command line, run through files.

Truncated or corrupt FLIF files decode with exit code 0 and write a picture; flif remarks CORRUPTION on files cut short
and for about half of all flipped bits. Each file's size is compared with what the caller expects before flif sees it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax.codec.coders.coder import Coder, Context
from dsslic_jax.codec.coders.programs import running
from dsslic_jax.codec.coders.programs.pictures import exactly, read_picture, write_pnm
from dsslic_jax.codec.varint import read_varint
from dsslic_jax.errors import CoderFailed, StreamError

FLIF = running.Program("flif", "FLIF 0.4 from https://github.com/FLIF-hub/FLIF")


def flif_size(data: bytes) -> tuple[int, int, int]:
    """Height, width and channels in a FLIF file's header; refuses animations and files cut short.

    Source: the FLIF 16 specification's main header: "FLIF", a digit for interlacing with one for channels in a byte, a
    byte for depth, then width - 1 and height - 1 as varints.
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
    """Lossless coder: FLIF 0.4's `flif` program at its best effort (-E100)."""

    def __init__(self, programs: Mapping[str, str] | None = None) -> None:
        """`programs["flif"]`: its path, otherwise PATH is searched. Raises CoderUnavailable."""
        self._flif = running.find_program(FLIF, programs)

    def encode(self, picture: np.ndarray, context: Context | None = None) -> bytes:
        """Codes uint8 [H,W] or [H,W,3]; [H,W] without interlacing (-N): maps shrink by 2-13 %."""
        source = "in.pgm" if picture.ndim == 2 else "in.ppm"
        options = ["-e", "-E100"] + (["-N"] if picture.ndim == 2 else [])
        with running.private_folder() as folder:
            (folder / source).write_bytes(write_pnm(picture))
            arguments = [*options, str(folder / source), str(folder / "out.flif")]
            data = self._run(arguments, folder, picture.size, "out.flif")[0].read_bytes()
        if flif_size(data)[:2] != picture.shape[:2]:
            raise CoderFailed("flif wrote a picture of another size than it was given")
        return data

    def decode(
        self, data: bytes, shape: tuple[int, ...], context: Context | None = None
    ) -> np.ndarray:
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
        with running.private_folder() as folder:
            (folder / "in.flif").write_bytes(data)
            arguments = ["-d", str(folder / "in.flif"), str(folder / output)]
            written, said = self._run(arguments, folder, height * width, output)
            if "CORRUPTION" in said:
                raise CoderFailed("flif found the FLIF layer cut short or corrupt")
            picture = read_picture(written, height * width * channels)
        if picture.ndim == 2 and len(shape) == 3:
            picture = np.repeat(picture[..., None], 3, axis=-1)
        return exactly(picture, shape, "flif")

    def _run(self, *arguments: Any) -> tuple[Path, str]:
        return running.run_program("flif", self._flif, *arguments)


CODER = Coder(
    name="flif",
    number=1,
    stream_name="flif",
    layers="sc",
    about="FLIF",
    needs="the program flif (FLIF 0.4)",
    open=lambda context, _: ExternalFlif(context.programs),
    version=lambda context: running.program_version(FLIF, context.programs),
    sets={"external": "sc"},
    programs=(FLIF,),
)
