"""The networks as a codec runs them, in PyTorch: Codec(model, predictor=TorchPredictor(model), enhancer=…)."""

from functools import partial
from typing import Any

import numpy as np
import torch

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.networks.coarse import Networks, WindowedPredictor
from dsslic_jax.codec.networks.enhancer import WindowedEnhancer
from dsslic_jax.convert.torch.coarse import Decoder
from dsslic_jax.convert.torch.loading import modules_of
from dsslic_jax.models.parts import COARSE, ENHANCENET


class TorchPredictor(WindowedPredictor):
    """A model's encoder and decoder in PyTorch on the CPU; padding and windows are those of every codec."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises ModelError without CompNet and FineNet's part."""
        bundle.part(COARSE)
        modules = modules_of(bundle)
        encoder, decoder = modules["encoder"], modules["decoder"]
        assert isinstance(decoder, Decoder)

        @torch.inference_mode()
        def upsample(compact: np.ndarray) -> np.ndarray:
            upsampled = decoder.upsample(_network(compact))
            return _pixels(decoder.changed(upsampled, "_to_rgb"))

        super().__init__(bundle, Networks(partial(_run, encoder), partial(_run, decoder), upsample))


class TorchEnhancer(WindowedEnhancer):
    """A model's EnhanceNet in PyTorch on the CPU, likewise."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises ModelError for a model without EnhanceNet."""
        bundle.part(ENHANCENET)
        super().__init__(bundle, partial(_run, modules_of(bundle)["enhancenet"]))


@torch.inference_mode()
def _run(module: Any, labels: np.ndarray, picture: np.ndarray, *numbers: np.float32) -> np.ndarray:
    told = (torch.tensor([float(number)]) for number in numbers)
    return _pixels(module(_batch(labels), _network(picture), *told))


def _batch(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))[None]


def _network(pixels: np.ndarray) -> torch.Tensor:
    """uint8 [H, W, 3] -> float [1, 3, H, W] in [-1, 1]."""
    return _batch(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def _pixels(values: torch.Tensor) -> np.ndarray:
    """float [1, 3, H, W] -> uint8 [H, W, 3], as `models.pixels.to_pixels` rounds."""
    scaled = (values[0].clamp(-1.0, 1.0) + 1.0) * 127.5
    return scaled.round().to(torch.uint8).permute(1, 2, 0).numpy()
