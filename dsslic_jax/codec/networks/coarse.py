"""CompNet and FineNet as a `Predictor` of pictures of any size, on whatever runs the networks.

Networks whose norm does not look at the whole picture run large ones in overlapping windows.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.networks import needs
from dsslic_jax.codec.networks.finenet_bands import BandedFineNet
from dsslic_jax.codec.networks.padded_windows import cut, padded_windows, paste, scaled
from dsslic_jax.codec.networks.predictor import Progress, no_progress
from dsslic_jax.codec.tiles import Tile
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.parts import COARSE
from dsslic_jax.models.pixels import to_network, to_pixels
from dsslic_jax.system import memory
from dsslic_jax.system.memory import shortage_told


class Networks(NamedTuple):
    """What runs a model's networks on one window, uint8 in and out; sides are what `CoarseModel` takes."""

    compress: Callable[[np.ndarray, np.ndarray], Any]  # labels [H, W], x [H, W, 3] -> ĉ
    predict: Callable[[np.ndarray, np.ndarray], Any]  # labels [H, W], ĉ -> x' [H, W, 3]
    upsample: Callable[[np.ndarray], Any]  # ĉ -> up(ĉ) [H, W, 3]
    # `predict` in little memory, where the networks have such a form
    predict_in_bands: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


class WindowedPredictor:
    """CompNet and FineNet on pictures of any size; threads take turns."""

    def __init__(self, bundle: Bundle, networks: Networks, on_host: bool = True) -> None:
        """`networks` are the bundle's; `on_host`: they take the host's memory.

        Raises ModelError for a model without CompNet and FineNet's part.
        """
        settings = bundle.settings(COARSE)
        self._settings = settings
        self._model = build_coarse_model(settings)
        self._networks = networks
        self._on_host = on_host
        # One picture's networks at a time: memory, and no idle device.
        self._turn = threading.Lock()

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
        if self._settings.compact != "mean":
            self._require(needs.whole_bytes(*_sides(spans), self._settings.compnet_width))
        for i, (window, core, inner) in enumerate(spans):
            progress("compact image", i, len(spans))
            with self._turn, shortage_told("CompNet"):
                made = self._networks.compress(cut(labels, window), cut(picture, window))
                made = np.asarray(made)
            paste(compact, scaled(core, alpha), made[scaled(inner, alpha)])
        return compact

    def predict(
        self, labels: np.ndarray, compact: np.ndarray, progress: Progress = no_progress
    ) -> np.ndarray:
        """s uint8 [H, W], ĉ uint8 -> x', uint8 [H, W, 3]."""
        coarse = np.empty((*labels.shape, 3), np.uint8)
        spans = self._windows(labels.shape, self._model.finenet_radius)
        run = self._networks.predict
        rows, columns = _sides(spans)
        if self._networks.predict_in_bands and needs.in_bands(rows, columns, self._settings):
            run = self._networks.predict_in_bands
            self._require(needs.banded_bytes(rows, columns, self._settings))
        else:
            self._require(needs.whole_bytes(rows, columns, self._settings.finenet_width))
        for i, (window, core, inner) in enumerate(spans):
            progress("coarse picture", i, len(spans))
            small = cut(compact, scaled(window, self._model.alpha))
            with self._turn, shortage_told("FineNet"):
                made = np.asarray(run(cut(labels, window), small))
            paste(coarse, core, made[inner])
        return coarse

    def upsample(self, compact: np.ndarray, height: int, width: int) -> np.ndarray:
        """ĉ uint8 -> up(ĉ), uint8 [H, W, 3]: the coarse picture without FineNet."""
        upsampled = np.empty((height, width, 3), np.uint8)
        # Bilinear weights reach one compact pixel further.
        for window, core, inner in self._windows((height, width), self._model.alpha):
            small = cut(compact, scaled(window, self._model.alpha))
            with self._turn, shortage_told("up(c)"):
                made = np.asarray(self._networks.upsample(small))
            paste(upsampled, core, made[inner])
        return upsampled

    def _windows(self, size: tuple[int, ...], radius: int) -> list[tuple[Tile, Tile, Tile]]:
        """Windows of the padded picture; the only one, the whole of it, where the model runs in none."""
        sides = self._model.size_multiple, self._model.min_size
        reach = radius if self._settings.runs_in_windows else None
        width = max(self._settings.compnet_width, self._settings.finenet_width)
        return padded_windows(size, *sides, reach, width)

    def _require(self, needed_bytes: int) -> None:
        """Raises TooLarge where the limit of memory forbids it."""
        if self._on_host:
            memory.require(needed_bytes, "a picture of this size, by this model,")


def _sides(spans: list[tuple[Tile, Tile, Tile]]) -> tuple[int, int]:
    """Height and width of the windows, which all have the same."""
    rows, columns = spans[0][0]
    return rows.stop - rows.start, columns.stop - columns.start


def _is_host(device: jax.Device | None) -> bool:
    """Whether networks on a device, None for JAX's default, take the host's memory."""
    return (device or jax.devices()[0]).platform == "cpu"


class CoarsePredictor(WindowedPredictor):
    """CompNet and FineNet in JAX, on one device."""

    def __init__(
        self, bundle: Bundle, precision: str | None = None, device: jax.Device | None = None
    ) -> None:
        """`precision`: "float32" or "bfloat16" instead of the model's own; `device`: None for JAX's default.

        Raises ModelError for a model without CompNet and FineNet's part.
        """
        settings = bundle.settings(COARSE)
        model = build_coarse_model(replace(settings, dtype=precision or settings.dtype))
        variables = jax.device_put(bundle.variables(COARSE), device)

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
            made = model.apply(variables, to_network(compact[None]), method="upsample")
            return to_pixels(made)[0]

        on_host = _is_host(device)
        networks = Networks(
            compress=partial(compress, variables),
            predict=partial(predict, variables),
            upsample=partial(upsample, variables),
            predict_in_bands=BandedFineNet(model, variables) if on_host else None,
        )
        super().__init__(bundle, networks, on_host)
