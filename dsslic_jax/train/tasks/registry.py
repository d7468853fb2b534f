"""What the loop can train: the compression networks, SegNet, EnhanceNet. One `Task` each, the loop knows no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from dsslic_jax.bundle.directory import Bundle, flatten
from dsslic_jax.classes.table import ClassTable
from dsslic_jax.convert.vgg import load_vgg
from dsslic_jax.models.coarse import build_coarse_model
from dsslic_jax.models.colour import to_rgb
from dsslic_jax.models.enhancenet import build_enhancenet
from dsslic_jax.models.pixels import to_network, to_pixels
from dsslic_jax.models.segnet import build_segnet, to_labels
from dsslic_jax.train.averaging import begin_average, exported_variables, with_average
from dsslic_jax.train.running import samples
from dsslic_jax.train.state import init_state
from dsslic_jax.train.tasks.coarse import make_train_step
from dsslic_jax.train.tasks.enhancement import (
    enhanced,
    init_enhancement_state,
    make_enhancement_step,
)
from dsslic_jax.train.tasks.segmentation import init_segmentation_state, make_segmentation_step

SAMPLES = 4  # pictures in a sample grid


@dataclass(frozen=True)
class Task:
    """A state to train, the pure step that trains it, and what to show and keep of it."""

    state: Any
    step: Callable[[Any, Mapping[str, jax.Array]], tuple[Any, dict[str, jax.Array]]]
    sample: Callable[[Any, Mapping[str, np.ndarray]], list[list[np.ndarray]]]
    bundle: Callable[[Any], Bundle]


def make_task(config: Any, classes: ClassTable) -> Task:
    """The task that `config.task` names."""
    make = {
        "compression": _compression,
        "segmentation": _segmentation,
        "enhancement": _enhancement,
    }[config.task]
    task = make(config, classes)
    if not config.train.ema_decay:
        return task
    step = with_average(task.step, config.train.ema_decay)
    return replace(task, state=begin_average(task.state), step=step)


def _compression(config: Any, classes: ClassTable) -> Task:
    model = build_coarse_model(config.model)

    @jax.jit
    def run(variables: Any, image: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        made = model.apply(variables, labels, to_network(image))
        return to_pixels(to_rgb(made.compact, model.colour)), to_pixels(made.coarse)

    def sample(state: Any, batch: Mapping[str, np.ndarray]) -> list[list[np.ndarray]]:
        image, labels = batch["image"][:SAMPLES], batch["labels"][:SAMPLES]
        compact, coarse = jax.device_get(run(exported_variables(state), image, labels))
        height, width = labels.shape[1:]
        return [
            [
                x,
                samples.colour_labels(s, classes),
                samples.enlarge(c, height, width),
                p,
                samples.residual_picture(x, p),
            ]
            for x, s, c, p in zip(image, labels, compact, coarse, strict=True)
        ]

    def bundle(state: Any) -> Bundle:
        weights: dict[str, np.ndarray] = {}
        for collection in jax.device_get(exported_variables(state)).values():
            for name, tree in collection.items():
                weights |= flatten(tree, name)
        return Bundle(
            classes=classes,
            model=config.model.to_dict(),
            segnet=None,
            coding=config.coding.to_dict(),
            provenance={"coarse": _provenance(config, state)},
            weights=weights,
        )

    vgg = load_vgg(config.losses.vgg_weights) if config.losses.vgg_weight else None
    return Task(init_state(config, frozen=vgg), make_train_step(config), sample, bundle)


def _segmentation(config: Any, classes: ClassTable) -> Task:
    model = build_segnet(config.model)

    @jax.jit
    def run(variables: Any, image: jax.Array) -> jax.Array:
        output = model.apply(variables, to_network(image))
        return to_labels(output.logits, classes.void_ids)

    def sample(state: Any, batch: Mapping[str, np.ndarray]) -> list[list[np.ndarray]]:
        image, labels = batch["image"][:SAMPLES], batch["labels"][:SAMPLES]
        found = jax.device_get(run(exported_variables(state), image))
        return [
            [x, samples.colour_labels(s, classes), samples.colour_labels(f, classes)]
            for x, s, f in zip(image, labels, found, strict=True)
        ]

    def bundle(state: Any) -> Bundle:
        weights = flatten(jax.device_get(exported_variables(state)), "segnet")
        return Bundle(
            classes=classes,
            model=None,
            segnet=config.model.to_dict(),
            coding={},
            provenance={"segnet": _provenance(config, state)},
            weights=weights,
        )

    return Task(
        init_segmentation_state(config),
        make_segmentation_step(config, classes.void_ids),
        sample,
        bundle,
    )


def _enhancement(config: Any, classes: ClassTable) -> Task:
    model = build_enhancenet(config.enhancenet)

    @jax.jit
    def run(variables: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        return to_pixels(enhanced(model, variables, batch))

    def sample(state: Any, batch: Mapping[str, np.ndarray]) -> list[list[np.ndarray]]:
        shown = {name: array[:SAMPLES] for name, array in batch.items()}
        made = jax.device_get(run(exported_variables(state), shown))
        return [
            [
                x,
                samples.colour_labels(s, classes),
                decoded,
                e,
                samples.residual_picture(x, decoded),
                samples.residual_picture(x, e),
            ]
            for x, s, decoded, e in zip(
                shown["image"], shown["labels"], shown["decoded"], made, strict=True
            )
        ]

    def bundle(state: Any) -> Bundle:
        weights = flatten(jax.device_get(exported_variables(state)), "enhancenet")
        return Bundle(
            classes=classes,
            model=config.model.to_dict(),
            segnet=None,
            enhancenet=config.enhancenet.to_dict(),
            coding=config.coding.to_dict(),
            provenance={"enhancenet": _provenance(config, state)},
            weights=weights,
        )

    return Task(init_enhancement_state(config), make_enhancement_step(config), sample, bundle)


def _provenance(config: Any, state: Any) -> dict[str, Any]:
    """What a model directory says of where its weights come from."""
    return {
        "steps": int(state.step),
        "batch_size": config.train.batch_size,
        "ema_decay": config.train.ema_decay,
        "seed": config.seed,
        "trained_on": config.data.description,
        "terms": config.data.terms,
        "licence": config.data.get("licence", ""),  # runs begun before it was asked for do not say
    }
