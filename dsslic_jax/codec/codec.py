"""Pictures to layered streams and back.

encode:  x, s ──CompNet──► c ──8-bit──► ĉ
         x' = round(up(ĉ) + FineNet(s, up(ĉ)))    the decoder's own path
         r1 = x - x', r2 = x - (x' + r̂1), …  ──map to codes──► lossy coder
         stream = header | s lossless | ĉ | r1 | r2 …
decode:  stream ──► s, ĉ ──► x' ──+ r̂1──► (enhanced) ──+ r̂2──► … ──► x̂
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import jax
import numpy as np

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec import choosing, demands
from dsslic_jax.codec.coders.coder import Context, once
from dsslic_jax.codec.coders.registry import DEFAULT_SET, Choice, CoderSet, OpenCoders
from dsslic_jax.codec.label_scale import coarse_labels, repeated, simplify
from dsslic_jax.codec.layers import compact as compact_layer
from dsslic_jax.codec.layers import object_weights, residual_layers
from dsslic_jax.codec.layers.labels import decode_label_layer, encode_label_layer
from dsslic_jax.codec.networks.coarse import CoarsePredictor
from dsslic_jax.codec.networks.enhancer import NetworkEnhancer
from dsslic_jax.codec.networks.predictor import Enhancer, Predictor, Progress, no_progress
from dsslic_jax.codec.networks.segmenter import Segmenter
from dsslic_jax.codec.settings import CodingSettings, coding_settings
from dsslic_jax.codec.stream import container
from dsslic_jax.errors import DataError, StreamError
from dsslic_jax.models.parts import COARSE, ENHANCENET
from dsslic_jax.system.files import MAX_PIXELS


@dataclass(frozen=True)
class Decoded:
    """What the whole layers of a stream decode to; None for what needs a layer that is not there."""

    header: container.Header
    upto: str  # the last layer decoded: "s", "c", "r1", …
    complete: bool  # False where the data are cut before the end of the layer asked for
    labels: np.ndarray | None  # s, uint8 [H, W]; None where the stream was coded without labels
    compact: np.ndarray | None = None  # ĉ, uint8 [ceil(H/alpha), ceil(W/alpha), 3]
    picture: np.ndarray | None = None  # x̂, uint8 [H, W, 3], with all residual layers decoded
    predict: Callable[[], np.ndarray] | None = field(default=None, repr=False, compare=False)

    @property
    def coarse(self) -> np.ndarray | None:
        """x', uint8 [H, W, 3]; made when it is first asked for, where no residual was taken from it."""
        return None if self.predict is None else self.predict()

    @property
    def finest(self) -> np.ndarray | None:
        """The best picture there is: x̂, or else x'."""
        return self.coarse if self.picture is None else self.picture


@dataclass
class _Base:
    """A picture coded as far as x': all that does not depend on the residual's quality."""

    picture: np.ndarray
    context: Context  # of layers r, as a decoder will have it
    weights: dict[int, float]  # by class id
    coarse: np.ndarray
    header: container.Header
    payloads: list[tuple[str, str, bytes]]


class Codec:
    """A model's encoder and decoder on one device. Networks compile once for each rung of the size ladder."""

    def __init__(
        self,
        bundle: Bundle,
        codecs: str | None = None,
        programs: Mapping[str, str] | None = None,
        precision: str | None = None,
        device: jax.Device | None = None,
        progress: Progress = no_progress,
        predictor: Predictor | None = None,
        enhancer: Enhancer | None = None,
        coders: str | Mapping[str, str] | None = None,
    ) -> None:
        """Puts the networks on a device.

        Args:
          bundle: the model; ModelError without CompNet and FineNet's part.
          codecs: a set of layer coders (`registry.set_names`); None to encode as the model says, and to decode with
            pip packages where they can.
          programs: paths of external programs by name.
          precision: of the networks' arithmetic, "float32" or "bfloat16"; None for the model's own.
          device: where the networks run; None for JAX's default.
          progress: told as the work goes on.
          predictor: what runs CompNet and FineNet, such as `convert.torch.predictor.TorchPredictor`; None for JAX.
          enhancer: what runs EnhanceNet; None for JAX, if the model has one. Without, streams that use it are refused.
          coders: of single layers in place of the set's, {"r": NAME} or "r=NAME"; None as for `codecs`.
        """
        self.bundle = bundle
        self.precision = precision
        if enhancer is None and ENHANCENET.name in bundle.parts:
            enhancer = NetworkEnhancer(bundle, precision, device)
        self.enhancer = enhancer
        self.settings = coding_settings(bundle.coding, codecs=codecs, coders=coders)
        self._predictor = predictor or CoarsePredictor(bundle, precision, device)
        self._model = bundle.settings(COARSE)
        # A stream names its coders, whatever the model's setting: programs only where they are asked for.
        decoding = Choice(codecs or DEFAULT_SET, "" if coders is None else self.settings.coders)
        context = Context(bundle, device, programs or {}, alpha=self._model.alpha)
        self.coders = OpenCoders(decoding, context)
        self._device = device
        self._progress = progress
        self._segmenter: Segmenter | None = None  # opened when first needed: decoders need none
        self._opening = threading.Lock()

    def segment(self, picture: np.ndarray) -> np.ndarray:
        """x uint8 [H, W, 3] -> s uint8 [H, W] by the model's SegNet. Raises ModelError without one."""
        self._progress("labels", 0, 1)
        with self._opening:
            self._segmenter = self._segmenter or Segmenter(self.bundle, self._device)
        return self._segmenter(picture)

    def upsample(self, decoded: Decoded) -> np.ndarray:
        """up(ĉ) of what was decoded, uint8 [H, W, 3]: the coarse picture as it is without FineNet."""
        assert decoded.compact is not None
        header = decoded.header
        return self._predictor.upsample(decoded.compact, header.height, header.width)

    def encode(
        self,
        picture: np.ndarray,
        labels: np.ndarray | None = None,
        settings: CodingSettings | None = None,
        grey: bool = False,
        metadata: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """Codes a picture.

        Args:
          picture: x, uint8 [H, W, 3], any size from 1x1.
          labels: s, uint8 [H, W] class ids of the model's table; None lets SegNet make it.
          settings: how; None for the model's own, `self.settings`.
          grey: the three channels are equal, and the decoded picture is to have one.
          metadata: "icc" and "exif" bytes to carry.

        Raises:
          DataError: shapes, types or ids do not fit.
          ConfigError: settings that the model cannot follow, or a target out of reach.
          ModelError: no labels and no SegNet.
          CoderUnavailable, CoderFailed: a layer coder is missing or failed.
        """
        settings = settings or self.settings
        coders = settings.encoders(self.coders)
        _check_picture(picture)
        weights = object_weights.parse_weights(settings.weights, self.bundle.classes)
        if settings.labels != "none":
            labels = self._label_map(picture, labels)

        def trials() -> Iterator[choosing.Trial]:
            for with_labels in choosing.label_choices(settings):
                base = self._encode_base(picture, labels, weights, with_labels, coders)
                base.header = replace(base.header, grey=grey, metadata=metadata or {})
                for choice in choosing.gain_choices(with_labels):
                    yield choice, partial(self._finish, base, choice, coders)

        return choosing.cheapest(settings, picture, trials(), coders.residual.coder.error_power)

    def _label_map(self, picture: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """s as it is before it is made coarser or simpler: SegNet's, or the one given if it fits."""
        height, width = picture.shape[:2]
        labels = self.segment(picture) if labels is None else labels
        if labels.shape != (height, width):
            raise DataError(f"the picture is {width}x{height}, its label map {labels.shape[::-1]}")
        return self.bundle.classes.to_class_ids(labels, "label map")

    def _encode_base(
        self,
        picture: np.ndarray,
        labels: np.ndarray | None,
        weights: dict[int, float],
        settings: CodingSettings,
        coders: CoderSet,
    ) -> _Base:
        """Layers s and c, and x' as the decoder will make it."""
        height, width = picture.shape[:2]
        payloads = []
        if labels is None or settings.labels == "none":
            labels = self._constant_labels(height, width)
        else:
            sent = simplify(coarse_labels(labels, settings.label_scale), settings.label_loss)
            labels = repeated(sent, settings.label_scale, height, width)
        if settings.labels == "sent":
            told = self.coders.context_of("s")
            payload = encode_label_layer(sent, coders.labels.coder, told)
            payloads.append(("s", coders.labels.record.stream_name, payload))
        told = replace(self.coders.context, labels=labels if settings.labels == "sent" else None)
        compact = self._predictor.compress(labels, picture, self._progress)
        step = settings.compact_step
        name, payload, compact = compact_layer.encode(compact, step, coders.compact, told)
        payloads.append(("c", name, payload))
        if settings.labels == "decoder":
            labels = self._labels_from(compact, height, width)
        coarse = self._predictor.predict(labels, compact, self._progress)
        header = container.Header(
            width=width,
            height=height,
            classes=self.bundle.classes,
            alpha=self._model.alpha,
            fingerprint=self._fingerprint(settings.labels == "decoder"),
            colour=self._model.colour,
            labels_at_decoder=settings.labels == "decoder",
            label_scale=settings.label_scale,
        )
        seen = None if settings.labels == "none" else labels
        told = replace(told, labels=seen, compact=compact, make_coarse=lambda: coarse)
        return _Base(picture, told, weights, coarse, header, payloads)

    def _finish(
        self,
        base: _Base,
        settings: CodingSettings,
        coders: CoderSet,
        quality: float,
        decode_last: bool,
    ) -> tuple[bytes, np.ndarray]:
        """The stream with residual layers up to a quality, and the picture decoded up to the last but one, or last."""
        layers = settings.residual_layers(quality, base.weights)
        enhancer = self.enhancer if settings.enhance == "auto" else None
        known, how = (base.picture, base.coarse, base.context), (decode_last, self._progress)
        payloads, decoded = residual_layers.encode_all(
            *known, layers, coders.residual.coder, enhancer, *how
        )
        name = coders.residual.record.stream_name
        coded = [(f"r{i}", name, payload) for i, payload in enumerate(payloads, 1)]
        return container.write(base.header, [*base.payloads, *coded]), decoded

    def decode(self, data: bytes, upto: str = "r") -> Decoded:
        """Decodes the layers that `data` holds whole, as far as `upto`: "s", "c", "r1", … or "r" for all.

        Raises:
          StreamError: not a stream, damaged, of another model, or without such a layer.
          TooLarge: the networks need more memory than is allowed (`system.memory`).
          CoderUnavailable, CoderFailed: a layer coder is missing or failed.
        """
        header = container.read_header(data)
        layers = container.read_layers(data, header, upto)
        self._check_model(header)
        labels, last = None, [*layers][-1]
        size = header.height, header.width
        demands.check(header, layers, self.bundle)
        if "s" in layers:
            labels = decode_label_layer(header, layers["s"], self.coders)
        wanted = header.layers[-1].name if upto == "r" else upto
        decoded = Decoded(header, last, last == wanted, labels)
        if "c" not in layers:
            return decoded
        coder = next(layer.coder for layer in header.layers if layer.name == "c")
        compact = compact_layer.decode(
            layers["c"],
            self._predictor.compact_shape(*size),
            self.coders.decoder("c", coder),
            replace(self.coders.context, labels=labels),
        )
        if header.labels_at_decoder:
            labels = self._labels_from(compact, *size)
        seen = self._constant_labels(*size) if labels is None else labels
        predict = once(partial(self._predictor.predict, seen, compact, self._progress))
        decoded = replace(decoded, labels=labels, compact=compact, predict=predict)
        if last == "c":
            predict()
        return replace(decoded, picture=self.add_residuals(decoded, layers))

    def add_residuals(self, decoded: Decoded, layers: Mapping[str, bytes]) -> np.ndarray | None:
        """x̂ from what a stream decoded to as far as c, and its residual layers among `layers`; None without any.

        Raises as `decode`.
        """
        header = decoded.header
        context = replace(self.coders.context, labels=decoded.labels, compact=decoded.compact)
        context = replace(context, make_coarse=decoded.predict)
        coarse = np.zeros((header.height, header.width, 3), np.uint8)
        if residual_layers.take_from_coarse(layers):
            assert decoded.coarse is not None
            coarse = decoded.coarse
        self._progress("residual", 0, 1)
        told = context, self.coders, self.enhancer
        return residual_layers.decode_all(header, layers, coarse, *told)

    def _labels_from(self, compact: np.ndarray, height: int, width: int) -> np.ndarray:
        """s as a decoder makes it that is not sent one: SegNet on up(ĉ)."""
        return self.segment(self._predictor.upsample(compact, height, width))

    def _constant_labels(self, height: int, width: int) -> np.ndarray:
        """What networks are given that want labels where there are none: all void, or class 0 in a table without."""
        return np.full((height, width), self.bundle.classes.unlabelled_id, np.uint8)

    def _fingerprint(self, labels_at_decoder: bool) -> bytes:
        return self.bundle.fingerprint_with_segnet if labels_at_decoder else self.bundle.fingerprint

    def _check_model(self, header: container.Header) -> None:
        own = self._fingerprint(header.labels_at_decoder)
        if header.fingerprint != own:
            raise StreamError(
                f"the stream was made with model {header.fingerprint.hex()}, this one is "
                f"{own.hex()}: give the model directory it was made with"
            )
        told = header.alpha, header.colour, header.classes.names
        if told != (self._model.alpha, self._model.colour, self.bundle.classes.names):
            raise StreamError("the stream's header contradicts the model of its fingerprint")


def _check_picture(picture: np.ndarray) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise DataError(f"a picture is uint8 [H, W, 3], not {picture.dtype} {picture.shape}")
    height, width = picture.shape[:2]
    if not 0 < height * width <= MAX_PIXELS:
        raise DataError(f"{width}x{height} pixels: the limit is {MAX_PIXELS}")
