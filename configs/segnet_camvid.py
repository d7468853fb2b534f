"""SegNet on CamVid with the small backbone, which two cores can train.

    python -m dsslic_jax.main --config=configs/segnet_camvid.py --workdir=runs/segnet_camvid \\
        --config.data.root=/data/camvid

Join it to a coarse model with `dsslic join`.
"""

from ml_collections import ConfigDict

from dsslic_jax.configs import camvid, default


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds."""
    config = default.segmentation()
    camvid.use_camvid(config)
    config.data.crop = (256, 256)
    config.data.scale = (0.75, 1.5)
    config.model.backbone = "small"
    config.model.width = 24
    config.model.pyramid_width = 64
    config.optimizer.update({"name": "adam", "learning_rate": 1e-3, "weight_decay": 1e-5})
    config.train.update({"batch_size": 8, "steps": 4000})
    config.data.eval_split = "test"
    config.after.evaluate = True
    return default.finish(config, variant)
