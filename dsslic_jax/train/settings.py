"""Checks a configuration before anything is allocated, and fills in what follows from the rest."""

from __future__ import annotations

from typing import Any

from dsslic_jax.classes.table import ClassTable, class_table
from dsslic_jax.errors import ConfigError
from dsslic_jax.models import coarse, enhancenet, segnet
from dsslic_jax.train.devices import rematerialisation as recompute
from dsslic_jax.train.devices.mesh import REST
from dsslic_jax.train.evaluation import EVALUATED

CHOICES: dict[str, dict[str, tuple[Any, ...]]] = {
    "compression": {
        **{f"model.{name}": known for name, known in coarse.CHOICES.items()},
        "discriminator.norm": ("instance", "group", "none"),
        "losses.gan": ("log", "least_squares"),
        "losses.ssim": ("poster", "reference"),
        "losses.features": ("poster", "reference"),
        "losses.vgg_layers": ("poster", "reference"),
        "train.update_order": ("alternating", "simultaneous"),
    },
    "segmentation": {f"model.{name}": known for name, known in segnet.CHOICES.items()},
    "enhancement": {
        **{f"model.{name}": known for name, known in coarse.CHOICES.items()},
        **{f"enhancenet.{name}": known for name, known in enhancenet.CHOICES.items()},
        "data.kind": ("coded",),
    },
}
SHARED_CHOICES = {
    "optimizer.name": ("adam", "sgd"),
    "train.recompute": ("nothing", *recompute.POLICIES),
}
PRECISIONS = ("float32", "bfloat16")
AT_LEAST_ONE = ("steps", "batch_size", "log_every", "save_every", "keep", "evaluate_pictures")


def resolve(config: Any) -> Any:
    """A locked copy of `config`, checked, with K taken from the class table where it is not set.

    Raises ConfigError for a setting that is unknown or contradicts another.
    """
    config = config.copy_and_resolve_references().unlock()
    if config.task not in CHOICES:
        raise ConfigError(f"task must be one of {', '.join(CHOICES)}, not {config.task!r}")
    if config.precision not in PRECISIONS:
        raise ConfigError(
            f"precision must be one of {', '.join(PRECISIONS)}, not {config.precision!r}"
        )
    for key, known in {**CHOICES[config.task], **SHARED_CHOICES}.items():
        section, name = key.split(".")
        if (value := config[section][name]) not in known:
            raise ConfigError(f"{key} must be one of {', '.join(map(str, known))}, not {value!r}")
    _check_train(config.train)
    classes = class_table(config.data.classes)
    _check_classes(config, classes)
    _check_crop(config)
    _check_mesh(config)
    if config.task != "segmentation" and config.after.evaluate and config.data.kind != "scenes":
        raise ConfigError(
            "after.evaluate measures embedded scenes; measure files with `dsslic evaluate`, on "
            "lossless pictures"
        )
    return config.lock()


def _check_train(train: Any) -> None:
    for name in AT_LEAST_ONE:
        if train[name] < 1:
            raise ConfigError(f"train.{name} must be at least 1, not {train[name]}")
    if not 0 <= train.ema_decay < 1:
        raise ConfigError(f"train.ema_decay must be in [0, 1), not {train.ema_decay}")
    if train.best_metric.startswith(EVALUATED) and not train.evaluate_every:
        raise ConfigError(
            f"train.best_metric {train.best_metric!r} is measured every train.evaluate_every steps: set that"
        )


def _check_classes(config: Any, classes: ClassTable) -> None:
    if config.model.classes is None:
        config.model.classes = classes.num_classes
    if config.model.classes < classes.num_classes:
        raise ConfigError(
            f"model.classes is {config.model.classes}, but the class table {classes.name!r} has "
            f"{classes.num_classes} ids"
        )
    if config.task == "enhancement":
        config.enhancenet.classes = config.model.classes


def _size_multiple(config: Any) -> int:
    return {
        "compression": lambda: config.model.alpha,
        "segmentation": lambda: segnet.SIZE_MULTIPLE,
        "enhancement": lambda: enhancenet.SCALE,
    }[config.task]()


def _check_crop(config: Any) -> None:
    multiple = _size_multiple(config)
    least = 4 * multiple if config.task == "compression" else multiple
    crop = config.data.crop
    if crop is not None and any(side % multiple or side < least for side in crop):
        raise ConfigError(
            f"data.crop {tuple(crop)} must be multiples of {multiple}, at least {least}"
        )


def _check_mesh(config: Any) -> None:
    for axis, size in config.mesh.items():
        if size < 1 and not (axis == "data" and size == REST):
            raise ConfigError(f"mesh.{axis} must be at least 1, not {size}")
    rows, multiple, crop = config.mesh.rows, _size_multiple(config), config.data.crop
    if rows > 1 and (crop is None or crop[0] % (rows * multiple)):
        height = "unset" if crop is None else f"{crop[0]} pixels high"
        raise ConfigError(
            f"mesh.rows {rows} cuts pictures into bands of whole {multiple}-pixel blocks: data.crop is {height}; "
            f"make it a multiple of {rows * multiple} high"
        )
