"""Embedded scenes: pictures with exact label maps, made from a seed, for use without a data set."""

from __future__ import annotations

from ml_collections import ConfigDict

from dsslic_jax.data.elements import Element
from dsslic_jax.data.scenes.painting import paint_scene
from dsslic_jax.data.scenes.textures import Draws
from dsslic_jax.errors import ConfigError, DataError

# Part of the random seed, so that splits share no scene.
_SPLITS = {"train": 0, "val": 1, "test": 2}


class SceneSource:
    """Random access to generated scenes: an element follows from (seed, split, index) alone.

    The same numbers give the same pixels on every platform (see `scene_textures`).
    """

    def __init__(self, seed: int, split: str, count: int, height: int, width: int) -> None:
        """Prepares `count` scenes of `height` x `width` pixels.

        Raises:
          DataError: no such split.
          ConfigError: a number out of range.
        """
        if split not in _SPLITS:
            raise DataError(f"scenes have no split {split!r}; known: {', '.join(_SPLITS)}")
        if seed < 0 or count < 1 or min(height, width) < 32 or max(height, width) > 4096:
            raise ConfigError(
                "scenes need a seed >= 0, at least one scene and sides of 32..4096 pixels, "
                f"not seed {seed} and {count} scenes of {width}x{height}"
            )
        self.name = f"scenes/{split}"
        self._seed, self._split, self._count = seed, split, count
        self._height, self._width = height, width

    @classmethod
    def from_config(cls, data_config: ConfigDict, split: str) -> SceneSource:
        """Reads the `scenes_*` keys; "val" and "test" are two sets of `scenes_test` scenes."""
        count = data_config.scenes_train if split == "train" else data_config.scenes_test
        height, width = data_config.scenes_size
        return cls(data_config.scenes_seed, split, count, height, width)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Element:
        if not 0 <= index < self._count:
            raise IndexError(f"{self.name} has no element {index}")
        draws = Draws(self._seed, _SPLITS[self._split], int(index))
        image, labels = paint_scene(draws, self._height, self._width)
        return Element(image=image, labels=labels, name=f"scene_{self._split}_{index:06d}")
