"""EnhanceNet as an `Enhancer` of pictures of any size, on whatever runs the network."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.networks.padded_windows import cut, padded_windows, paste
from dsslic_jax.models.enhancenet import SCALE, build_enhancenet
from dsslic_jax.models.parts import ENHANCENET
from dsslic_jax.models.pixels import to_network, to_pixels
from dsslic_jax.system.memory import shortage_told

# Labels uint8 [H, W], a picture uint8 [H, W, 3] and its strength, float32 -> the better picture, uint8 [H, W, 3];
# heights and widths are even.
Run = Callable[[np.ndarray, np.ndarray, np.float32], Any]


class WindowedEnhancer:
    """EnhanceNet on pictures of any size; threads take turns."""

    def __init__(self, bundle: Bundle, run: Run) -> None:
        """`run` runs the bundle's network on one window. Raises ModelError for a model without EnhanceNet."""
        self._model = build_enhancenet(bundle.settings(ENHANCENET))
        self._unlabelled = bundle.classes.unlabelled_id
        self._turn = threading.Lock()
        self._run = run

    def __call__(self, picture: np.ndarray, labels: np.ndarray | None, strength: int) -> np.ndarray:
        """x̂ uint8 [H, W, 3], s uint8 [H, W] or None and a strength of 1 to 255 -> x̂ enhanced, uint8 [H, W, 3]."""
        size = picture.shape[:2]
        if labels is None:
            labels = np.full(size, self._unlabelled, np.uint8)
        enhanced = np.empty_like(picture)
        # A quarter of the features a pixel: it works at half resolution.
        width = max(self._model.width // SCALE**2, 3)
        for window, core, inner in padded_windows(size, SCALE, SCALE, self._model.radius, width):
            with self._turn, shortage_told("EnhanceNet"):
                made = self._run(cut(labels, window), cut(picture, window), np.float32(strength))
                made = np.asarray(made)
            paste(enhanced, core, made[inner])
        return enhanced


class NetworkEnhancer(WindowedEnhancer):
    """EnhanceNet in JAX, on one device."""

    def __init__(
        self, bundle: Bundle, precision: str | None = None, device: jax.Device | None = None
    ) -> None:
        """`precision` and `device` as for `CoarsePredictor`. Raises ModelError for a model without EnhanceNet."""
        settings = bundle.settings(ENHANCENET)
        model = build_enhancenet(replace(settings, dtype=precision or settings.dtype))
        variables = jax.device_put(bundle.variables(ENHANCENET), device)

        @jax.jit
        def run(variables: Any, labels: jax.Array, picture: jax.Array, strength: Any) -> jax.Array:
            labels, decoded = labels[None].astype(jnp.int32), to_network(picture[None])
            return to_pixels(model.apply(variables, labels, decoded, strength[None]))[0]

        super().__init__(bundle, partial(run, variables))
