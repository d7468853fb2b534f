"""The poster's ADE20K model: 256x256 crops, 150 classes + void (K = 151), batch 8, every loss term.

    python -m dsslic_jax.main --config=configs/ade20k.py --workdir=runs/ade20k \\
        --config.data.root=/data/ADEChallengeData2016 --config.losses.vgg_weights=/data/vgg19.safetensors
"""

from ml_collections import ConfigDict

from dsslic_jax.configs import default


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds."""
    config = default.compression()
    use_ade20k(config)
    config.data.resize = 256
    config.data.crop = (256, 256)
    config.coding.codecs = "external"  # FLIF and BPG, as published
    config.train.update({"batch_size": 8, "steps": 250_000})  # 100 epochs of 20,210 pictures
    return default.finish(config, variant)


def use_ade20k(config: ConfigDict) -> None:
    """Points `config.data` at the unpacked ADEChallengeData2016 release."""
    config.data.root = "data/ADEChallengeData2016"
    config.data.layout = "ade20k"
    config.data.classes = "ade20k"
    config.data.description = (
        "ADE20K scene parsing release, 20,210 training pictures (Zhou et al. 2017)"
    )
    config.data.terms = "ADE20K Terms of Use: non-commercial research"
