"""The page of one stream: its layers at full size, without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsslic_jax.report.descriptions import LAYERS_TEXT
from dsslic_jax.report.page import page
from dsslic_jax.report.pictures.images import InsidePage
from dsslic_jax.report.pictures.layer_views import layer_view

if TYPE_CHECKING:
    from dsslic_jax.codec.codec import Codec


def inspect_page(name: str, data: bytes, codec: Codec) -> str:
    """The HTML of a page on the layers of a stream called `name`, or on those that `data` holds whole.

    Raises:
        StreamError: not a stream, damaged, or of another model.
        CoderUnavailable, CoderFailed: a layer coder is missing or failed.
        DataError: a side above WebP's 16383 pixels.
    """
    view = {"name": name, **layer_view(data, codec.decode(data), codec, InsidePage())}
    content = {
        "subtitle": "What a layered stream holds",
        "layers": [view],
        "layers_text": LAYERS_TEXT,
        "notes": [],
        "conditions": [],
    }
    return page(f"Layers of {name}", content)
