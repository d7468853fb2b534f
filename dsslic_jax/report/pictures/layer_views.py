"""The layers of one of our streams as pictures, with the bits of each: for the layer view of a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dsslic_jax.codec.coders.bpg.planes import ycbcr_to_rgb
from dsslic_jax.codec.layers.labels import count_labels
from dsslic_jax.codec.layers.residual import read_opening
from dsslic_jax.codec.stream import container
from dsslic_jax.metrics import bits_per_pixel
from dsslic_jax.models.parts import COARSE
from dsslic_jax.report.pictures.images import (
    LOSSY_QUALITY,
    BesidePage,
    InsidePage,
    palette_png,
    reduced,
    webp,
)

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec, Decoded

RESIDUAL_GAIN = 2
_GREY = 128


def layer_view(
    data: bytes,
    decoded: Decoded,
    codec: Codec,
    page: InsidePage | BesidePage,
    max_side: int | None = None,
) -> dict[str, Any]:
    """What layers.js shows of a stream, `data`, as far as its layers were decoded by `codec`.

    `max_side`: reduce pictures to this and code them lossily; None keeps every pixel without loss.
    """
    header = decoded.header
    views = [] if decoded.labels is None else [_labels_view(decoded, page, max_side)]
    for name, note, pixels in _pictures(data, decoded, codec):
        small = pixels if max_side is None else reduced(pixels, max_side)
        url = page.put(webp(small, lossless=max_side is None), "image/webp")
        is_compact = name == "c"  # shown enlarged, pixel by pixel
        views.append({"name": name, "note": note, "src": url, "pixels": is_compact, **_size(small)})
    return {
        "facts": _facts(decoded, max_side),
        "width": header.width,
        "height": header.height,
        "layers": [
            {"name": name, "coder": coder, "bytes": length}
            | {"bits_per_pixel": bits_per_pixel(length, header.height, header.width)}
            for name, coder, length in (
                ("header", None, header.size),
                *((layer.name, layer.coder, layer.length) for layer in header.layers),
            )
        ],
        "views": views,
        "classes": [] if decoded.labels is None else _classes(decoded.labels, header),
    }


def _facts(decoded: Decoded, max_side: int | None) -> str:
    header = decoded.header
    length = header.size + sum(layer.length for layer in header.layers)
    rate = bits_per_pixel(length, header.height, header.width)
    shown = (
        "Pictures below are kept without loss."
        if max_side is None
        else f"Pictures are reduced to {max_side} px and coded as WebP, quality {LOSSY_QUALITY}; labels to every "
        "few pixels, without loss."
    )
    cut = "" if decoded.complete else f" Cut after layer {decoded.upto}."
    return (
        f"{header.width} × {header.height}, {length} bytes, {rate:.4f} bits per pixel in all, model "
        f"{header.fingerprint.hex()}, classes {header.classes.name}.{cut} {shown}"
    )


def _labels_view(
    decoded: Decoded, page: InsidePage | BesidePage, max_side: int | None
) -> dict[str, Any]:
    labels = decoded.labels
    assert labels is not None
    step = 1 if max_side is None else -(-max(labels.shape) // max_side)
    small = np.ascontiguousarray(labels[::step, ::step])
    url = page.put(palette_png(small, decoded.header.classes.palette), "image/png")
    origin = "made by the decoder from c" if decoded.header.labels_at_decoder else "layer s"
    if (scale := decoded.header.label_scale) > 1:
        origin += f", one label for each {scale} × {scale} pixels"
    view = {"name": "s", "note": f"label map, {origin}", "src": url, "pixels": False}
    return {**view, **_size(small)}


def _pictures(data: bytes, decoded: Decoded, codec: Codec) -> Iterator[tuple[str, str, np.ndarray]]:
    """(name, what it is, uint8 [H, W, 3]) of every picture that the stream decodes to, in order."""
    if decoded.compact is None or decoded.coarse is None:
        return
    compact, header = decoded.compact, decoded.header
    model = codec.bundle.settings(COARSE)
    made = "averages of the picture's blocks" if model.compact == "mean" else "CompNet's image"
    note = f"compact image, layer c: {made}, 1/{header.alpha} of it a side"
    if header.colour == "ycbcr":
        compact = ycbcr_to_rgb([compact[..., i] for i in range(3)], 8, 8)
        note += ", YCbCr shown as RGB"
    yield "c", note, compact
    if model.finenet_width:
        yield "c'", "c enlarged, without a network", codec.upsample(decoded)
        yield "x'", "coarse picture: c' with FineNet's detail", decoded.coarse
    else:
        yield "x'", "coarse picture: c enlarged; the model has no FineNet", decoded.coarse
    if decoded.picture is None:
        return
    difference = decoded.picture.astype(np.int16) - decoded.coarse
    shown = np.clip(_GREY + RESIDUAL_GAIN * difference, 0, 255).astype(np.uint8)
    yield "x̂ - x'", f"their difference {RESIDUAL_GAIN} times, clipped; grey is none", shown
    yield "x̂", f"decoded picture: {_made_of(data, decoded)}", decoded.picture


def _made_of(data: bytes, decoded: Decoded) -> str:
    """How x̂ comes of the residual layers, which say so themselves."""
    payloads = container.read_layers(data, decoded.header, decoded.upto)
    openings = {name: read_opening(payloads[name])[0] for name in payloads if name[0] == "r"}
    first = openings["r1"].prediction_gain
    own: dict[float, str] = {0: "r1 holds the picture itself", 1: "r1 is added to x'"}
    text = own.get(first, f"r1 is added to a share of {first:g} of x'")
    if rest := [*openings][1:]:
        text += f", {' + '.join(rest)} to that"
    if enhanced := [name for name, opening in openings.items() if opening.strength is not None]:
        text += f"; EnhanceNet corrects what {' and '.join(enhanced)} decodes to"
    return text


def _size(pixels: np.ndarray) -> dict[str, int]:
    return {"width": pixels.shape[1], "height": pixels.shape[0]}


def _classes(labels: np.ndarray, header: container.Header) -> list[dict[str, Any]]:
    """Name, colour and share of each class present, the largest first."""
    counts = count_labels(labels)
    present = sorted(np.flatnonzero(counts), key=lambda i: -counts[i])
    return [
        {
            "name": header.classes.names[i],
            "colour": list(header.classes.palette[i]),
            "share": int(counts[i]) / labels.size,
        }
        for i in present
    ]
