"""BPG by the programs of libbpg, run through files.

bpgdec decodes truncated and corrupt files with exit code 0, saying nothing. Each file's size is compared with what the
caller expects before bpgdec sees it.
"""

from collections.abc import Mapping

import numpy as np

from dsslic_jax.codec.coders.bpg import embedded
from dsslic_jax.codec.coders.bpg.planes import narrow, widen
from dsslic_jax.codec.coders.programs.pictures import (
    check_length,
    exactly,
    read_picture,
    read_png_48,
    write_png,
)
from dsslic_jax.codec.coders.programs.running import (
    Program,
    find_program,
    private_folder,
    run_program,
)
from dsslic_jax.codec.tiles import pad_edge
from dsslic_jax.errors import CoderFailed

BPGENC, BPGDEC = (
    Program(name, "libbpg 0.9.8 from https://bellard.org/bpg") for name in ("bpgenc", "bpgdec")
)
_PNG_HEADERS_BYTES = 4096
_FORMAT_OPTIONS = {
    "ycbcr444": ("-f", "444", "-c", "ycbcr"),
    "ycbcr420": ("-f", "420", "-c", "ycbcr"),
    "rgb444": ("-f", "444", "-c", "rgb"),
}


class ExternalBpg:
    """BPG files by libbpg's `bpgenc` (with x265) and `bpgdec`."""

    def __init__(self, programs: Mapping[str, str] | None = None) -> None:
        """`programs["bpgenc"]`, `programs["bpgdec"]`: paths, otherwise PATH is searched.

        Decoding needs bpgdec alone, so only that is looked for here. Raises CoderUnavailable.
        """
        self._programs = programs
        self._bpgdec = find_program(BPGDEC, programs)

    def encode(self, picture: np.ndarray, qp: int, colour: str, bit_depth: int) -> bytes:
        """Codes [H,W,3] with the settings of `EmbeddedBpg.encode`; small sides are padded alike.

        bpgenc reads PNG and JPEG only, and crashes on pictures below 32x32.
        """
        embedded.check_request(picture, qp, colour, bit_depth)
        padded = pad_edge(picture, embedded.stored_size(picture.shape))
        with private_folder() as folder:
            (folder / "in.png").write_bytes(write_png(padded if bit_depth == 8 else widen(padded)))
            arguments = ["-m", "8", *_FORMAT_OPTIONS[colour], "-b", str(bit_depth), "-q", str(qp)]
            arguments += ["-o", str(folder / "out.bpg"), str(folder / "in.png")]
            bpgenc = find_program(BPGENC, self._programs)
            written, _ = run_program(
                "bpgenc", bpgenc, arguments, folder, padded.shape[0] * padded.shape[1], "out.bpg"
            )
            data = written.read_bytes()
        header = embedded.check_stored_size(data, picture.shape)
        kind = header.pixel_format, header.colour_space, header.bit_depth
        if kind != (*embedded.COLOURS[colour], bit_depth):
            raise CoderFailed("bpgenc wrote another kind of BPG file than it was asked for")
        return data

    def decode(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Decodes as `EmbeddedBpg.decode` does; of 10 bits bpgdec writes a PNG of 16.

        Raises CoderFailed for another stored size (before decoding) and if bpgdec fails.
        """
        shown_bits = 8 if embedded.check_stored_size(data, shape).bit_depth == 8 else 16
        output = "out.ppm" if shown_bits == 8 else "out.png"
        stored = (*embedded.stored_size(shape), 3)
        pixels = stored[0] * stored[1]
        with private_folder() as folder:
            (folder / "in.bpg").write_bytes(data)
            arguments = ["-b", str(shown_bits), "-o", str(folder / output), str(folder / "in.bpg")]
            written, _ = run_program("bpgdec", self._bpgdec, arguments, folder, pixels, output)
            if shown_bits == 8:
                picture = exactly(read_picture(written, pixels * 3), stored, "bpgdec")
            else:
                check_length(written, pixels * 7 + _PNG_HEADERS_BYTES)  # noise grows a little
                picture = narrow(read_png_48(written.read_bytes(), stored))
        return picture[: shape[0], : shape[1]]
