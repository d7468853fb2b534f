"""The tasks that are known, by the name that `config.task` gives, and what makes one of a configuration."""

from collections.abc import Mapping
from typing import Any, TypeVar

from ml_collections import ConfigDict

from dsslic_jax.errors import ConfigError
from dsslic_jax.settings.config_dict import to_config_dict
from dsslic_jax.settings.reading import read
from dsslic_jax.train.tasks.task import Task

T = TypeVar("T", bound=type[Task[Any]])
TASKS: dict[str, type[Task[Any]]] = {}  # by name


def register_task(task: T) -> T:
    """Makes a task known (a class decorator). Raises ValueError where another has its name."""
    if task.name in TASKS:
        raise ValueError(f"a task {task.name!r} is registered already")
    TASKS[task.name] = task
    return task


def task_type(name: Any) -> type[Task[Any]]:
    """The task called `name`. Raises ConfigError, listing those that are known."""
    if name not in tuple(TASKS):
        raise ConfigError(f"task must be one of {', '.join(TASKS)}, not {name!r}")
    return TASKS[name]


def make_task(config: ConfigDict | Mapping[str, Any]) -> Task[Any]:
    """The task of a configuration, with settings that are read and checked before anything is opened.

    Raises ConfigError naming key, value and what is allowed.
    """
    values = config
    if isinstance(config, ConfigDict):
        values = config.copy_and_resolve_references().to_dict()
    kind = task_type(values.get("task"))
    return kind(read(kind.settings_type, values))


def default_config(name: str) -> ConfigDict:
    """The configuration of a task with its defaults, unlocked, for recipes to change."""
    return to_config_dict(task_type(name).settings_type(task=name))
