"""The `poster` profile for photographs of any kind, at a width that two cores can train: adversarial, then pixel error.

SegNet comes first (configs/segnet_natural.py); it labels the photographs, of which PHOTOGRAPHS has train/images:

    dsslic prepare PHOTOGRAPHS data/photographs --classes none --as natural --splits train \\
        --label-with runs/segnet_natural/model
    python -m dsslic_jax.main --config=configs/natural.py --workdir=runs/natural_adversarial
    python -m dsslic_jax.main --config=configs/natural.py:pixel_error --workdir=runs/natural_poster \\
        --config.train.start_from=runs/natural_adversarial/model
    dsslic join models/natural_poster --model runs/natural_poster/model --segnet runs/segnet_natural/model --half
"""

from ml_collections import ConfigDict

from dsslic_jax.configs import camvid, default


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds, "pixel_error" is the phase after the adversarial one."""
    config = camvid.two_cores(default.compression())
    config.data.kind = "records"
    config.data.root = "data/photographs"
    config.data.classes = "natural"
    config.data.cache = True
    config.data.description = "CID22 and COCO-Stuff photographs, training splits, labels by SegNet"
    config.data.terms = "CID22 CC BY-SA 4.0; COCO: of each photograph, non-commercial among them"
    config.losses.vgg_weight = 0.0  # set it and losses.vgg_weights to add the term
    if variant == "pixel_error":
        return default.finish(default.use_pixel_error(config))
    return default.finish(config, variant)
