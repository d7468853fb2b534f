"""Data sets prepared by TensorFlow Datasets, without TensorFlow."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from ml_collections import ConfigDict
from PIL import Image

from dsslic_jax.data.folders import list_pairs
from dsslic_jax.data.pipeline import train_iterator
from dsslic_jax.data.sources import open_source
from dsslic_jax.errors import ConfigError, DataError
from tests.data.conftest import settings_of

WritePairs = Callable[..., Path]


def prepare(source: Path, data_dir: Path) -> None:
    """Packs both splits of a folder in ADE20K's layout, with the features of a builder that fits."""

    class Pairs(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = "pairs"
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            features = {
                "name": tfds.features.Text(),
                "image": tfds.features.Image(encoding_format="jpeg"),
                "labels": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            del dl_manager
            return {
                "train": self._generate_examples("train"),
                "validation": self._generate_examples("val"),
            }

        def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
            for picture, label_map in list_pairs(source, split, "ade20k"):
                files = {"image": picture.read_bytes(), "labels": label_map.read_bytes()}
                yield (
                    picture.stem,
                    {"name": picture.stem, **{k: io.BytesIO(v) for k, v in files.items()}},
                )

    Pairs(data_dir=data_dir, file_format="array_record").download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )


@pytest.fixture
def challenge(write_pairs: WritePairs) -> Path:
    """A folder like ADEChallengeData2016 with three training and two validation pictures."""
    write_pairs("images/training", "annotations/training", 3, num_ids=151, suffix=".jpg")
    return write_pairs("images/validation", "annotations/validation", 2, 151, suffix=".jpg")


@pytest.fixture
def tfds_config(data_config: ConfigDict, tmp_path: Path) -> ConfigDict:
    data_config.update({"kind": "tfds", "builder": "pairs", "classes": "ade20k"})
    data_config.data_dir = str(tmp_path / "prepared")
    return data_config


def test_a_prepared_set_holds_what_the_folders_hold(
    challenge: Path, tfds_config: ConfigDict
) -> None:
    prepare(challenge, Path(tfds_config.data_dir))
    folders = ConfigDict(tfds_config).unlock()
    folders.update({"kind": "folders", "root": str(challenge), "layout": "ade20k"})
    for split, count in (("train", 3), ("val", 2)):
        packed, plain = (
            open_source(settings_of(tfds_config), split),
            open_source(settings_of(folders), split),
        )
        assert len(packed) == len(plain) == count
        by_name = {packed[index]["name"]: packed[index] for index in range(count)}
        for index in range(count):
            expected = plain[index]
            np.testing.assert_array_equal(by_name[expected["name"]]["image"], expected["image"])
            np.testing.assert_array_equal(by_name[expected["name"]]["labels"], expected["labels"])


def test_training_stream_reads_prepared_files(challenge: Path, tfds_config: ConfigDict) -> None:
    prepare(challenge, Path(tfds_config.data_dir))
    tfds_config.crop = (16, 16)
    batch = next(train_iterator(settings_of(tfds_config), batch_size=2, seed=0))
    assert batch["image"].shape == (2, 16, 16, 3)
    assert batch["labels"].max() > 12


def prepare_tiny_cityscapes(data_dir: Path, file_format: str) -> None:
    """Packs two pictures with the features of tfds's own Cityscapes builder."""

    class TinyCityscapes(tfds.builder_cls("cityscapes"), skip_registration=True):  # type: ignore[misc, call-arg]
        name = "cityscapes"

        def _info(self) -> tfds.core.DatasetInfo:
            features = {
                "image_id": tfds.features.Text(),
                "image_left": tfds.features.Image(shape=(1024, 2048, 3), encoding_format="png"),
                "segmentation_label": tfds.features.Image(
                    shape=(1024, 2048, 1), encoding_format="png", use_colormap=True
                ),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            del dl_manager
            return {"train": self._generate_examples(), "validation": self._generate_examples()}

        def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
            for number in range(2):
                files = {}
                for key, shape in (("image_left", (8, 16, 3)), ("segmentation_label", (8, 16))):
                    file = io.BytesIO()
                    pixels = np.full(shape, 7 + number, np.uint8)
                    pixels[0, 0] = 255
                    Image.fromarray(pixels).save(file, "PNG")
                    files[key] = io.BytesIO(file.getvalue())
                yield f"city_{number}", {"image_id": f"city_{number}", **files}

    builder = TinyCityscapes(
        data_dir=data_dir, config="semantic_segmentation", file_format=file_format
    )
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )


@pytest.mark.parametrize("builder", ["cityscapes", "cityscapes/semantic_segmentation"])
def test_cityscapes_of_tfds_is_read_with_licence_plates_remapped(
    tfds_config: ConfigDict, builder: str
) -> None:
    prepare_tiny_cityscapes(Path(tfds_config.data_dir), "array_record")
    tfds_config.update({"builder": builder, "classes": "cityscapes"})
    source = open_source(settings_of(tfds_config), "val")
    elements = {source[index]["name"]: source[index] for index in range(len(source))}
    assert set(elements) == {"city_0", "city_1"}
    labels = elements["city_1"]["labels"]
    assert (labels[0, 0], labels[0, 1]) == (34, 8)
    assert elements["city_1"]["image"][0, 1].tolist() == [8, 8, 8]


def test_cityscapes_features_are_those_of_the_installed_tfds(tmp_path: Path) -> None:
    own = tfds.builder_cls("cityscapes")(data_dir=tmp_path, config="semantic_segmentation")
    assert set(own.info.features) == {"image_id", "image_left", "segmentation_label"}


def test_instance_annotations_of_scene_parse150_are_refused(tfds_config: ConfigDict) -> None:
    tfds_config.builder = "scene_parse150"
    with pytest.raises(DataError, match=r"not the 150-class map: unpack ADEChallengeData2016"):
        open_source(settings_of(tfds_config), "train")


def test_set_that_is_not_prepared_is_refused(tfds_config: ConfigDict) -> None:
    with pytest.raises(DataError, match="pairs is not prepared in"):
        open_source(settings_of(tfds_config), "train")


def test_unknown_split_lists_the_known_ones(challenge: Path, tfds_config: ConfigDict) -> None:
    prepare(challenge, Path(tfds_config.data_dir))
    with pytest.raises(DataError, match="no split 'test'; it has train, validation"):
        open_source(settings_of(tfds_config), "test")


@pytest.mark.parametrize("key", ["builder", "data_dir"])
def test_builder_and_folder_must_be_given(tfds_config: ConfigDict, key: str) -> None:
    tfds_config[key] = ""
    with pytest.raises(ConfigError, match=r"needs data\.builder and data\.data_dir"):
        open_source(settings_of(tfds_config), "train")
