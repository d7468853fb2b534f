"""CompNet and FineNet against the discriminator: the poster's training.

    batch ──► c = CompNet(s, x) ──► x' = up(c) + FineNet(s, up(c))
      discriminator gradients: x | stop_gradient(x')
      generator gradients:     every term of the loss, back through CompNet

`alternating` (poster) updates the discriminator first and lets the generator face the new one; `simultaneous`
(the authors' code) takes both gradients from the same old weights. The two are different algorithms. Without
a term that needs it the discriminator is neither run nor changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dsslic_jax.codec.settings import ModelCoding
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.coarse import Coarse, build_coarse_model
from dsslic_jax.models.discriminator import build_discriminator
from dsslic_jax.models.layers import init_params
from dsslic_jax.models.parts import COARSE
from dsslic_jax.models.pixels import to_network, to_pixels, to_rgb
from dsslic_jax.models.settings import CoarseSettings, DiscriminatorSettings
from dsslic_jax.models.vgg import VGG19Features
from dsslic_jax.settings.fields import group, setting
from dsslic_jax.train.devices.rematerialisation import rematerialised
from dsslic_jax.train.losses.adversarial import Gan, discriminator_loss
from dsslic_jax.train.losses.terms import DISCRIMINATOR, VGG, LossSettings, Seen, generator_loss
from dsslic_jax.train.losses.vgg import VggDistance
from dsslic_jax.train.running import samples
from dsslic_jax.train.settings import AfterSettings, RunSettings
from dsslic_jax.train.state import Learner, TrainState, make_optimizer, new_learner
from dsslic_jax.train.tasks.registry import register_task
from dsslic_jax.train.tasks.task import Batch, Draw, Metrics, Task, TrainStep


@dataclass(frozen=True)
class MeasuredQualities(AfterSettings):
    """What is done when training ends."""

    qualities: tuple[float, ...] = setting(
        (10, 25, 40, 55), "residual qualities of the table", at_least=0, at_most=100, free=True
    )


@dataclass(frozen=True)
class CompressionSettings(RunSettings):
    """The poster's choices at the poster's widths."""

    task: str = setting("compression", "what is trained", choices=("compression",))
    model: CoarseSettings = group(CoarseSettings, "CompNet and FineNet")
    discriminator: DiscriminatorSettings = group(DiscriminatorSettings, "the discriminator")
    losses: LossSettings = group(LossSettings, "the terms of the generator's loss")
    coding: ModelCoding = group(ModelCoding, "the model's own coding settings", free=True)
    after: MeasuredQualities = group(MeasuredQualities, "when training ends", free=True)


@register_task
class Compression(Task[CompressionSettings]):
    """Makes the part "coarse"."""

    name = "compression"
    settings_type = CompressionSettings
    parts = (COARSE,)
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {
            "model.compnet_width": 4,
            "model.finenet_width": 4,
            "model.finenet_blocks": 1,
            "discriminator.width": 4,
            "losses.vgg_weight": 0.0,  # it needs a weight file
        },
        # Each point where the authors' code departs from the poster; the parity fixtures check these.
        "reference": {
            "discriminator.sees_compact": False,
            "losses.gan": "least_squares",
            "losses.features": "reference",
            "losses.ssim": "reference",
            "losses.vgg_layers": "reference",
            "train.update_order": "simultaneous",
            "model.upsampling": "bilinear_corners",
            "model.round_compact": False,
        },
    }

    @property
    def sizes(self) -> tuple[int, int]:
        """(multiple, least) that the sides of training pictures must be."""
        alpha = self.settings.model.alpha
        return alpha, 4 * alpha

    def init_state(self, draw: Draw = init_params) -> TrainState:
        """A fresh state on the host, as NumPy arrays, without VGG19's weights."""
        settings = self.settings
        variables = self._drawn(draw)
        channels = settings.model.classes + (6 if settings.discriminator.sees_compact else 3)
        seen = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
        judge = draw(build_discriminator(settings.discriminator), settings.seed + 1, seen)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            generator=new_learner(settings, variables["params"]),
            batch_stats=variables.get("batch_stats", {}),
            discriminator=new_learner(settings, judge["params"]),
        )

    def frozen(self, draw: Draw | None = None) -> Any:
        """VGG19's weights where its term has a weight. Raises ModelError saying where they come from."""
        if not self.settings.losses.need(VGG):
            return None
        if draw is None:
            from dsslic_jax.convert.vgg import load_vgg

            return load_vgg(self.settings.losses.of(VggDistance).vgg_weights)
        picture = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
        return draw(VGG19Features(), 0, picture)["params"]

    def make_step(self) -> TrainStep:
        """See `make_train_step`."""
        return make_train_step(self.settings)

    def run(self, variables: Any, batch: Batch) -> dict[str, jax.Array]:
        """c and x' in 8 bits."""
        model = build_coarse_model(self.settings.model)
        made = model.apply(variables, batch["labels"], to_network(batch["image"]))
        compact = to_pixels(to_rgb(made.compact, model.colour))
        return {"compact": compact, "coarse": to_pixels(made.coarse)}

    def row(self, element: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """x, s, c, x' and the residual."""
        picture, coarse = element["image"], element["coarse"]
        return [
            picture,
            samples.colour_labels(element["labels"], self.classes),
            samples.enlarge(element["compact"], *picture.shape[:2]),
            coarse,
            samples.residual_picture(picture, coarse),
        ]

    def require_measuring(self) -> None:
        """Raises CoderUnavailable for a missing coder."""
        from dsslic_jax.evaluate.training import require_coders

        require_coders(self.settings.coding)

    def measure(self, model: Path, workdir: Path) -> None:
        """Rate and distortion by layer on the held-back scenes."""
        from dsslic_jax.evaluate.training import measure_held_back

        measure_held_back(self.settings.data, self.settings.after.qualities, model, workdir)

    def _check(self) -> None:
        super()._check()
        if self.settings.after.evaluate and self.settings.data.kind != "scenes":
            raise ConfigError(
                "after.evaluate measures embedded scenes; measure files with `dsslic evaluate`, on lossless pictures"
            )


def make_train_step(settings: CompressionSettings) -> TrainStep:
    """`train_step(state, batch) -> (state, metrics)`.

    batch: image uint8 [B, H, W, 3] (or float in [-1, 1]) and labels int [B, H, W]. Metrics are scalars, each
    loss term by name, plus the mean squared errors of x' and of up(c) in grey levels squared.
    """
    generator, optimizer = build_coarse_model(settings.model), make_optimizer(settings)
    vgg = VGG19Features(dtype=jnp.dtype(settings.precision))
    recompute, losses = settings.train.recompute, settings.losses
    judge = _make_judge(settings)
    discriminators_turn = None
    if losses.need(DISCRIMINATOR):
        discriminators_turn = _make_discriminators_turn(settings, judge)

    def vgg_features(frozen: Any, picture: jax.Array) -> list[jax.Array]:
        return rematerialised(vgg.apply, recompute)({"params": frozen}, picture)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        picture, labels = to_network(batch["image"]), batch["labels"].astype(jnp.int32)

        def make(params: Any) -> tuple[Coarse, Any]:
            variables = {"params": params, "batch_stats": state.batch_stats}
            return generator.apply(variables, labels, picture, train=True, mutable=["batch_stats"])

        made, pullback, measured = jax.vjp(
            rematerialised(make, recompute), state.generator.params, has_aux=True
        )
        turn = None
        if discriminators_turn is not None:
            fixed = jax.lax.stop_gradient(made)
            turn = discriminators_turn(state.discriminator, labels, fixed, picture)
        vgg_real = None
        if losses.need(VGG):
            vgg_real = vgg_features(state.frozen, picture)

        def loss(made: Coarse) -> tuple[jax.Array, Metrics]:
            features, judged = None, None
            if vgg_real is not None:
                features = (vgg_real, vgg_features(state.frozen, made.coarse))
            if turn is not None:
                judged = (turn.real, judge(turn.facing, labels, made, made.coarse))
            return generator_loss(Seen(picture, made, judged, features), losses)

        gradient_of_made, metrics = jax.grad(loss, has_aux=True)(made)
        (gradients,) = pullback(gradient_of_made)
        if turn is not None:
            metrics |= turn.metrics
        # Not finite where the new weights are not, though this step's losses were.
        metrics["G/gradient_norm"] = optax.tree.norm(gradients)
        metrics["mse/coarse"] = _mean_squared_grey_levels(picture, made.coarse)
        metrics["mse/upsampled"] = _mean_squared_grey_levels(picture, made.upsampled)
        new_state = state.replace(
            step=state.step + 1,
            generator=state.generator.updated(gradients, optimizer),
            batch_stats=measured.get("batch_stats", {}),
            discriminator=state.discriminator if turn is None else turn.discriminator,
        )
        return new_state, metrics

    return train_step


def _make_judge(
    settings: CompressionSettings,
) -> Callable[[Any, jax.Array, Coarse, jax.Array], Any]:
    """`judge(params, labels, made, picture)`: every scale's features and logits, of x or of x'."""
    discriminator = build_discriminator(settings.discriminator)

    def judge(params: Any, labels: jax.Array, made: Coarse, picture: jax.Array) -> Any:
        seen = [jax.nn.one_hot(labels, settings.model.classes, dtype=picture.dtype)]
        seen += [made.upsampled] if settings.discriminator.sees_compact else []
        shown = jnp.concatenate([*seen, picture], axis=-1)
        return rematerialised(discriminator.apply, settings.train.recompute)(
            {"params": params}, shown
        )

    return judge


class _Turn(NamedTuple):
    discriminator: Learner
    facing: Any  # the weights that the generator faces
    real: Any  # what they make of x
    metrics: Metrics


def _make_discriminators_turn(
    settings: CompressionSettings, judge: Callable[..., Any]
) -> Callable[..., _Turn]:
    """`turn(discriminator, labels, fixed, picture)`; of `fixed` no gradient is taken."""
    optimizer, choice = make_optimizer(settings), settings.losses.of(Gan).gan

    def turn(discriminator: Learner, labels: jax.Array, fixed: Coarse, picture: jax.Array) -> _Turn:
        def loss(params: Any) -> tuple[jax.Array, tuple[Metrics, Any]]:
            real = judge(params, labels, fixed, picture)
            made = judge(params, labels, fixed, fixed.coarse)
            total, terms = discriminator_loss(real, made, choice)
            return total, (terms, real)

        facing = discriminator.params
        gradients, (metrics, real) = jax.grad(loss, has_aux=True)(facing)
        metrics["D/gradient_norm"] = optax.tree.norm(gradients)
        updated = discriminator.updated(gradients, optimizer)
        if settings.train.update_order == "alternating":
            facing = updated.params
            real = judge(facing, labels, fixed, picture)
        return _Turn(updated, facing, real, metrics)

    return turn


def _mean_squared_grey_levels(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jnp.square(x - jnp.clip(y, -1.0, 1.0))) * 127.5**2
