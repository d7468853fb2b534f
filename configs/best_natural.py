"""The `best` profile for photographs of any kind: block averages at 1/64, a 10-bit residual, and EnhanceNet.

EnhanceNet learns on pictures that the codec really coded, with the labels that a decoder will have, so SegNet comes
first (configs/segnet_natural.py):

    python -m dsslic_jax.main --config=configs/best_natural.py --workdir=runs/plain --untrained
    dsslic join runs/base --model runs/plain/model --segnet runs/segnet_natural/model
    python -m dsslic_jax.prepare.coded_pairs --model runs/base --source PICTURES --target data/coded/train \\
        --qualities 12,19,26,33,40,47,54,61,68,75
    python -m dsslic_jax.main --config=configs/best_natural.py --workdir=runs/best_natural
    dsslic join models/natural --model runs/best_natural/model --segnet runs/segnet_natural/model --half

What was run for the bundled model: docs/models.md.
"""

from ml_collections import ConfigDict

from dsslic_jax.configs import default


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds."""
    config = default.enhancement()
    config.data.root = "data/coded"
    config.data.classes = "natural"
    config.data.description = "CID22 and COCO-Stuff photographs, training splits, labels by SegNet"
    config.data.terms = "CID22 CC BY-SA 4.0; COCO: of each photograph, non-commercial among them"
    return default.finish(config, variant)
