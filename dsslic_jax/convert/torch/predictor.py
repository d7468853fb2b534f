"""The networks as a codec runs them, in PyTorch: Codec(model, predictor=TorchPredictor(model), enhancer=…)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dsslic_jax.bundle.directory import Bundle
from dsslic_jax.codec.networks.predictor import CoarsePredictor, NetworkEnhancer
from dsslic_jax.convert.torch.coarse import Decoder
from dsslic_jax.convert.torch.loading import modules_of


class TorchPredictor(CoarsePredictor):
    """A model's encoder and decoder in PyTorch on the CPU; padding and windows are those of every codec."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises ModelError without a coarse model."""
        super().__init__(bundle)
        modules = modules_of(bundle)
        encoder, decoder = modules["encoder"], modules["decoder"]
        assert isinstance(decoder, Decoder)

        def compress(variables: Any, labels: np.ndarray, picture: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return _pixels(encoder(_batch(labels), _network(picture)))

        def predict(variables: Any, labels: np.ndarray, compact: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return _pixels(decoder(_batch(labels), _network(compact)))

        def upsample(variables: Any, compact: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                upsampled = decoder.upsample(_network(compact))
                return _pixels(decoder.changed(upsampled, "_to_rgb"))

        self._compress, self._predict, self._upsample = compress, predict, upsample


class TorchEnhancer(NetworkEnhancer):
    """A model's EnhanceNet in PyTorch on the CPU, likewise."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises ModelError for a model without EnhanceNet."""
        super().__init__(bundle)
        enhancenet = modules_of(bundle)["enhancenet"]

        def run(
            variables: Any, labels: np.ndarray, picture: np.ndarray, strength: np.float32
        ) -> np.ndarray:
            with torch.inference_mode():
                told = torch.tensor([float(strength)])
                return _pixels(enhancenet(_batch(labels), _network(picture), told))

        self._run = run


def _batch(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))[None]


def _network(pixels: np.ndarray) -> torch.Tensor:
    """uint8 [H, W, 3] -> float [1, 3, H, W] in [-1, 1]."""
    return _batch(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def _pixels(values: torch.Tensor) -> np.ndarray:
    """float [1, 3, H, W] -> uint8 [H, W, 3], as `models.pixels.to_pixels` rounds."""
    scaled = (values[0].clamp(-1.0, 1.0) + 1.0) * 127.5
    return scaled.round().to(torch.uint8).permute(1, 2, 0).numpy()
