"""SegNet as a codec runs it: on one picture of any size."""

import threading
from typing import Any

import jax
import numpy as np
from PIL import Image

from dsslic_jax.bundle.model import Bundle
from dsslic_jax.codec.label_scale import repeated
from dsslic_jax.codec.networks.padded_windows import padded_side
from dsslic_jax.codec.tiles import pad_edge
from dsslic_jax.errors import ModelError
from dsslic_jax.models import segnet
from dsslic_jax.models.parts import SEGNET
from dsslic_jax.models.pixels import to_network
from dsslic_jax.system.memory import shortage_told

# SegNet sees larger pictures reduced: its pyramid pools over the whole picture.
SEGMENTED_PIXELS = 1 << 22


class Segmenter:
    """SegNet of a model directory, on one device."""

    def __init__(self, bundle: Bundle, device: jax.Device | None = None) -> None:
        """Puts the network on a device. Raises ModelError for a model without SegNet."""
        if SEGNET.name not in bundle.parts:
            raise ModelError(
                "this model has no SegNet: give label maps with --labels, or add one with `dsslic join`"
            )
        model = segnet.build_segnet(bundle.settings(SEGNET))
        void_ids = bundle.classes.void_ids
        self._variables = jax.device_put(bundle.variables(SEGNET), device)
        self._turn = threading.Lock()

        @jax.jit
        def run(variables: Any, picture: jax.Array) -> jax.Array:
            output = model.apply(variables, to_network(picture[None]))
            return segnet.to_labels(output.logits, void_ids)[0]

        self._run = run

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """x uint8 [H, W, 3] -> s uint8 [H, W], never void; larger pictures are reduced by a whole factor first."""
        height, width = picture.shape[:2]
        factor = int(np.ceil(np.sqrt(height * width / SEGMENTED_PIXELS)))
        while _padded_pixels(height, width, factor) > 2 * SEGMENTED_PIXELS:  # a line, for one
            factor += 1
        if factor > 1:
            picture = np.asarray(Image.fromarray(picture).reduce(factor))
        rows, columns = picture.shape[:2]
        size = (padded_side(rows, segnet.SIZE_MULTIPLE), padded_side(columns, segnet.SIZE_MULTIPLE))
        with self._turn, shortage_told("SegNet"):
            labels = np.asarray(self._run(self._variables, pad_edge(picture, size)))
        return np.ascontiguousarray(repeated(labels[:rows, :columns], factor, height, width))


def _padded_pixels(height: int, width: int, factor: int) -> int:
    rows, columns = (
        padded_side(-(-side // factor), segnet.SIZE_MULTIPLE) for side in (height, width)
    )
    return rows * columns
