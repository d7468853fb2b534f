"""Settings as an `ml_collections` configuration, which recipes (`configs/*.py`) and the command line change."""

from typing import Any

from ml_collections import ConfigDict, config_dict

from dsslic_jax.settings.fields import Field, Settings, fields_of


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
