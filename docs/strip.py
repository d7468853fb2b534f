"""The strip of pictures that README shows: python docs/strip.py PICTURE STRIP.png

What the stream of a picture's square middle holds, layer by layer, beside a JPEG file of no fewer bytes. README's is of
`chelsea.png`, which comes with scikit-image (CC0, by Stefan van der Walt).
"""

import io
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

import dsslic_jax
from dsslic_jax.codec.stream.container import layer_lengths

QUALITY = 20.0
MARGIN, CAPTION = 6, 40  # pixels


def smallest_jpeg(picture: Image.Image, least_bytes: int) -> bytes:
    """The JPEG file of the lowest quality that takes at least so many bytes."""
    for quality in range(1, 96):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if len(file.getvalue()) >= least_bytes:
            break
    return file.getvalue()


def panels(picture: Image.Image) -> list[tuple[str, Image.Image]]:
    """Captions of two lines, and pictures."""
    data = dsslic_jax.encode(np.asarray(picture), quality=QUALITY)
    size = layer_lengths(data)
    decoded = dsslic_jax.decode(data)
    labels = Image.fromarray(decoded.labels)
    labels.putpalette(np.array(decoded.classes.palette, np.uint8).tobytes())
    small = smallest_jpeg(picture, len(data))
    return [
        (f"original\n{picture.width * picture.height * 3:,} bytes of pixels", picture),
        (f"labels\n{size['s']} bytes", labels.convert("RGB")),
        (f"preview\n{size['c']} bytes more", Image.fromarray(decoded.coarse)),
        (f"decoded\n{len(data):,} bytes in all", Image.fromarray(decoded.pixels)),
        (f"JPEG\n{len(small):,} bytes", Image.open(io.BytesIO(small))),
    ]


def main() -> None:
    """Writes the strip."""
    source, target = sys.argv[1:]
    picture = Image.open(source).convert("RGB")
    picture = ImageOps.fit(picture, (min(picture.size),) * 2)
    shown = panels(picture)
    width, height = picture.size
    strip = Image.new("RGB", (len(shown) * (width + MARGIN) - MARGIN, height + CAPTION), "white")
    draw = ImageDraw.Draw(strip)
    for i, (caption, panel) in enumerate(shown):
        left = i * (width + MARGIN)
        strip.paste(panel, (left, CAPTION))
        draw.multiline_text((left, 0), caption, fill="black", font=ImageFont.load_default(14))
    strip.save(target)


if __name__ == "__main__":
    main()
