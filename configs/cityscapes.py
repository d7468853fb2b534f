"""The poster's Cityscapes model: 512x1024, labelIds 0..33 + licence plate (K = 35), batch 2, every loss term.

    python -m dsslic_jax.main --config=configs/cityscapes.py --workdir=runs/cityscapes \\
        --config.data.root=/data/cityscapes --config.losses.vgg_weights=/data/vgg19.safetensors
"""

from ml_collections import ConfigDict

from dsslic_jax.configs import default


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds."""
    config = default.compression()
    config.data.root = "data/cityscapes"
    config.data.classes = "cityscapes"
    config.data.description = (
        "Cityscapes fine annotations, 2,975 training frames (Cordts et al. 2016)"
    )
    config.data.terms = "Cityscapes terms: non-commercial research"
    config.data.resize = (512, 1024)
    config.data.crop = (512, 1024)
    config.coding.codecs = "external"  # FLIF and BPG, as published
    config.train.update({"batch_size": 2, "steps": 150_000})  # 100 epochs of 2,975 frames
    return default.finish(config, variant)
