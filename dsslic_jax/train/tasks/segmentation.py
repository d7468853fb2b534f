"""SegNet's own training: cross entropy on labelled pixels, main head plus a weighted auxiliary head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dsslic_jax.data.settings import DataSettings
from dsslic_jax.models.parts import SEGNET
from dsslic_jax.models.pixels import to_network
from dsslic_jax.models.segnet import (
    SIZE_MULTIPLE,
    SegNetOutput,
    build_segnet,
    full_size,
    to_labels,
)
from dsslic_jax.models.settings import SegNetSettings
from dsslic_jax.settings.fields import Settings, group, setting
from dsslic_jax.train.devices.rematerialisation import rematerialised
from dsslic_jax.train.running import samples
from dsslic_jax.train.settings import OptimizerSettings, RunSettings
from dsslic_jax.train.state import NetworkState, make_optimizer
from dsslic_jax.train.tasks.registry import register_task
from dsslic_jax.train.tasks.task import Batch, Metrics, Task, TrainStep

if TYPE_CHECKING:
    from dsslic_jax.evaluate.training import SegmentedPictures


@dataclass(frozen=True)
class HeadWeights(Settings):
    """The group `losses` of SegNet's training."""

    auxiliary_weight: float = setting(0.4, "of the auxiliary head", at_least=0, origin="PSPNet")


@dataclass(frozen=True)
class SegmentationSettings(RunSettings):
    """SegNet = PSPNet with a dilated ResNet-50 (Zhao et al. 2017), trained by itself; void is never predicted."""

    task: str = setting("segmentation", "what is trained", choices=("segmentation",))
    data: DataSettings = group(DataSettings, "the pictures", scale=(0.5, 2.0))
    optimizer: OptimizerSettings = group(
        OptimizerSettings,
        "the optimiser",
        name="sgd",
        learning_rate=0.01,
        beta1=0.9,
        weight_decay=1e-4,
        constant_fraction=0.0,
        decay_power=0.9,
    )
    model: SegNetSettings = group(SegNetSettings, "SegNet")
    losses: HeadWeights = group(HeadWeights, "the loss")


@register_task
class Segmentation(Task[SegmentationSettings]):
    """Makes the part "segnet"."""

    name = "segmentation"
    settings_type = SegmentationSettings
    parts = (SEGNET,)
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"model.backbone": "small", "model.width": 8, "model.pyramid_width": 8}
    }

    @property
    def sizes(self) -> tuple[int, int]:
        """(multiple, least) that the sides of training pictures must be."""
        return SIZE_MULTIPLE, SIZE_MULTIPLE

    def make_step(self) -> TrainStep:
        """See `make_segmentation_step`."""
        return make_segmentation_step(self.settings, self.classes.void_ids)

    def run(self, variables: Any, batch: Batch) -> dict[str, jax.Array]:
        """s as SegNet finds it."""
        found = build_segnet(self.settings.model).apply(variables, to_network(batch["image"]))
        return {"found": to_labels(found.logits, self.classes.void_ids)}

    def row(self, element: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """x, s and what SegNet makes of x."""
        maps = [samples.colour_labels(element[name], self.classes) for name in ("labels", "found")]
        return [element["image"], *maps]

    def evaluation(self) -> SegmentedPictures:
        """Pixel accuracy and mean IoU on held-back pictures."""
        from dsslic_jax.evaluate.training import SegmentedPictures

        return SegmentedPictures(self.settings.data, self.settings.train.evaluate_pictures)

    def measure(self, model: Path, workdir: Path) -> None:
        """The same on all held-back pictures, by class."""
        from dsslic_jax.evaluate.training import measure_segmentation

        measure_segmentation(self.settings.data, model)


def cross_entropy(logits: jax.Array, labels: jax.Array, labelled: jax.Array) -> jax.Array:
    """Mean over labelled pixels of -log softmax(up(logits))[label]; logits [B, H/8, W/8, K]."""
    losses = optax.softmax_cross_entropy_with_integer_labels(full_size(logits), labels)
    return jnp.sum(losses * labelled) / jnp.maximum(jnp.sum(labelled), 1.0)


def make_segmentation_step(settings: SegmentationSettings, void_ids: tuple[int, ...]) -> TrainStep:
    """`train_step(state, batch)`; batch as for compression. Void pixels enter neither loss nor accuracy."""
    model, optimizer = build_segnet(settings.model), make_optimizer(settings)

    def train_step(state: NetworkState, batch: Batch) -> tuple[NetworkState, Metrics]:
        picture, labels = to_network(batch["image"]), batch["labels"].astype(jnp.int32)
        labelled = jnp.ones(labels.shape, jnp.float32)
        for void in void_ids:
            labelled *= labels != void

        def segment(params: Any) -> tuple[SegNetOutput, Any]:
            variables = {**state.variables, "params": params}
            return model.apply(variables, picture, train=True, mutable=["batch_stats"])

        def loss(params: Any) -> tuple[jax.Array, tuple[Metrics, Any]]:
            output, changed = rematerialised(segment, settings.train.recompute)(params)
            main = cross_entropy(output.logits, labels, labelled)
            auxiliary = cross_entropy(output.auxiliary, labels, labelled)
            total = main + settings.losses.auxiliary_weight * auxiliary
            hits = (to_labels(output.logits, void_ids) == labels) * labelled
            accuracy = jnp.sum(hits) / jnp.maximum(jnp.sum(labelled), 1.0)
            terms = {"S/main": main, "S/auxiliary": auxiliary, "S/total": total}
            return total, ({**terms, "pixel_accuracy": accuracy}, changed)

        gradients, (metrics, changed) = jax.grad(loss, has_aux=True)(state.params)
        stats = changed.get("batch_stats", state.batch_stats)
        new_state = state.updated(gradients, optimizer).replace(batch_stats=stats)
        metrics["S/gradient_norm"] = optax.tree.norm(gradients)
        return new_state, metrics

    return train_step
