"""What every training run is told, whatever it trains: data, devices, optimiser, the loop."""

from dataclasses import dataclass

from dsslic_jax.data.settings import DataSettings
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.settings import PRECISIONS
from dsslic_jax.settings.fields import FieldError, Settings, group, setting
from dsslic_jax.train.evaluation import EVALUATED

REST = -1  # size of the mesh's data axis: all devices that the other axes leave


@dataclass(frozen=True)
class MeshSettings(Settings):
    """Devices along each axis of the mesh (dsslic_jax/train/devices/sharding.py)."""

    data: int = setting(
        REST, "each group of so many has pictures of its own; -1: as many as there are", at_least=-1
    )
    fsdp: int = setting(
        1, "likewise, and parameters and optimiser state are divided among these", at_least=1
    )
    rows: int = setting(
        1, "devices that share each picture by bands of rows: for large pictures", at_least=1
    )

    def check(self) -> None:
        """Raises ConfigError for no devices along an axis."""
        if self.data == 0:
            raise FieldError("data", "must be at least 1, or -1 for as many as there are, not 0")


@dataclass(frozen=True)
class OptimizerSettings(Settings):
    """The optimiser and its learning rate."""

    name: str = setting("adam", "which", choices=("adam", "sgd"))
    learning_rate: float = setting(2e-4, "at the start", above=0, origin="poster")
    beta1: float = setting(
        0.5, 'of the first moment; the momentum of "sgd"', at_least=0, below=1, origin="poster"
    )
    beta2: float = setting(0.999, "of the second moment", at_least=0, below=1, origin="poster")
    weight_decay: float = setting(0.0, "L2 added to the gradient", at_least=0)
    warmup_steps: int = setting(0, "over which the learning rate rises to the above", at_least=0)
    constant_fraction: float = setting(
        0.5,
        "share of the steps at that rate; over the rest it falls to zero",
        at_least=0,
        at_most=1,
        origin="poster",
    )
    decay_power: float = setting(
        1.0, 'of the fall: 1 is linear (poster); 0.9 with constant_fraction 0 is "poly"', above=0
    )


@dataclass(frozen=True)
class LoopSettings(Settings):
    """The loop: how long, and what is kept and told on the way."""

    batch_size: int = setting(
        8,
        "global: over all devices and hosts; a multiple of mesh.data x mesh.fsdp",
        unit="pictures",
        at_least=1,
    )
    steps: int = setting(100_000, "updates of the weights", at_least=1)
    recompute: str = setting(
        "nothing",
        'rematerialised in the backward pass: "norms" (a third less memory) or "features"',
        choices=("nothing", "norms", "features"),
        free=True,
    )
    update_order: str = setting(
        "alternating",
        'G faces the updated D (poster); "simultaneous" (reference): both from the same old weights',
        choices=("alternating", "simultaneous"),
    )
    ema_decay: float = setting(
        0.0,
        "moving average of the trained weights and batch statistics, kept beside them; samples, evaluation and the "
        "model take it. 0: none; 0.999 remembers about a thousand steps",
        at_least=0,
        below=1,
    )
    log_every: int = setting(
        100,
        "steps between reports: progress line, TensorBoard, metrics.jsonl",
        at_least=1,
        free=True,
    )
    json_log: bool = setting(
        True, "metrics.jsonl in the work directory: one JSON line for each report", free=True
    )
    save_every: int = setting(1000, "steps between checkpoints", at_least=1, free=True)
    keep: int = setting(2, "checkpoints kept: the last so many", at_least=1, free=True)
    best_metric: str = setting(
        "",
        'name of a reported value, e.g. "eval/psnr_rgb_db": the checkpoint where it was best, as last reported, is '
        "kept too, and its model is written to best/. Of a PSNR, an accuracy or an IoU more is better, of all else "
        "less",
        free=True,
    )
    sample_every: int = setting(1000, "steps between sample grids; 0: none", at_least=0, free=True)
    evaluate_every: int = setting(
        0,
        "steps between measurements on data.eval_split, really coded at coding.quality (or, of SegNet, segmented); "
        "0: none",
        at_least=0,
        free=True,
    )
    evaluate_pictures: int = setting(
        4,
        "how many held-back pictures, cut to data.crop in their middle",
        at_least=1,
        free=True,
    )
    start_from: str = setting(
        "",
        "model directory, or bundled model's name, whose weights, and state of training, to begin with",
        free=True,
    )
    start_anew: str = setting(
        "",
        'names of layers, with commas, that begin anew in spite of it: EnhanceNet\'s "labels" from a model of other '
        "classes",
        free=True,
    )

    def check(self) -> None:
        """Raises ConfigError where the best checkpoint is to be found by what is never measured."""
        if self.best_metric.startswith(EVALUATED) and not self.evaluate_every:
            raise ConfigError(
                f"train.best_metric {self.best_metric!r} is measured every train.evaluate_every steps: set that"
            )


@dataclass(frozen=True)
class AfterSettings(Settings):
    """What is done when training ends."""

    evaluate: bool = setting(False, "measure data.eval_split", free=True)


@dataclass(frozen=True)
class RunSettings(Settings):
    """A whole configuration; what is trained adds its own groups (dsslic_jax/train/tasks)."""

    task: str = setting("", "what is trained")
    seed: int = setting(
        0,
        "weights, data order and augmentation all follow from it",
        at_least=0,
        at_most=2**32 - 1,
    )
    precision: str = setting(
        "float32",
        'arithmetic of the networks: "bfloat16" on TPU and GPU. Weights, their updates, what norms measure and losses '
        "are float32 in either",
        choices=PRECISIONS,
    )
    data: DataSettings = group(DataSettings, "the pictures")
    mesh: MeshSettings = group(MeshSettings, "the devices", free=True)
    optimizer: OptimizerSettings = group(OptimizerSettings, "the optimiser")
    train: LoopSettings = group(LoopSettings, "the loop")
    after: AfterSettings = group(AfterSettings, "when training ends", free=True)
