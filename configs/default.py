"""Where recipes begin: the defaults of what is trained, and changes that several of them make.

Every key is explained in docs/settings.md. The other files of this folder state differences only; the variant "tiny"
shrinks any of them to seconds.
"""

from ml_collections import ConfigDict

from dsslic_jax.train.losses.terms import LossSettings
from dsslic_jax.train.tasks.registry import default_config, task_type


def compression() -> ConfigDict:
    """CompNet, FineNet and the discriminator: the poster's choices at the poster's widths."""
    return default_config("compression")


def segmentation() -> ConfigDict:
    """SegNet by itself."""
    return default_config("segmentation")


def enhancement() -> ConfigDict:
    """EnhanceNet of the `best` profile."""
    return default_config("enhancement")


def use_pixel_error(config: ConfigDict) -> ConfigDict:
    """Sets the losses of the phase after the adversarial one: squared error alone, every other term left out."""
    config.losses.update({term.weight_name: 0.0 for term in LossSettings.added()})
    config.losses.mse_weight = 100.0
    return config


def tiny(config: ConfigDict) -> ConfigDict:
    """The same program at a size that two cores run in seconds."""
    config.train.update({"batch_size": 2, "steps": 4, "log_every": 2, "save_every": 2})
    config.train.sample_every = 2
    config.after.evaluate = False  # four steps teach nothing worth measuring
    config.data.crop = (64, 64)
    config.data.scenes_train = 16
    config.data.scenes_test = 2
    config.precision = "float32"
    return use_variant(config, "tiny")


def use_variant(config: ConfigDict, variant: str) -> ConfigDict:
    """Makes the changes that a task has under this name, such as "reference"."""
    config.update_from_flattened_dict(task_type(config.task).variants[variant])
    return config


def finish(config: ConfigDict, variant: str = "") -> ConfigDict:
    """Applies the `:variant` of `--config=FILE:variant` ("", "tiny" or one of the task's) and locks the keys."""
    known = task_type(config.task).variants
    if variant == "tiny":
        tiny(config)
    elif variant in known:
        use_variant(config, variant)
    elif variant:
        raise ValueError(f"configuration variant {variant!r} is none of {', '.join(known)}")
    return config.lock()
