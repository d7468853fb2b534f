"""Data sets prepared by TensorFlow Datasets as ArrayRecord files; TensorFlow is not needed.

Known to fit: `cityscapes/semantic_segmentation`, and any builder whose features are named like its own or `image`,
`labels` and `name`. Pictures are decoded by `pictures`, not by tfds, so that limits and error messages are the same for
every kind of source.
"""

import io
import re
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from dsslic_jax.classes.table import ClassTable
from dsslic_jax.data.elements import Element, paired
from dsslic_jax.errors import ConfigError, DataError
from dsslic_jax.pictures.reading import read_label_map, read_picture

# Feature names of the picture, its label map and its name.
_FEATURES = (("image", "labels", "name"), ("image_left", "segmentation_label", "image_id"))
_DEFAULT_CONFIGS = {"cityscapes": "semantic_segmentation"}
_SPLIT_ALIASES = {"val": "validation"}


class TfdsSource:
    """Random access to one split of a prepared data set."""

    def __init__(self, builder: str, data_dir: str, split: str, table: ClassTable) -> None:
        """Opens `data_dir/builder`, a name with "/config" where there are several, in its newest version.

        The split "val" also finds "validation". Raises ConfigError where `builder` or `data_dir` is empty, DataError
        where it is not prepared there, in another file format, or without such a split or features.
        """
        _refuse_instance_maps(builder)
        reader = tfds.builder_from_directory(_version_folder(builder, data_dir))
        split = _existing_split(reader, split)
        self._features = _feature_names(reader)
        image, labels, _ = self._features
        decoders = {image: tfds.decode.SkipDecoding(), labels: tfds.decode.SkipDecoding()}
        try:
            self._records = reader.as_data_source(split=split, decoders=decoders)
        except NotImplementedError as error:
            raise DataError(
                f"{builder} was prepared as {reader.info.file_format.value}, which has no random "
                'access; prepare it again with file_format="array_record"'
            ) from error
        self.name = f"{builder}/{split}"
        self._table = table

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Element:
        image_key, labels_key, name_key = self._features
        record: dict[str, Any] = self._records[index]
        name = record[name_key].decode() if name_key in record else f"{index:08d}"
        where = f"{self.name}: {name}"
        image = read_picture(io.BytesIO(record[image_key]), where)
        labels = read_label_map(io.BytesIO(record[labels_key]), self._table, where)
        return paired(image, labels, name, where)


def _refuse_instance_maps(builder: str) -> None:
    """tfds's scene_parse150 downloads annotations_instance.tar of the Places Challenge 2017.

    There red is a category of the instance benchmark (1..100, objects only: no wall, sky, road or
    grass; 0 elsewhere) and green the number of the instance. It is not the map of 150 classes its
    name promises. Source: CSAILVision/placeschallenge, instancesegmentation/README.md and
    instanceInfo100_val.txt.
    """
    if builder.split("/", maxsplit=1)[0] == "scene_parse150":
        raise DataError(
            "scene_parse150 of tfds holds instance annotations of 100 object categories (red: "
            "category, green: instance), not the 150-class map: unpack ADEChallengeData2016 and read it as it is, "
            "data.kind=folders"
        )


def _version_folder(builder: str, data_dir: str) -> Path:
    if not builder or not data_dir:
        raise ConfigError('data.kind "tfds" needs data.builder and data.data_dir')
    if builder in _DEFAULT_CONFIGS:
        builder = f"{builder}/{_DEFAULT_CONFIGS[builder]}"
    folder = Path(data_dir).expanduser() / builder
    versions = {
        tuple(int(number) for number in path.name.split(".")): path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if re.fullmatch(r"\d+\.\d+\.\d+", path.name) and (path / "features.json").is_file()
    }
    if not versions:
        raise DataError(
            f"{builder} is not prepared in {folder}: no version folder with a features.json; "
            'prepare it with file_format="array_record" or correct data.data_dir'
        )
    return versions[max(versions)]


def _existing_split(reader: tfds.core.DatasetBuilder, split: str) -> str:
    for candidate in (split, _SPLIT_ALIASES.get(split, split)):
        if candidate in reader.info.splits:
            return candidate
    known = ", ".join(reader.info.splits)
    raise DataError(f"{reader.info.name} has no split {split!r}; it has {known}")


def _feature_names(reader: tfds.core.DatasetBuilder) -> tuple[str, str, str]:
    for image, labels, name in _FEATURES:
        if image in reader.info.features and labels in reader.info.features:
            return image, labels, name
    raise DataError(
        f"{reader.info.name} has the features {', '.join(reader.info.features)}; needed are "
        + " or ".join(f"{image} and {labels}" for image, labels, _ in _FEATURES)
    )
