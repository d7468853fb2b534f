"""score SegNet's label maps against those of a folder"""

import argparse
from pathlib import Path

from dsslic_jax.bundle.known import model_directory
from dsslic_jax.commands.outputs import TABLE, add_overwrite, output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--model", type=model_directory, required=True, help="model directory with a SegNet"
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--labels", type=Path, required=True, help="folder of their label maps")
    parser.add_argument("--limit", type=int, help="only this many pictures")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the confusion table there")
    add_overwrite(parser)
    parser.add_argument(
        "--record",
        metavar="PICTURES",
        help="keep the scores in the model's model.json; PICTURES tells readers which pictures these are",
    )


def run(options: argparse.Namespace) -> None:
    """Runs the command."""
    from dsslic_jax.system import runtime

    runtime.prepare()
    from tqdm import tqdm

    from dsslic_jax.bundle import directory as bundle
    from dsslic_jax.codec.networks.segmenter import Segmenter
    from dsslic_jax.evaluate.measuring.points import find_label_maps, find_pictures, read_labels
    from dsslic_jax.evaluate.recording import record_segmentation
    from dsslic_jax.evaluate.segmentation import agreement, confusion_csv, format_agreement
    from dsslic_jax.pictures.reading import read_picture

    table = output(options.csv, TABLE, options) if options.csv is not None else None
    paths = find_pictures(options.images, options.limit, allow_lossy=True)
    files = [*zip(paths, find_label_maps(paths, options.labels), strict=True)]
    loaded = bundle.load(options.model)
    segmenter = Segmenter(loaded)
    pictures = ((path, label_path, read_picture(path)) for path, label_path in files)
    pairs = (
        (picture, read_labels(label_path, picture, path, loaded.classes))
        for path, label_path, picture in pictures
    )
    bar = tqdm(pairs, total=len(files), desc="score", unit="picture", disable=None)
    found = agreement(bar, segmenter, loaded.classes)
    print(format_agreement(found))
    if table is not None:
        table.write(confusion_csv(found))
    if options.record is not None:
        record_segmentation(options.model, found, options.record)
