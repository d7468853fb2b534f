"""CamVid street scenes (360x480, 11 classes + void), without the VGG term.

    python -m dsslic_jax.main --config=configs/camvid.py --workdir=runs/camvid --config.data.root=/data/camvid

Two cores need narrower networks; the width measured in the README:
    --config.model.compnet_width=16 --config.model.finenet_width=16 --config.discriminator.width=16 \\
    --config.train.batch_size=2
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import default


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds."""
    config = default.compression()
    use_camvid(config)
    config.data.crop = (256, 256)
    config.losses.vgg_weight = 0.0  # set it and losses.vgg_weights to add the term
    config.train.update({"batch_size": 8, "steps": 60_000})
    return default.finish(config, variant)


def use_camvid(config: ConfigDict) -> None:
    """Points `config.data` at CamVid as folders <split>/images + <split>/labels."""
    config.data.root = "data/camvid"
    config.data.classes = "camvid"
    config.data.description = "CamVid, 367 training frames at 360x480 (Brostow et al. 2009)"
    config.data.terms = "CC BY-NC 4.0, personal and research use only"
