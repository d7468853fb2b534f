"""Layer s: the label map alone, decoded without a model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dsslic_jax.classes import ClassTable, class_table_by_id
from dsslic_jax.codec import container
from dsslic_jax.codec.coders import decoder_for
from dsslic_jax.errors import StreamError


def decode_labels(
    data: bytes, codecs: str = "embedded", programs: Mapping[str, str] | None = None
) -> tuple[np.ndarray, ClassTable]:
    """Decodes layer s of a stream.

    Returns:
      s, uint8 [H, W] class ids, and the class table they follow.

    Raises:
      StreamError: not a stream, damaged, cut inside layer s, or with labels its class table does not have.
      CoderUnavailable, CoderFailed: the layer's coder is missing or failed.
    """
    header = container.read_header(data)
    payload = container.read_layers(data, header, "s")["s"]
    return decode_label_layer(header, payload, codecs, programs), class_table_by_id(header.table_id)


def decode_label_layer(
    header: container.Header, payload: bytes, codecs: str, programs: Mapping[str, str] | None
) -> np.ndarray:
    """s, uint8 [H, W], from the bytes of layer s. Raises as `decode_labels` does."""
    table = class_table_by_id(header.table_id)
    decoder = decoder_for(header.layers[0].coder, codecs, programs)
    labels = decoder.decode(payload, (header.height, header.width))
    if labels.max() >= table.num_classes:
        raise StreamError(
            f"layer s holds label {labels.max()}; class table {table.name} has {table.num_classes}"
        )
    return labels
