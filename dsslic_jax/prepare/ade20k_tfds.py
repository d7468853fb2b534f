"""A tfds builder for the 150-class release of ADE20K (SceneParse150), without TensorFlow.

The builder that comes with tfds, scene_parse150, packs instance annotations instead (see
`tfds_source`). This one reads ADEChallengeData2016 as its authors distribute it, unpacked:

    python -m dsslic_jax.prepare.ade20k_tfds --source ADEChallengeData2016 --data-dir DIR

and `data.kind = "tfds"`, `data.builder = "ade20k_150"`, `data.data_dir = "DIR"`,
`data.classes = "ade20k"` then train on it.
"""

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle

from dsslic_jax.classes.table import class_table
from dsslic_jax.data.folders import list_pairs
from dsslic_jax.errors import DataError, DsslicError
from dsslic_jax.pictures.reading import read_label_map

# Above this many bytes tfds would sort a split through temporary files, with TensorFlow. ADE20K's
# training split is about 1 GB, the limit tfds comes with, and is better kept in memory.
_SORTED_IN_MEMORY_BYTES = 16 << 30


class Ade20k150(tfds.core.GeneratorBasedBuilder):
    """ADE20K's scene parsing benchmark: label 0 is other, 1..150 are the classes in its order."""

    name = "ade20k_150"
    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Give the unpacked folder ADEChallengeData2016 as manual_dir."

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="ADE20K SceneParse150: pictures and maps of 150 classes, 0 being other.",
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "image": tfds.features.Image(encoding_format="jpeg"),
                    "labels": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
                }
            ),
            homepage="http://sceneparsing.csail.mit.edu/",
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        source_dir = Path(dl_manager.manual_dir)
        return {
            "train": self._generate_examples(source_dir, "train"),
            "validation": self._generate_examples(source_dir, "val"),
        }

    def _generate_examples(
        self, source_dir: Path, split: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        table = class_table("ade20k")
        for picture_path, label_path in list_pairs(source_dir, split, "ade20k"):
            if picture_path.suffix.lower() not in (".jpg", ".jpeg"):
                raise DataError(f"{picture_path}: pictures of ADE20K are JPEG files")
            read_label_map(label_path, table)  # A wrong release shows here, not during training.
            name = picture_path.stem
            # Encoded bytes are stored as they are; arrays would need TensorFlow to be encoded.
            yield (
                name,
                {
                    "name": name,
                    "image": io.BytesIO(picture_path.read_bytes()),
                    "labels": io.BytesIO(label_path.read_bytes()),
                },
            )


def prepare(source_dir: Path, data_dir: Path) -> Path:
    """Packs ADEChallengeData2016 into ArrayRecord files for `data.kind = "tfds"`.

    Holds one split in memory (about 1 GB). Does nothing if the version is prepared already; a
    preparation that fails leaves no version folder behind. Returns the folder written, in `data_dir`.
    Raises DataError where `source_dir` is not such a folder, or a pair in it cannot be used.
    """
    for split in ("train", "val"):
        list_pairs(source_dir, split, "ade20k")
    builder = Ade20k150(data_dir=data_dir, file_format="array_record")
    download_config = tfds.download.DownloadConfig(
        manual_dir=source_dir, try_download_gcs=False, register_checksums=False
    )
    usual_limit = shuffle.MAX_MEM_BUFFER_SIZE
    shuffle.MAX_MEM_BUFFER_SIZE = _SORTED_IN_MEMORY_BYTES
    try:
        builder.download_and_prepare(download_config=download_config)
    finally:
        shuffle.MAX_MEM_BUFFER_SIZE = usual_limit
    return Path(builder.data_dir)


def main() -> int:
    """Runs `prepare` from the command line."""
    parser = argparse.ArgumentParser(description="Prepare ADE20K's 150-class release for tfds.")
    parser.add_argument("--source", type=Path, required=True, help="unpacked ADEChallengeData2016")
    parser.add_argument("--data-dir", type=Path, required=True, help="where prepared sets lie")
    arguments = parser.parse_args()
    try:
        folder = prepare(arguments.source, arguments.data_dir)
    except DsslicError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"ade20k_150 lies in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
