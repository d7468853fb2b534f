"""Layer s: the label map, decoded without a model. docs/format.md has the bytes.

It opens with the count of each class, so that a search need not decode the map.
"""

import math

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.codec.coders.coder import Context, LosslessCoder, encode_exactly
from dsslic_jax.codec.coders.registry import OpenCoders
from dsslic_jax.codec.label_scale import repeated
from dsslic_jax.codec.stream import container
from dsslic_jax.codec.varint import read_varint, write_varint
from dsslic_jax.errors import StreamError

_WHERE = "layer s"
_ROWS = 1024


def encode_label_layer(
    labels: np.ndarray, coder: LosslessCoder, context: Context | None = None
) -> bytes:
    """s at its label scale, uint8 class ids -> the bytes of layer s. Raises CoderFailed if the coder loses anything."""
    counts = count_labels(labels)
    ids = np.flatnonzero(counts)
    head = bytes([len(ids) - 1])
    for i, gap in enumerate(np.diff(ids, prepend=0)):
        head += bytes([gap])
        if i < len(ids) - 1:
            head += write_varint(int(counts[ids[i]]))
    if len(ids) == 1:
        return head
    ranks = np.zeros(256, np.uint8)
    ranks[ids] = np.arange(len(ids))
    return head + encode_exactly(coder, ranks[labels], context or Context(), "s")


def count_labels(labels: np.ndarray) -> np.ndarray:
    """Pixels of each label 0..255 in a map, int64 [256]."""
    counts = np.zeros(256, np.int64)
    for row in range(0, len(labels), _ROWS):  # bincount takes eight bytes a pixel
        counts += np.bincount(labels[row : row + _ROWS].ravel(), minlength=256)
    return counts


def read_counts(payload: bytes, header: container.Header) -> tuple[dict[int, int], int]:
    """Samples of each class id present in layer s, and the position where the coded map begins.

    `payload` may be the beginning of the layer. Raises StreamError for counts that cannot be.
    """
    if not payload:
        raise StreamError("layer s is empty")
    counts: dict[int, int] = {}
    present, position, class_id = payload[0] + 1, 1, 0
    samples_left = math.prod(header.label_shape)
    for i in range(present):
        if position >= len(payload):
            raise StreamError("layer s is cut short inside its counts")
        gap, position = payload[position], position + 1
        class_id += gap
        samples = samples_left
        if i < present - 1:
            samples, position = read_varint(payload, position, _WHERE)
        if (not gap and counts) or not 0 < samples <= samples_left:
            raise StreamError("layer s opens with counts that cannot be")
        counts[class_id] = samples
        samples_left -= samples
    if class_id >= header.classes.num_classes:
        has = f"class table {header.classes.name} has {header.classes.num_classes}"
        raise StreamError(f"layer s holds label {class_id}; {has}")
    return counts, position


def decode_labels(data: bytes, coders: OpenCoders | None = None) -> tuple[np.ndarray, ClassTable]:
    """s of a stream, uint8 [H, W] class ids, and the class table they follow; by default with the default coders.

    Raises StreamError where it is not a stream, damaged, cut inside layer s, without one, or with labels that its class
    table does not have; CoderUnavailable or CoderFailed where the layer's coder is missing or failed.
    """
    header = container.read_header(data)
    if header.layer("s") is None:
        raise StreamError("the stream was coded without labels: there is no layer s")
    payload = container.read_layers(data, header, "s")["s"]
    return decode_label_layer(header, payload, coders), header.classes


def decode_label_layer(
    header: container.Header, payload: bytes, coders: OpenCoders | None = None
) -> np.ndarray:
    """s, uint8 [H, W], from the bytes of layer s. Raises as `decode_labels` does."""
    layer = header.layer("s")
    assert layer is not None
    counts, position = read_counts(payload, header)
    ids = np.array([*counts], np.uint8)
    if len(ids) == 1:
        if position != len(payload):
            raise StreamError("bytes follow the label map of layer s")
        return np.full((header.height, header.width), ids[0], np.uint8)
    coders = coders or OpenCoders()
    decoder, context = coders.decoder("s", layer.coder), coders.context_of("s")
    ranked = decoder.decode(payload[position:], header.label_shape, context)
    if count_labels(ranked)[: len(ids)].tolist() != [*counts.values()]:
        raise StreamError("the label map of layer s does not have the counts that it opens with")
    return repeated(ids[ranked], header.label_scale, header.height, header.width)
