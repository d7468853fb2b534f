"""The networks as a codec runs them: jitted, on one picture of any size, 8-bit values in and out.

Pictures are padded by repeating their edge to a size the networks take, never resized, and cropped back. Encoder and
decoder call the same `predict`, so that both have the same x'.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dsslic_jax.bundle import Bundle
from dsslic_jax.codec.padding import pad_edge
from dsslic_jax.errors import ModelError
from dsslic_jax.models import segnet
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.pixels import to_network, to_pixels


def padded_size(height: int, width: int, multiple: int, smallest: int = 1) -> tuple[int, int]:
    """The least multiples of `multiple` that are at least the size and `smallest`."""

    def up(side: int) -> int:
        return -(-max(side, smallest) // multiple) * multiple

    return up(height), up(width)


class CoarsePredictor:
    """CompNet and FineNet of a model directory."""

    def __init__(self, bundle: Bundle) -> None:
        if bundle.model is None:
            raise ModelError("this model directory holds no coarse model, only a SegNet")
        self._model = model = build_coarse_model(bundle.model)
        self._params = jax.device_put({n: bundle.tree(n) for n in ("compnet", "finenet")})

        @jax.jit
        def compress(params: Any, labels: jax.Array, picture: jax.Array) -> jax.Array:
            compact = model.apply(
                {"params": params}, labels, to_network(picture), method="compress"
            )
            return to_pixels(compact)

        @jax.jit
        def predict(
            params: Any, labels: jax.Array, compact: jax.Array
        ) -> tuple[jax.Array, jax.Array]:
            made = model.apply({"params": params}, labels, to_network(compact), method="predict")
            return to_pixels(made.upsampled), to_pixels(made.coarse)

        self._compress, self._predict = compress, predict

    def compact_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """The shape of ĉ for a picture of this size."""
        rows, columns = self._padded(height, width)
        return rows // self._model.alpha, columns // self._model.alpha, 3

    def compress(self, labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
        """s uint8 [H, W], x uint8 [H, W, 3] -> ĉ uint8 of `compact_shape`."""
        size = self._padded(*labels.shape)
        batch = pad_edge(labels, size)[None].astype(np.int32), pad_edge(picture, size)[None]
        return np.asarray(self._compress(self._params, *batch))[0]

    def predict(self, labels: np.ndarray, compact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """s uint8 [H, W], ĉ uint8 -> up(ĉ) and x', uint8 [H, W, 3] each."""
        height, width = labels.shape
        padded = pad_edge(labels, self._padded(height, width))[None].astype(np.int32)
        upsampled, coarse = self._predict(self._params, padded, jnp.asarray(compact)[None])
        crop = np.s_[0, :height, :width]
        return np.asarray(upsampled)[crop], np.asarray(coarse)[crop]

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        return padded_size(height, width, self._model.size_multiple, self._model.min_size)


class Segmenter:
    """SegNet of a model directory."""

    def __init__(self, bundle: Bundle) -> None:
        if bundle.segnet is None:
            raise ModelError(
                "this model directory holds no SegNet: give label maps with --labels, or add one "
                "with `dsslic join`"
            )
        model = segnet.build_segnet(bundle.segnet)
        void_ids = bundle.classes.void_ids
        self._variables = jax.device_put(bundle.tree("segnet"))

        @jax.jit
        def run(variables: Any, picture: jax.Array) -> jax.Array:
            output = model.apply(variables, to_network(picture))
            return segnet.to_labels(output.logits, void_ids)

        self._run = run

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """x uint8 [H, W, 3] -> s uint8 [H, W], never void."""
        height, width = picture.shape[:2]
        size = padded_size(height, width, segnet.SIZE_MULTIPLE)
        labels = self._run(self._variables, pad_edge(picture, size)[None])
        return np.asarray(labels)[0, :height, :width]
