"""The tasks that are known, by name; what makes one of a configuration, and a configuration of its defaults."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import flax.traverse_util
from ml_collections import ConfigDict, config_dict

from dsslic_jax.errors import ConfigError
from dsslic_jax.settings.fields import Field, Settings, fields_of
from dsslic_jax.settings.reading import read, to_mapping
from dsslic_jax.train.tasks.task import Task

_BUCKET = r"(?!https?:)[a-z][a-z0-9+.-]+://"  # terms of use have addresses

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
    settings = read(kind.settings_type, values)
    for key, value in flax.traverse_util.flatten_dict(to_mapping(settings), sep=".").items():
        if isinstance(value, str) and re.match(_BUCKET, value):
            raise ConfigError(f"{key} must be a path on this machine, not {value}: mount it first")
    return kind(settings)


def default_config(name: str) -> ConfigDict:
    """The configuration of a task with its defaults, unlocked, for recipes to change."""
    return to_config_dict(task_type(name).settings_type(task=name))


def to_config_dict(settings: Settings) -> ConfigDict:
    """The settings as a ConfigDict, unlocked. What `follows` another setting changes with it until it is set."""
    config = ConfigDict()
    followers: list[tuple[ConfigDict, str, str]] = []
    _fill(config, settings, followers)
    for part, name, source in followers:
        part[name] = config.get_ref(source)
    return config


def _fill(
    config: ConfigDict, settings: Settings, followers: list[tuple[ConfigDict, str, str]]
) -> None:
    for field in fields_of(type(settings)):
        value = getattr(settings, field.name)
        if field.is_group:
            config[field.name] = ConfigDict()
            _fill(config[field.name], value, followers)
            continue
        config[field.name] = _reference(field, value)
        if field.spec.follows:
            followers.append((config, field.name, field.spec.follows))


def _reference(field: Field, value: Any) -> Any:
    """The value, or a reference that takes every type which the field takes."""
    if field.type in (int, float, bool, str):
        return value
    if value is None and field.type == int | None:
        return config_dict.placeholder(int)
    if isinstance(value, tuple):
        return value
    return config_dict.FieldReference(value, field_type=object)
