"""Settings of the data: which pictures, and how they become batches."""

from dataclasses import dataclass

from dsslic_jax.data.kinds import OPENERS
from dsslic_jax.errors import ConfigError
from dsslic_jax.settings.fields import FieldError, Settings, setting


@dataclass(frozen=True)
class DataSettings(Settings):
    """The group `data` of a configuration."""

    kind: str = setting(
        "folders",
        '"folders", "records", "coded" (pictures beside what a codec gave back: dsslic_jax/data/coded.py), "tfds" or '
        '"scenes" (embedded, made on the fly)',
        choices=tuple(OPENERS),
    )
    root: str = setting(
        "",
        "folders, coded: the directory of the splits; records: what `dsslic prepare` wrote",
        free=True,
    )
    layout: str = setting("auto", "folders: see dsslic_jax/data/folders.py for the layouts known")
    builder: str = setting("", 'tfds: builder name, e.g. "cityscapes"')
    data_dir: str = setting("", "tfds: where prepared data sets lie", free=True)
    description: str = setting("", "what the pictures are; kept with the weights", free=True)
    terms: str = setting("", "the terms they are under; kept with the weights", free=True)
    licence: str = setting(
        "",
        'of the weights trained on them, as SPDX calls it; "": only what terms allow',
        free=True,
    )
    classes: str = setting("scenes", "class table: names, void ids, ids in files")
    train_split: str = setting("train", "trained on")
    eval_split: str = setting("val", "held back, to measure on", free=True)
    on_bad_file: str = setting(
        "error",
        '"error" stops at an undecodable file; "skip" counts and replaces it',
        choices=("error", "skip"),
        free=True,
    )
    resize: int | tuple[int, int] | None = setting(
        None, "None, or short side, or (height, width)", unit="pixels", at_least=1
    )
    scale: tuple[float, float] = setting(
        (1.0, 1.0), "range of a random scale before the crop", above=0
    )
    crop: tuple[int, int] | None = setting(
        (256, 256), "training crop, (height, width)", unit="pixels", at_least=1
    )
    flip: bool = setting(True, "mirror left-right half of the time")
    unlabelled: float = setting(
        0.0,
        "share of the training pictures whose labels are hidden, so that networks also learn to do without",
        at_least=0,
        at_most=1,
    )
    cache: bool = setting(False, "keep decoded pictures in memory; for sets that fit", free=True)
    cache_gib: float = setting(
        4.0, "how much of it; needing more is an error", unit="2**30 bytes", above=0, free=True
    )
    workers: int = setting(
        0, "decoding processes per host; 0 decodes in threads", at_least=0, free=True
    )
    scenes_seed: int = setting(
        0, "scenes: seed of the generated pictures, apart from the run's", at_least=0
    )
    scenes_size: tuple[int, int] = setting(
        (128, 128), "scenes: (height, width)", unit="pixels", at_least=32, at_most=4096
    )
    scenes_train: int = setting(2048, "scenes: how many training scenes there are", at_least=1)
    scenes_test: int = setting(8, "scenes: how many held-back scenes", at_least=1)

    def check(self) -> None:
        """Raises ConfigError for settings that contradict each other."""
        if self.scale[0] > self.scale[1]:
            raise FieldError("scale", f"must be (low, high), low first, not {self.scale}")
        if self.kind == "coded" and (self.resize is not None or self.scale != (1, 1)):
            raise ConfigError(
                'data.kind "coded" takes pictures as they were coded: leave data.resize and data.scale alone'
            )
        if self.kind == "scenes" and self.classes != "scenes":
            raise ConfigError(
                f'data.kind "scenes" needs data.classes "scenes", not {self.classes!r}'
            )
        if self.cache and self.workers:
            raise ConfigError("data.cache is of one process: set data.workers to 0")
