"""CamVid street scenes (360x480, 11 classes + void), without the VGG term.

    python -m dsslic_jax.main --config=configs/camvid.py --workdir=runs/camvid --config.data.root=/data/camvid

Variant "two_cores" is narrow enough for a laptop without accelerator; the README measures it.
"""

from ml_collections import ConfigDict

from dsslic_jax.configs import default


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds, "two_cores" to half an hour on two cores.

    "pixel_error" is the phase after "two_cores", beginning with its model (train.start_from).
    """
    config = default.compression()
    use_camvid(config)
    config.data.crop = (256, 256)
    config.losses.vgg_weight = 0.0  # set it and losses.vgg_weights to add the term
    config.train.update({"batch_size": 8, "steps": 60_000})
    if variant == "two_cores":
        return default.finish(two_cores(config))
    if variant == "pixel_error":
        return default.finish(default.use_pixel_error(two_cores(config)))
    return default.finish(config, variant)


def two_cores(config: ConfigDict) -> ConfigDict:
    """Width 16, 192x192 crops, 3,000 steps of two pictures; a weak adversary, it would win so short a game."""
    config.data.crop = (192, 192)
    config.model.update({"compact": "average", "compnet_width": 16, "finenet_width": 16})
    config.discriminator.width = 16
    config.losses.update({"gan_weight": 0.01, "features_weight": 0.02})
    config.optimizer.learning_rate = 3e-4
    config.coding.residual_bits = 10  # less lost in rounding, at no more bytes
    config.train.update({"batch_size": 2, "steps": 3000, "log_every": 50, "save_every": 250})
    config.train.sample_every = 500
    return config


def use_camvid(config: ConfigDict) -> None:
    """Points `config.data` at CamVid as folders <split>/images + <split>/labels."""
    config.data.root = "data/camvid"
    config.data.classes = "camvid"
    config.data.description = "CamVid, 367 training frames at 360x480 (Brostow et al. 2009)"
    config.data.terms = "CC BY-NC 4.0, personal and research use only"
