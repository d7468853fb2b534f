"""The `best` profile for street scenes, labelled with CamVid's classes; otherwise as configs/best_natural.py.

    python -m dsslic_jax.main --config=configs/best_street.py --workdir=runs/plain_street --untrained
    dsslic join runs/base_street --model runs/plain_street/model --segnet runs/segnet_camvid/model
    python -m dsslic_jax.prepare.coded_pairs --model runs/base_street --source FRAMES \\
        --target data/coded_street/train \\
        --qualities 12,19,26,33,40,47,54,61,68,75
    python -m dsslic_jax.main --config=configs/best_street.py --workdir=runs/best_street \\
        --config.train.start_from=natural --config.train.start_anew=labels
    dsslic join models/street --model runs/best_street/model --segnet runs/segnet_camvid/model --half

FRAMES are every fourth of CamVid's training frames, which hardly differ from their neighbours, and CID22's photographs.
"""

from ml_collections import ConfigDict

from dsslic_jax.configs import best_natural


def get_config(variant: str = "") -> ConfigDict:
    """The configuration; variant "tiny" shrinks it to seconds."""
    config = best_natural.get_config(variant)
    config.data.root = "data/coded_street"
    config.data.classes = "camvid"
    config.data.description = "CamVid, training frames, and CID22 photographs, labels by SegNet"
    config.data.terms = "CamVid CC BY-NC 4.0, personal and research use only; CID22 CC BY-SA 4.0"
    return config
