"""EnhanceNet's training: decoded pictures towards those that were coded, by their squared error.

It is for the `best` profile, whose c is nothing but block averages, so that no other network is needed, and learns on
pictures that were really coded (python -m dsslic_jax.prepare.coded_pairs).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dsslic_jax.codec.settings import ModelCoding
from dsslic_jax.data.settings import DataSettings
from dsslic_jax.models.enhancenet import SCALE, EnhanceNet, build_enhancenet, typical_error
from dsslic_jax.models.parts import COARSE, ENHANCENET
from dsslic_jax.models.pixels import to_network, to_pixels
from dsslic_jax.models.settings import CoarseSettings, EnhanceNetSettings
from dsslic_jax.settings.fields import FieldError, group, setting
from dsslic_jax.train.devices.rematerialisation import rematerialised
from dsslic_jax.train.running import samples
from dsslic_jax.train.settings import LoopSettings, OptimizerSettings, RunSettings
from dsslic_jax.train.state import NetworkState, make_optimizer
from dsslic_jax.train.tasks.registry import register_task
from dsslic_jax.train.tasks.task import Batch, Metrics, Task, TrainStep

MAX_GRADIENT_NORM = 1.0
_LEAST_ERROR = 1e-7  # of a picture that came back as it was


@dataclass(frozen=True)
class EnhancementSettings(RunSettings):
    """EnhanceNet for the model that `model` and `coding` describe, which needs no other network."""

    task: str = setting("enhancement", "what is trained", choices=("enhancement",))
    # A convolution sees zeros beyond a crop's edge: in larger crops fewer pixels lie near one.
    data: DataSettings = group(
        DataSettings,
        "the pictures",
        kind="coded",
        crop=(96, 96),
        unlabelled=0.25,
        cache=True,
        cache_gib=12.0,
    )
    optimizer: OptimizerSettings = group(
        OptimizerSettings,
        "the optimiser",
        learning_rate=2e-3,
        beta1=0.9,
        beta2=0.99,
        warmup_steps=100,
        constant_fraction=0.0,
    )
    train: LoopSettings = group(
        LoopSettings,
        "the loop",
        batch_size=4,
        steps=60_000,
        ema_decay=0.999,
        sample_every=2000,
    )
    model: CoarseSettings = group(
        CoarseSettings,
        "the compact image, without CompNet and FineNet",
        alpha=64,
        compact="mean",
        finenet_width=0,
        colour="ycbcr",
    )
    enhancenet: EnhanceNetSettings = group(EnhanceNetSettings, "EnhanceNet")
    coding: ModelCoding = group(
        ModelCoding,
        "the model's own coding settings",
        free=True,
        residual="centred",
        residual_bits=10,
        prediction_gain=0.0,
        compact_step=16,
        label_scale=32,
    )

    def check(self) -> None:
        """Raises ConfigError for pictures that were not coded."""
        if self.data.kind != "coded":
            raise FieldError("data.kind", f"must be one of coded, not {self.data.kind!r}")


@register_task
class Enhancement(Task[EnhancementSettings]):
    """Makes the part "enhancenet", beside a part "coarse" without networks."""

    name = "enhancement"
    settings_type = EnhancementSettings
    parts = (COARSE, ENHANCENET)
    network = "enhancenet"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"enhancenet.width": 6, "enhancenet.blocks": 1}
    }

    @property
    def sizes(self) -> tuple[int, int]:
        """(multiple, least) that the sides of training pictures must be."""
        return SCALE, SCALE

    def batch_shapes(self, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Image and labels, what was decoded of them, and how coarsely it was coded."""
        batch = super().batch_shapes(batch_size)
        strength = jax.ShapeDtypeStruct((batch_size,), np.uint8)
        return {**batch, "decoded": batch["image"], "strength": strength}

    def make_step(self) -> TrainStep:
        """See `make_enhancement_step`."""
        return make_enhancement_step(self.settings)

    def run(self, variables: Any, batch: Batch) -> dict[str, jax.Array]:
        """The enhanced pictures in 8 bits."""
        model = build_enhancenet(self.settings.enhancenet)
        return {"enhanced": to_pixels(enhanced(model, variables, batch))}

    def row(self, element: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """x, s, the picture as decoded and as enhanced, and what each lacks."""
        picture, shown = element["image"], [element["decoded"], element["enhanced"]]
        lacking = [samples.residual_picture(picture, other) for other in shown]
        return [picture, samples.colour_labels(element["labels"], self.classes), *shown, *lacking]


def enhanced(model: EnhanceNet, variables: Any, batch: Batch) -> jax.Array:
    """What the network makes of a batch, float32 [B, H, W, 3]."""
    labels, decoded = batch["labels"].astype(jnp.int32), to_network(batch["decoded"])
    return model.apply(variables, labels, decoded, batch["strength"].astype(jnp.float32))


def make_enhancement_step(settings: EnhancementSettings) -> TrainStep:
    """`train_step(state, batch)`.

    Batch: image and decoded uint8 [B, H, W, 3], labels uint8 [B, H, W], strength uint8 [B]. The loss is the mean
    squared error over that typical of the strength, so that coarse and fine pictures count alike; "E/log_ratio" is the
    mean of log(error after / error before), -0.1 saying a tenth less.
    """
    model, optimizer = build_enhancenet(settings.enhancenet), make_optimizer(settings)
    clip = optax.clip_by_global_norm(MAX_GRADIENT_NORM)

    def train_step(state: NetworkState, batch: Batch) -> tuple[NetworkState, Metrics]:
        picture = to_network(batch["image"])
        before = jnp.mean(jnp.square(to_network(batch["decoded"]) - picture), (1, 2, 3))
        typical = jnp.square(typical_error(batch["strength"].astype(jnp.float32)))

        def loss(params: Any) -> tuple[jax.Array, jax.Array]:
            run = rematerialised(
                lambda p: enhanced(model, {"params": p}, batch), settings.train.recompute
            )
            after = jnp.mean(jnp.square(run(params) - picture), (1, 2, 3))
            return jnp.mean(after / typical), after

        (total, after), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
        clipped, _ = clip.update(gradients, optax.EmptyState())
        ratio = jnp.log(jnp.maximum(after, _LEAST_ERROR) / jnp.maximum(before, _LEAST_ERROR))
        metrics = {
            "E/total": total,
            "E/before": jnp.mean(before / typical),
            "E/log_ratio": jnp.mean(ratio),
            "E/gradient_norm": optax.tree.norm(gradients),
        }
        return state.updated(clipped, optimizer), metrics

    return train_step
