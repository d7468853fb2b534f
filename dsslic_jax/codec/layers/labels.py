"""Layer s: the label map, decoded without a model; it opens with the pixel count of each class, so that a search need
not decode the map.

    classes present, less one u8 | per class, ids ascending: gap to the id before u8, samples varint | coded map

The coder sees ranks 0, 1, … of the ids present; a map of one class takes no coder. The last count is left out: the
counts sum to the samples of the map, one for each pixel or, at a label scale above 1, for each block of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.codec.coders.registry import LosslessCoder, decoder_for
from dsslic_jax.codec.label_scale import repeated
from dsslic_jax.codec.stream import container
from dsslic_jax.codec.varint import read_varint, write_varint
from dsslic_jax.errors import CoderFailed, StreamError

_WHERE = "layer s"
_ROWS = 1024


def encode_label_layer(labels: np.ndarray, coder: LosslessCoder) -> bytes:
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
    ranked = ranks[labels]
    coded = coder.encode(ranked)
    # External programs can fail without saying so: read back what they wrote.
    if not np.array_equal(coder.decode(coded, ranked.shape), ranked):
        raise CoderFailed(f"{coder.name} did not give back the label map it was given to code")
    return head + coded


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
        raise StreamError(
            f"layer s holds label {class_id}; class table {header.classes.name} has "
            f"{header.classes.num_classes}"
        )
    return counts, position


def decode_labels(
    data: bytes, codecs: str = "embedded", programs: Mapping[str, str] | None = None
) -> tuple[np.ndarray, ClassTable]:
    """Decodes layer s of a stream.

    Returns:
      s, uint8 [H, W] class ids, and the class table they follow.

    Raises:
      StreamError: not a stream, damaged, cut inside layer s, without one, or with labels its class table does not have.
      CoderUnavailable, CoderFailed: the layer's coder is missing or failed.
    """
    header = container.read_header(data)
    if header.layer("s") is None:
        raise StreamError("the stream was coded without labels: there is no layer s")
    payload = container.read_layers(data, header, "s")["s"]
    return decode_label_layer(header, payload, codecs, programs), header.classes


def decode_label_layer(
    header: container.Header, payload: bytes, codecs: str, programs: Mapping[str, str] | None
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
    ranked = decoder_for(layer.coder, codecs, programs).decode(
        payload[position:], header.label_shape
    )
    if count_labels(ranked)[: len(ids)].tolist() != [*counts.values()]:
        raise StreamError("the label map of layer s does not have the counts that it opens with")
    return repeated(ids[ranked], header.label_scale, header.height, header.width)
