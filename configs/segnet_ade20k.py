"""SegNet on ADE20K: PSPNet with a dilated ResNet-50, 150 classes + void.

    python -m dsslic_jax.main --config=configs/segnet_ade20k.py --workdir=runs/segnet_ade20k \\
        --config.data.root=/data/ADEChallengeData2016
"""

from ml_collections import ConfigDict

from dsslic_jax.configs import ade20k, default


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds."""
    config = default.segmentation()
    ade20k.use_ade20k(config)
    config.data.resize = 512
    config.data.crop = (480, 480)
    config.optimizer.learning_rate = 0.02
    config.train.update({"batch_size": 16, "steps": 100_000})
    config.precision = "bfloat16"
    return default.finish(config, variant)
