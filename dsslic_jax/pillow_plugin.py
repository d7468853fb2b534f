"""`.dsslic` files as a format of Pillow's: `import dsslic_jax.pillow_plugin`, then `Image.open` and `Image.save`.

    image = Image.open("picture.dsslic")                 # reads the header; pixels by the known model, when asked for
    image.save("copy.dsslic", model="model", quality=40)

`save` takes what `dsslic_jax.encode` takes. A stream that was cut is a truncated file to Pillow: an error, or with
`ImageFile.LOAD_TRUNCATED_IMAGES` what its whole layers give.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFile

from dsslic_jax import api
from dsslic_jax.codec.stream.container import MAGIC, read_header_of
from dsslic_jax.errors import DsslicError
from dsslic_jax.pictures.metadata import save_options

if TYPE_CHECKING:
    from dsslic_jax.api import Model

FORMAT = "DSSLIC"
_DECODER = "dsslic"


class DsslicImageFile(ImageFile.ImageFile):
    """A `.dsslic` file: mode RGB, or L of a grey picture.

    `info` holds "classes" (the class table's name), "layers" (their names), "fingerprint" (of the model, hexadecimal)
    and, where the stream carries them, "icc_profile" and "exif".
    """

    format = FORMAT
    format_description = "Semantic layered image compression"

    def _open(self) -> None:
        assert self.fp is not None
        try:
            header, _ = read_header_of(self.fp)
        except DsslicError as error:
            self.fp.seek(0)
            if not _accept(self.fp.read(len(MAGIC))):
                raise SyntaxError(str(error)) from error  # asks Pillow to try its other formats
            raise OSError(str(error)) from error
        self._size = header.width, header.height
        self._mode = "L" if header.grey else "RGB"
        self.info = {
            "classes": header.classes.name,
            "layers": tuple(layer.name for layer in header.layers),
            "fingerprint": header.fingerprint.hex(),
        }
        self.info.update(save_options(header.metadata))
        self.use_model(None)

    def use_model(self, model: Model | None) -> None:
        """Names the model to decode with; None for the one that the file names."""
        self.tile = [ImageFile._Tile(_DECODER, (0, 0, *self.size), 0, (model,))]


class _Decoder(ImageFile.PyDecoder):
    _pulls_fd = True

    def decode(self, buffer: Any) -> tuple[int, int]:
        assert self.fd is not None
        (model,) = self.args
        try:
            decoded = api.decode(self.fd.read(), model)
        except (DsslicError, MemoryError) as error:
            raise OSError(str(error) or "not enough memory") from error
        if decoded.pixels is None or not (decoded.complete or ImageFile.LOAD_TRUNCATED_IMAGES):
            raise OSError(f"image file is truncated: its last whole layer is {decoded.upto}")
        self.set_as_raw(np.ascontiguousarray(decoded.pixels).tobytes())
        return -1, 0  # finished, no error


def open(path: str | Path, model: Model | None = None) -> Image.Image:
    """Opens a `.dsslic` file as a picture of Pillow's; pixels are decoded when they are first asked for.

    Args:
      path: the file.
      model: as `dsslic_jax.decode` has it; None for the model that the file names.

    Raises:
      OSError: missing, not a `.dsslic` file, or damaged; also later, when its pixels cannot be decoded.
    """
    image = Image.open(path, formats=(FORMAT,))
    assert isinstance(image, DsslicImageFile)
    image.use_model(model)
    return image


def register() -> None:
    """Makes `.dsslic` a format of Pillow's; importing this module has done so."""
    Image.register_open(FORMAT, DsslicImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_decoder(_DECODER, _Decoder)
    Image.register_extension(FORMAT, ".dsslic")
    Image.register_mime(FORMAT, "image/x-dsslic")


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    file.write(api.encode(image, **image.encoderinfo))


register()
