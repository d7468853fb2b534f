"""What can be trained, as the loop, the planner, resuming and conversion see it: they know no more of it."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import jax
import numpy as np

from dsslic_jax.bundle.model import Bundle, Part
from dsslic_jax.classes.table import ClassTable, class_table
from dsslic_jax.errors import ConfigError
from dsslic_jax.models.layers import init_params
from dsslic_jax.models.parts import PartKind
from dsslic_jax.settings.fields import fields_of
from dsslic_jax.settings.reading import to_mapping
from dsslic_jax.train.settings import RunSettings
from dsslic_jax.train.state import (
    begin_average,
    exported_variables,
    new_network_state,
    with_average,
)

if TYPE_CHECKING:
    from dsslic_jax.train.evaluation import Evaluation

SAMPLES = 4  # pictures in a sample grid
Batch = Mapping[str, jax.Array]
Metrics = dict[str, jax.Array]
TrainStep = Callable[[Any, Batch], tuple[Any, Metrics]]
Draw = Callable[..., Any]  # makes a module's variables as `init_params` does
S = TypeVar("S", bound=RunSettings)


class Task(abc.ABC, Generic[S]):
    """One thing that can be trained: a subclass for each, registered.

    Attributes:
      name: what `config.task` says.
      settings_type: the class of its whole configuration.
      parts: of a model, the kinds that it makes: the last one trained, those before it without networks.
      network: the group of the settings that describes the network that is trained.
      variants: changes of the configuration that `--config=FILE:variant` asks for, by variant, with dotted keys; each
        task has "tiny".
    """

    name: ClassVar[str]
    settings_type: ClassVar[type[RunSettings]]
    parts: ClassVar[tuple[PartKind[Any], ...]]
    network: ClassVar[str] = "model"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]]

    def __init__(self, settings: S) -> None:
        """Takes settings as `make_task` reads them; raises ConfigError where they do not fit together."""
        self.classes: ClassTable = class_table(settings.data.classes)
        self.settings = self._resolved(settings)
        self._check()

    def _resolved(self, settings: Any) -> Any:
        """The settings with K in the place of 0, taken from the class table, in each network's group."""
        table, classes = self.classes, settings.model.classes
        if classes and classes < table.num_classes:
            raise ConfigError(
                f"model.classes is {classes}, but the class table {table.name!r} has {table.num_classes} ids"
            )
        classes = classes or table.num_classes
        own = {field.name: getattr(settings, field.name) for field in fields_of(type(settings))}
        networks = {k: v for k, v in own.items() if type(getattr(v, "classes", None)) is int}
        return replace(settings, **{k: replace(v, classes=classes) for k, v in networks.items()})

    @property
    @abc.abstractmethod
    def sizes(self) -> tuple[int, int]:
        """(multiple, least) that the sides of training pictures must be."""

    def batch_shapes(self, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """A global batch as the input pipeline makes it."""
        assert self.settings.data.crop is not None
        size = (batch_size, *self.settings.data.crop)
        return {
            "image": jax.ShapeDtypeStruct((*size, 3), np.uint8),
            "labels": jax.ShapeDtypeStruct(size, np.uint8),
        }

    def init_state(self, draw: Draw = init_params) -> Any:
        """A fresh `State` on the host, without what is frozen; the same for every device and process.

        By default that of one network by itself.
        """
        return new_network_state(self.settings, self.parts[-1].name, self._drawn(draw))

    def _drawn(self, draw: Draw) -> Any:
        """The variables of the part that is trained."""
        kind = self.parts[-1]
        module = kind.build(getattr(self.settings, self.network))
        return draw(module, self.settings.seed, *kind.inputs(module), **kind.initial(module))

    def first_state(self, draw: Draw = init_params) -> Any:
        """`init_state`, with a moving average where train.ema_decay asks for one."""
        state = self.init_state(draw)
        return begin_average(state) if self.settings.train.ema_decay else state

    def frozen(self, draw: Draw | None = None) -> Any:
        """Weights that the step needs and does not change, read from their files, or drawn; None without."""
        return None

    @abc.abstractmethod
    def make_step(self) -> TrainStep:
        """The pure `train_step(state, batch) -> (state, metrics)`; metrics are scalars by name."""

    def step(self) -> TrainStep:
        """`make_step`, moving the average too where there is one."""
        decay = self.settings.train.ema_decay
        return with_average(self.make_step(), decay) if decay else self.make_step()

    def sample(self, state: Any, batch: Mapping[str, np.ndarray]) -> list[list[np.ndarray]]:
        """A row of uint8 [H, W, 3] pictures for each of a few elements of a batch."""
        few = {name: array[:SAMPLES] for name, array in batch.items()}
        shown = few | jax.device_get(self._run(exported_variables(state), few))
        count = len(few["image"])
        return [self.row({name: shown[name][i] for name in shown}) for i in range(count)]

    @cached_property
    def _run(self) -> Callable[..., dict[str, np.ndarray]]:
        return jax.jit(self.run)

    @abc.abstractmethod
    def run(self, variables: Any, batch: Batch) -> dict[str, jax.Array]:
        """What the networks make of a batch, by name, for `row`."""

    @abc.abstractmethod
    def row(self, element: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Uint8 [H, W, 3] pictures of one element of a batch and of what `run` makes of it."""

    def bundle(self, state: Any) -> Bundle:
        """The model of a state on the host."""
        settings: Any = self.settings
        *others, trained = self.parts
        parts = {kind.name: Part(settings.model) for kind in others}
        parts[trained.name] = self._part(trained, getattr(settings, self.network), state)
        coding = to_mapping(settings.coding) if hasattr(settings, "coding") else {}
        return Bundle(self.classes, parts, coding)

    def evaluation(self) -> Evaluation | None:
        """What is measured of held-back pictures while it is trained: coded ones, where settings say how."""
        settings: Any = self.settings
        if not hasattr(settings, "coding"):
            return None
        from dsslic_jax.evaluate.training import CodedPictures

        return CodedPictures(settings.data, settings.train.evaluate_pictures, settings.coding)

    def require_measuring(self) -> None:
        """Raises CoderUnavailable where what `measure` needs is missing here."""

    def measure(self, model: Path, workdir: Path) -> None:
        """Measures the model directory of a finished run on data.eval_split, and tells it; where a task has this."""
        raise NotImplementedError

    def _part(self, kind: PartKind[Any], settings: Any, state: Any) -> Part:
        """The part that is trained, made of a state's variables, with where they come from."""
        named = kind.named(jax.device_get(exported_variables(state)))
        arrays = {name: np.ascontiguousarray(array) for name, array in named.items()}
        run = self.settings
        provenance = {
            "steps": int(state.step),
            "batch_size": run.train.batch_size,
            "ema_decay": run.train.ema_decay,
            "seed": run.seed,
            "trained_on": run.data.description,
            "terms": run.data.terms,
            "licence": run.data.licence,
        }
        return Part(settings, arrays, provenance)

    def _check(self) -> None:
        if self.settings.after.evaluate and type(self).measure is Task.measure:
            raise ConfigError(f"after.evaluate: nothing is measured after training {self.name}")
        multiple, least = self.sizes
        crop, rows = self.settings.data.crop, self.settings.mesh.rows
        if crop is None:
            raise ConfigError("data.crop must be (height, width): a batch has pictures of one size")
        if any(side % multiple or side < least for side in crop):
            raise ConfigError(f"data.crop {crop} must be multiples of {multiple}, at least {least}")
        if rows > 1 and crop[0] % (rows * multiple):
            raise ConfigError(
                f"mesh.rows {rows} cuts pictures into bands of whole {multiple}-pixel blocks: data.crop is {crop[0]} "
                f"pixels high; make it a multiple of {rows * multiple} high"
            )
