"""SegNet for photographs of any kind with the small backbone, which two cores can train.

    dsslic prepare COCO_STUFF MSRC21 CAMVID data/natural --classes coco_stuff,msrc,camvid --as natural
    python -m dsslic_jax.main --config=configs/segnet_natural.py --workdir=runs/segnet_natural

Its classes are the 20 of the table `natural`, not one set's own: few labelled pictures of each set are at hand, and
these classes are what they share. 183 classes would leave most with a handful of pictures, and a label map of many
small regions costs bits. Pictures are decoded once and kept in memory. Join it to a coarse model of the same classes
with `dsslic join`.
"""

from ml_collections import ConfigDict

from dsslic_jax.configs import default


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds."""
    config = default.segmentation()
    config.data.kind = "records"
    config.data.root = "data/natural"
    config.data.classes = "natural"
    config.data.description = (
        "COCO-Stuff, MSRC version 2 and CamVid, training splits, in the classes of `natural`"
    )
    config.data.terms = "CamVid CC BY-NC 4.0; COCO: of each photograph, non-commercial among them; MSRC: research use"
    config.data.cache = True
    config.data.crop = (256, 256)
    config.data.scale = (0.6, 1.5)  # sets of 320 to 640 pixels a side
    config.model.backbone = "small"
    config.model.width = 24
    config.model.pyramid_width = 64
    config.optimizer.update({"name": "adam", "learning_rate": 1e-3, "weight_decay": 1e-5})
    config.train.update({"batch_size": 8, "steps": 6000})
    config.after.evaluate = True
    return default.finish(config, variant)
