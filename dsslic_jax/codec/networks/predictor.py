"""The networks as a codec runs them: jitted, on one picture of any size, 8-bit values in and out.

Pictures are padded by repeating their edge to a ladder of sizes, never resized, and cropped back, so that pictures of
many sizes share few compiled programs. Networks whose norm does not look at the whole picture run large ones in
overlapping windows of one size. Encoder and decoder call the same `predict`, so that both have the same x'.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.codec.label_scale import repeated
from dsslic_jax.codec.padding import pad_edge
from dsslic_jax.codec.tiles import Tile, windows
from dsslic_jax.errors import ModelError
from dsslic_jax.models import segnet
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.enhancenet import SCALE, build_enhancenet
from dsslic_jax.models.pixels import to_network, to_pixels

WINDOW_FEATURES = 1 << 26  # of the widest layer at full scale: what a window's memory goes by
SEGMENTED_PIXELS = (
    1 << 22
)  # SegNet sees larger pictures reduced: its pyramid pools over the whole picture
_SMALLEST_STEP = 32

Progress = Callable[[str, int, int], None]  # phase, steps done, steps in all


def no_progress(phase: str, done: int, total: int) -> None:
    """Tells nobody."""


def padded_side(side: int, multiple: int) -> int:
    """The next rung of the ladder: multiples of 32 up to 256, then of an eighth of the power of two below."""
    step = max(multiple, _SMALLEST_STEP, (1 << side.bit_length() - 1) // 8)
    return -(-side // step) * step


class CoarsePredictor:
    """CompNet and FineNet of a model directory, on one device; threads take turns."""

    def __init__(
        self, bundle: Bundle, precision: str | None = None, device: jax.Device | None = None
    ) -> None:
        """`precision`: "float32" or "bfloat16" instead of the model's own; `device`: None for JAX's default."""
        if bundle.model is None:
            raise ModelError("this model directory holds no coarse model, only a SegNet")
        settings = {**bundle.model, "dtype": precision or bundle.model["dtype"]}
        self._model = model = build_coarse_model(settings)
        self._width = max(bundle.model["compnet_width"], bundle.model["finenet_width"])
        self._variables = jax.device_put(bundle.coarse_variables(), device)
        self._turn = (
            threading.Lock()
        )  # one picture's networks at a time: memory, and no idle device

        @jax.jit
        def compress(variables: Any, labels: jax.Array, picture: jax.Array) -> jax.Array:
            labels, picture = labels[None].astype(jnp.int32), to_network(picture[None])
            return to_pixels(model.apply(variables, labels, picture, method="compress"))[0]

        @jax.jit
        def predict(variables: Any, labels: jax.Array, compact: jax.Array) -> jax.Array:
            labels, compact = labels[None].astype(jnp.int32), to_network(compact[None])
            return to_pixels(model.apply(variables, labels, compact, method="predict").coarse)[0]

        @jax.jit
        def upsample(variables: Any, compact: jax.Array) -> jax.Array:
            return to_pixels(model.apply(variables, to_network(compact[None]), method="upsample"))[
                0
            ]

        self._compress: Callable[..., Any] = compress
        self._predict: Callable[..., Any] = predict
        self._upsample: Callable[..., Any] = upsample

    def compact_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """The shape of ĉ for a picture of this size."""
        return -(-height // self._model.alpha), -(-width // self._model.alpha), 3

    def compress(
        self, labels: np.ndarray, picture: np.ndarray, progress: Progress = no_progress
    ) -> np.ndarray:
        """s uint8 [H, W], x uint8 [H, W, 3] -> ĉ uint8 of `compact_shape`."""
        alpha = self._model.alpha
        compact = np.empty(self.compact_shape(*labels.shape), np.uint8)
        spans = self._windows(labels.shape, self._model.compnet_radius)
        for i, (window, core, inner) in enumerate(spans):
            progress("compact image", i, len(spans))
            with self._turn:
                made = self._compress(self._variables, cut(labels, window), cut(picture, window))
                made = np.asarray(made)
            paste(compact, scaled(core, alpha), made[scaled(inner, alpha)])
        return compact

    def predict(
        self, labels: np.ndarray, compact: np.ndarray, progress: Progress = no_progress
    ) -> np.ndarray:
        """s uint8 [H, W], ĉ uint8 -> x', uint8 [H, W, 3]."""
        coarse = np.empty((*labels.shape, 3), np.uint8)
        spans = self._windows(labels.shape, self._model.finenet_radius)
        for i, (window, core, inner) in enumerate(spans):
            progress("coarse picture", i, len(spans))
            small = cut(compact, scaled(window, self._model.alpha))
            with self._turn:
                made = np.asarray(self._predict(self._variables, cut(labels, window), small))
            paste(coarse, core, made[inner])
        return coarse

    def upsample(self, compact: np.ndarray, height: int, width: int) -> np.ndarray:
        """ĉ uint8 -> up(ĉ), uint8 [H, W, 3]: the coarse picture without FineNet."""
        upsampled = np.empty((height, width, 3), np.uint8)
        # Bilinear weights reach one compact pixel further.
        for window, core, inner in self._windows((height, width), self._model.alpha):
            small = cut(compact, scaled(window, self._model.alpha))
            with self._turn:
                made = np.asarray(self._upsample(self._variables, small))
            paste(upsampled, core, made[inner])
        return upsampled

    def _windows(self, size: tuple[int, ...], radius: int) -> list[tuple[Tile, Tile, Tile]]:
        """Windows of the padded picture; the only one, the whole of it, where the model does not tile."""
        multiple, least = self._model.size_multiple, self._model.min_size
        return padded_windows(
            size, multiple, least, radius if self._model.tiles else None, self._width
        )


class NetworkEnhancer:
    """EnhanceNet of a model directory as an `Enhancer`, on one device; threads take turns."""

    def __init__(
        self, bundle: Bundle, precision: str | None = None, device: jax.Device | None = None
    ) -> None:
        """`precision` and `device` as for `CoarsePredictor`. Raises ModelError for a model without EnhanceNet."""
        if bundle.enhancenet is None:
            raise ModelError("this model directory holds no EnhanceNet: add one with `dsslic join`")
        settings = {**bundle.enhancenet, "dtype": precision or bundle.enhancenet["dtype"]}
        self._model = model = build_enhancenet(settings)
        self._variables = jax.device_put(bundle.tree("enhancenet"), device)
        self._unlabelled = bundle.classes.unlabelled_id
        self._turn = threading.Lock()

        @jax.jit
        def run(variables: Any, labels: jax.Array, picture: jax.Array, strength: Any) -> jax.Array:
            labels, decoded = labels[None].astype(jnp.int32), to_network(picture[None])
            return to_pixels(model.apply(variables, labels, decoded, strength[None]))[0]

        self._run: Callable[..., Any] = run

    def __call__(self, picture: np.ndarray, labels: np.ndarray | None, strength: int) -> np.ndarray:
        """x̂ uint8 [H, W, 3], s uint8 [H, W] or None and a strength of 1 to 255 -> x̂ enhanced, uint8 [H, W, 3]."""
        size = picture.shape[:2]
        if labels is None:
            labels = np.full(size, self._unlabelled, np.uint8)
        enhanced = np.empty_like(picture)
        # A quarter of the features a pixel: it works at half resolution.
        width = max(self._model.width // SCALE**2, 3)
        for window, core, inner in padded_windows(size, SCALE, SCALE, self._model.radius, width):
            with self._turn:
                made = self._run(
                    self._variables, cut(labels, window), cut(picture, window), np.float32(strength)
                )
                made = np.asarray(made)
            paste(enhanced, core, made[inner])
        return enhanced


class Segmenter:
    """SegNet of a model directory, on one device."""

    def __init__(self, bundle: Bundle, device: jax.Device | None = None) -> None:
        if bundle.segnet is None:
            raise ModelError(
                "this model directory holds no SegNet: give label maps with --labels, or add one "
                "with `dsslic join`"
            )
        model = segnet.build_segnet(bundle.segnet)
        void_ids = bundle.classes.void_ids
        self._variables = jax.device_put(bundle.tree("segnet"), device)
        self._turn = threading.Lock()

        @jax.jit
        def run(variables: Any, picture: jax.Array) -> jax.Array:
            output = model.apply(variables, to_network(picture[None]))
            return segnet.to_labels(output.logits, void_ids)[0]

        self._run = run

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """x uint8 [H, W, 3] -> s uint8 [H, W], never void.

        Pictures of more than SEGMENTED_PIXELS are reduced by a whole factor first and the map enlarged after.
        """
        height, width = picture.shape[:2]
        factor = int(np.ceil(np.sqrt(height * width / SEGMENTED_PIXELS)))
        if factor > 1:
            picture = np.asarray(Image.fromarray(picture).reduce(factor))
        rows, columns = picture.shape[:2]
        size = (padded_side(rows, segnet.SIZE_MULTIPLE), padded_side(columns, segnet.SIZE_MULTIPLE))
        with self._turn:
            labels = np.asarray(self._run(self._variables, pad_edge(picture, size)))
        labels = labels[:rows, :columns]
        if factor > 1:
            labels = repeated(labels, factor, height, width)
        return np.ascontiguousarray(labels)


def padded_windows(
    size: tuple[int, ...], multiple: int, least: int, radius: int | None, width: int
) -> list[tuple[Tile, Tile, Tile]]:
    """Windows of a picture padded to the ladder of sizes: (window, core of the picture, core in it).

    Args:
      size: of the picture, (height, width).
      multiple, least: what sides the network takes.
      radius: pixels around it that a pixel of the result depends on; None: one window, the whole picture.
      width: features a pixel of the network's widest layer.
    """
    sides = [padded_side(max(side, least), multiple) for side in size]
    core, margin = max(sides), 0
    if radius is not None:
        margin = -(-radius // multiple) * multiple
        window = int((WINDOW_FEATURES / width) ** 0.5) // multiple * multiple
        core = max(window - 2 * margin, multiple)
    return [
        (window, (rows, columns), inner)
        for window, (rows, columns), inner in windows(sides[0], sides[1], core, margin)
        if rows.start < size[0] and columns.start < size[1]  # not in the padding alone
    ]


def cut(array: np.ndarray, tile: Tile) -> np.ndarray:
    """The tile of an array, which may end before the tile does: its edge is repeated."""
    size = (tile[0].stop - tile[0].start, tile[1].stop - tile[1].start)
    return pad_edge(array[tile], size)


def paste(array: np.ndarray, tile: Tile, piece: np.ndarray) -> None:
    """Writes a piece to its tile, as far as the array goes."""
    target = array[tile]
    target[...] = piece[: target.shape[0], : target.shape[1]]


def scaled(tile: Tile, divisor: int) -> Tile:
    """The tile on a grid `divisor` times coarser."""
    rows, columns = (slice(side.start // divisor, side.stop // divisor) for side in tile)
    return rows, columns
