"""Pictures to layered streams and back, side by side.

encode:  x, s ──CompNet──► c ──8-bit──► ĉ
         x' = round(up(ĉ) + FineNet(s, up(ĉ)))    the decoder's own path
         r = x - x' ──8-bit map──► lossy coder
         stream = header | s lossless | ĉ lossless | r lossy
decode:  stream ──► s, ĉ ──► x' ──+ r̂──► clip ──► x̂
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dsslic_jax.bundle import Bundle
from dsslic_jax.codec import container, residual
from dsslic_jax.codec.coders import LayerDecoder, LosslessCoder, coder_set, decoder_for
from dsslic_jax.codec.labels import decode_label_layer
from dsslic_jax.codec.predictor import CoarsePredictor, Segmenter
from dsslic_jax.errors import CoderFailed, DataError, StreamError
from dsslic_jax.files import MAX_PIXELS


@dataclass(frozen=True)
class Decoded:
    """What the whole layers of a stream decode to; None for what needs a layer that is not there."""

    labels: np.ndarray  # s, uint8 [H, W]
    compact: np.ndarray | None = None  # ĉ, uint8 [h, w, 3], of the padded picture
    upsampled: np.ndarray | None = None  # up(ĉ), uint8 [H, W, 3]
    coarse: np.ndarray | None = None  # x', uint8 [H, W, 3]
    picture: np.ndarray | None = None  # x̂, uint8 [H, W, 3]

    @property
    def upto(self) -> str:
        """The last layer decoded: "s", "c" or "r"."""
        return "r" if self.picture is not None else "c" if self.coarse is not None else "s"


class Codec:
    """A model's encoder and decoder. Networks compile once for each padded picture size."""

    def __init__(
        self,
        bundle: Bundle,
        codecs: str | None = None,
        programs: Mapping[str, str] | None = None,
    ) -> None:
        """`codecs`: "embedded", "external", or None to encode as the model says and to decode without bpgdec.

        `programs`: paths of external programs, see coders.py.
        """
        self.bundle = bundle
        self._predictor = CoarsePredictor(bundle)  # refuses a bundle without a coarse model
        self._codecs = codecs or bundle.coding["codecs"]
        # A stream names its coders, whatever the model's setting: programs only where they are asked for.
        self._decoders = codecs or "embedded"
        self._mapping = residual.check_mapping(bundle.coding["residual"])
        self._programs = programs
        self._segmenter = Segmenter(bundle) if bundle.segnet is not None else None

    def segment(self, picture: np.ndarray) -> np.ndarray:
        """x uint8 [H, W, 3] -> s uint8 [H, W] by the model's SegNet. Raises ModelError without one."""
        segmenter = self._segmenter or Segmenter(self.bundle)
        return segmenter(picture)

    def encode(
        self, picture: np.ndarray, labels: np.ndarray | None = None, quality: int | None = None
    ) -> bytes:
        """Codes a picture.

        Args:
          picture: x, uint8 [H, W, 3], any size from 1x1.
          labels: s, uint8 [H, W] class ids of the model's table; None lets SegNet make it.
          quality: of the residual, 0 (coarsest) to 100 (finest); None for the model's own.

        Raises:
          DataError: shapes, types or ids do not fit.
          ModelError: no labels and no SegNet.
          CoderUnavailable, CoderFailed: a layer coder is missing or failed.
        """
        coders = coder_set(self._codecs, self._programs)
        quality = self.bundle.coding["quality"] if quality is None else quality
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise DataError(f"a picture is uint8 [H, W, 3], not {picture.dtype} {picture.shape}")
        height, width = picture.shape[:2]
        if not 0 < height * width <= MAX_PIXELS:
            raise DataError(f"{width}x{height} pixels: the limit is {MAX_PIXELS}")
        if not 0 <= quality <= 100:
            raise DataError(f"quality is 0 to 100, not {quality}")
        labels = self.segment(picture) if labels is None else labels
        if labels.shape != (height, width):
            raise DataError(f"the picture is {width}x{height}, its label map {labels.shape[::-1]}")
        labels = self.bundle.classes.to_class_ids(labels, "label map")

        s, labels = _coded(coders.labels, labels)
        c, compact = _coded(coders.compact, self._predictor.compress(labels, picture))
        _, coarse = self._predictor.predict(labels, compact)
        mapped, residual_range = residual.to_picture(picture, coarse)
        layers = [
            ("s", coders.labels.name, s),
            ("c", coders.compact.name, c),
            (
                "r",
                coders.residual.name,
                residual.pack_range(self._mapping, residual_range)
                + coders.residual.encode(mapped, quality),
            ),
        ]
        return container.write(
            width,
            height,
            self.bundle.classes.table_id,
            self._alpha,
            self.bundle.fingerprint,
            layers,
        )

    def decode(self, data: bytes, upto: str = "r") -> Decoded:
        """Decodes the layers that `data` holds whole, as far as `upto` ("s", "c" or "r").

        Raises:
          StreamError: not a stream, damaged, or of another model.
          CoderUnavailable, CoderFailed: a layer coder is missing or failed.
        """
        header = container.read_header(data)
        layers = container.read_layers(data, header, upto)
        self._check_model(header)
        labels = decode_label_layer(header, layers["s"], self._decoders, self._programs)
        if "c" not in layers:
            return Decoded(labels)
        compact = self._decoder(header, "c").decode(
            layers["c"], self._predictor.compact_shape(header.height, header.width)
        )
        upsampled, coarse = self._predictor.predict(labels, compact)
        if "r" not in layers:
            return Decoded(labels, compact, upsampled, coarse)
        residual_range, coded = residual.unpack_range(layers["r"])
        mapped = self._decoder(header, "r").decode(coded, (header.height, header.width, 3))
        picture = residual.add_picture(coarse, mapped, residual_range)
        return Decoded(labels, compact, upsampled, coarse, picture)

    @property
    def _alpha(self) -> int:
        assert self.bundle.model is not None
        return int(self.bundle.model["alpha"])

    def _decoder(self, header: container.Header, kind: str) -> LayerDecoder:
        coder = header.layers[container.LAYER_ORDER.index(kind)].coder
        return decoder_for(coder, self._decoders, self._programs)

    def _check_model(self, header: container.Header) -> None:
        if header.fingerprint != self.bundle.fingerprint:
            raise StreamError(
                f"the stream was made with model {header.fingerprint.hex()}, this one is "
                f"{self.bundle.fingerprint.hex()}: give the model directory it was made with"
            )
        if header.alpha != self._alpha or header.table_id != self.bundle.classes.table_id:
            raise StreamError("the stream's header contradicts the model of its fingerprint")


def _coded(coder: LosslessCoder, array: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A layer's bytes and what a decoder will have of it. External coders can fail without saying so."""
    payload = coder.encode(array)
    decoded = coder.decode(payload, array.shape)
    if not np.array_equal(decoded, array):
        raise CoderFailed(f"{coder.name} did not give back what it was given to code")
    return payload, decoded
