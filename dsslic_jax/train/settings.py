"""Checks a configuration before anything is allocated, and fills in what follows from the rest."""

from __future__ import annotations

from typing import Any

from dsslic_jax.classes import ClassTable, class_table
from dsslic_jax.errors import ConfigError
from dsslic_jax.models import coarse, segnet

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
}
AT_LEAST_ONE = ("steps", "batch_size", "log_every", "save_every", "keep")


def resolve(config: Any) -> Any:
    """A locked copy of `config`, checked, with K taken from the class table where it is not set.

    Raises ConfigError for a setting that is unknown or contradicts another.
    """
    config = config.copy_and_resolve_references().unlock()
    if config.task not in CHOICES:
        raise ConfigError(f"task must be one of {', '.join(CHOICES)}, not {config.task!r}")
    for key, known in {**CHOICES[config.task], "optimizer.name": ("adam", "sgd")}.items():
        section, name = key.split(".")
        if (value := config[section][name]) not in known:
            raise ConfigError(f"{key} must be one of {', '.join(map(str, known))}, not {value!r}")
    for name in AT_LEAST_ONE:
        if config.train[name] < 1:
            raise ConfigError(f"train.{name} must be at least 1, not {config.train[name]}")
    classes = class_table(config.data.classes)
    _check_classes(config, classes)
    _check_crop(config)
    if config.task == "compression" and config.after.evaluate and config.data.kind != "scenes":
        raise ConfigError(
            "after.evaluate measures embedded scenes; measure files with `dsslic evaluate`, on "
            "lossless pictures"
        )
    return config.lock()


def _check_classes(config: Any, classes: ClassTable) -> None:
    if config.model.classes is None:
        config.model.classes = classes.num_classes
    if config.model.classes < classes.num_classes:
        raise ConfigError(
            f"model.classes is {config.model.classes}, but the class table {classes.name!r} has "
            f"{classes.num_classes} ids"
        )


def _check_crop(config: Any) -> None:
    multiple, least = segnet.SIZE_MULTIPLE, segnet.SIZE_MULTIPLE
    if config.task == "compression":
        multiple, least = config.model.alpha, 4 * config.model.alpha
    crop = config.data.crop
    if crop is not None and any(side % multiple or side < least for side in crop):
        raise ConfigError(
            f"data.crop {tuple(crop)} must be multiples of {multiple}, at least {least}"
        )
