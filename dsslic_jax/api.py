"""Pictures to `.dsslic` bytes and back from Python: `dsslic_jax.encode` and `dsslic_jax.decode`."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from dsslic_jax.bundle import known as known_models
from dsslic_jax.classes.table import ClassTable
from dsslic_jax.codec.layers.labels import decode_labels
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import DataError, ModelError
from dsslic_jax.pictures.files import Source, read_source
from dsslic_jax.pictures.metadata import save_options
from dsslic_jax.pictures.reading import read_label_map
from dsslic_jax.pictures.writing import one_channel
from dsslic_jax.system import runtime
from dsslic_jax.system.untrusted import read_regular

if TYPE_CHECKING:
    from dsslic_jax.bundle.model import Bundle
    from dsslic_jax.codec.codec import Codec

    Model = str | Path | Bundle | Codec

_KEPT_CODECS = 4


@dataclass(frozen=True)
class Picture:
    """What a stream decodes to; None for what needs a layer that was not decoded."""

    upto: str  # the last layer decoded: "s", "c", "r1", …
    complete: bool  # False where the data are cut before the end of the layer asked for
    classes: ClassTable  # of the labels
    pixels: np.ndarray | None  # the finest picture, uint8 [H, W, 3], or [H, W] of a grey one
    labels: np.ndarray | None  # s, uint8 [H, W] class ids; None also where the stream has none
    # ĉ, uint8 [ceil(H/alpha), ceil(W/alpha), 3], as networks see it
    compact: np.ndarray | None = None
    coarse: np.ndarray | None = None  # x', uint8 [H, W, 3]
    metadata: Mapping[str, bytes] = field(default_factory=dict)  # as `pictures.metadata` has them

    def image(self) -> Image.Image:
        """The finest picture for Pillow, metadata in its `info`; a palette picture of labels where there is none."""
        if self.pixels is not None:
            image = Image.fromarray(self.pixels)
            image.info.update(save_options(self.metadata))
            return image
        assert self.labels is not None  # a stream decodes to something or is refused
        image = Image.fromarray(self.labels)
        image.putpalette([level for colour in self.classes.palette for level in colour])
        return image


def encode(
    image: np.ndarray | Image.Image | str | Path | BinaryIO,
    model: Model | None = None,
    *,
    labels: np.ndarray | Image.Image | str | Path | None = None,
    quality: float | None = None,
    target_bits_per_pixel: float | None = None,
    target_psnr_db: float | None = None,
    metadata: str = "usual",
    alpha: str = "refuse",
    deep: str = "refuse",
    label_layer: str | None = None,
    **coding: Any,
) -> bytes:
    """Codes a picture.

    Args:
      image: uint8 array [H, W, 3] or [H, W], a picture of Pillow's, or a picture file.
      model: a model directory, which is kept loaded for later calls and remembered for `decode`, or a bundled model's
        name; or a Bundle or Codec; None for the bundled default.
      labels: s, uint8 [H, W] class ids of the model's table, as an array, a grey or palette picture of Pillow's or a
        label map PNG; None lets SegNet make it.
      quality: of the residual, 0 (coarsest) to 100 (finest); None for the model's own.
      target_bits_per_pixel: instead of a quality: size of the stream, met within 2 %.
      target_psnr_db: instead of a quality: RGB PSNR of the decoded picture, met within 0.1 dB.
      metadata, alpha, deep: as `pictures.files.read_source` has them.
      label_layer: "sent", "none" or "decoder": the setting that `CodingSettings` calls labels.
      coding: any other setting of `CodingSettings`, such as layers=3 or weights="person=4".

    Raises:
      DataError: a picture or label map that cannot be used as it is.
      ConfigError: unknown or contradicting settings, or a target out of reach.
      ModelError: no model directory, or no SegNet where it is needed.
      CoderUnavailable, CoderFailed: a layer coder is missing or failed.
    """
    if not isinstance(image, np.ndarray | Image.Image | str | Path) and not hasattr(image, "read"):
        raise DataError(
            f"a picture is an array, a picture of Pillow's or a file, not {image!r:.99}"
        )
    if isinstance(image, np.ndarray):
        source = _source_of(image)
    else:
        file = Path(image) if isinstance(image, str) else image
        source = read_source(
            file, alpha=alpha, deep=deep, metadata=metadata, labelled=labels is not None
        )
    codec = _codec_of(known_models.default_model() if model is None else model)
    from dsslic_jax.codec.settings import coding_settings

    settings = coding_settings(
        codec.bundle.coding,
        quality=quality,
        target_bits_per_pixel=target_bits_per_pixel,
        target_psnr_db=target_psnr_db,
        labels=label_layer,
        **coding,
    )
    if isinstance(labels, str | Path):
        labels = read_label_map(Path(labels), codec.bundle.classes)
    elif isinstance(labels, Image.Image) and labels.mode in ("L", "P"):
        labels = codec.bundle.classes.to_class_ids(np.asarray(labels), "labels")
    elif labels is not None and not isinstance(labels, np.ndarray):
        raise DataError(
            f"a label map is an array [H, W], a grey picture or a file, not {labels!r:.99}"
        )
    return codec.encode(source.pixels, labels, settings, source.grey, source.metadata)


def decode(
    data: bytes | bytearray | memoryview | str | Path | BinaryIO,
    model: Model | None = None,
    upto: str = "r",
) -> Picture:
    """Decodes a stream, or as many whole layers as are there of one that was cut.

    Args:
      data: the stream, its file, or the path of that.
      model: as `encode` has it; None for the model that the stream names, if this user has encoded with it or
        trained it. Not looked at for `upto="s"`.
      upto: the last layer to decode, "s", "c", "r1", …, or "r" for all.

    Raises:
      StreamError: not a stream, damaged, of another model, without such a layer, or cut inside the first.
      ModelError: no model directory, or an unknown model.
      CoderUnavailable, CoderFailed: a layer coder is missing or failed.
    """
    if isinstance(data, str | Path):
        data = Path(data).read_bytes()
    elif hasattr(data, "read"):
        data = data.read()
    if not isinstance(data, bytes | bytearray | memoryview):
        raise DataError(f"a stream is bytes, a file or its path, not {data!r:.99}")
    data = bytes(data)
    if upto == "s":
        labels, classes = decode_labels(data)
        return Picture("s", True, classes, None, labels)
    header = container.read_header(data)
    codec = _codec_of(known_models.find(header.fingerprint) if model is None else model)
    decoded = codec.decode(data, upto)
    pixels = decoded.finest
    return Picture(
        upto=decoded.upto,
        complete=decoded.complete,
        classes=header.classes,
        pixels=one_channel(pixels) if header.grey and pixels is not None else pixels,
        labels=decoded.labels,
        compact=decoded.compact,
        coarse=decoded.coarse,
        metadata=header.metadata,
    )


def _source_of(array: np.ndarray) -> Source:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        raise DataError(
            f"a picture is a uint8 array [H, W, 3] or [H, W], not {array.dtype} {array.shape}"
        )
    if array.ndim == 2:
        return Source(np.repeat(array[..., None], 3, axis=2), grey=True)
    return Source(array)


_codecs: OrderedDict[Any, Codec] = OrderedDict()  # those used last, by model
_codecs_turn = threading.Lock()


def _codec_of(model: Model) -> Codec:
    """The codec of a model; that of a directory or Bundle met before still has its compiled networks."""
    runtime.prepare()
    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.bundle.model import Bundle
    from dsslic_jax.codec.codec import Codec

    if isinstance(model, Codec):
        return model
    if isinstance(model, Bundle):
        key: Any = id(model)  # its codec keeps it alive
    else:
        model = known_models.model_directory(model)
        try:
            # It names the weights by their hash.
            key = read_regular(model / bundle.DESCRIPTION, bundle.MOST_BYTES[bundle.DESCRIPTION])
        except (OSError, DataError) as error:
            raise ModelError(
                f"{model} is not a model directory: no readable model.json in it"
            ) from error
    with _codecs_turn:
        if key not in _codecs:
            if isinstance(model, Path):
                loaded = bundle.load(model)
                known_models.remember(loaded.fingerprints, model)
                model = loaded
            _codecs[key] = Codec(model)
            if len(_codecs) > _KEPT_CODECS:
                _codecs.popitem(last=False)
        _codecs.move_to_end(key)
        return _codecs[key]
