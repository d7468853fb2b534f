"""The page of every configuration key: python docs/settings_page.py > docs/settings.md"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from dsslic_jax.settings.fields import Field, Settings, fields_of
from dsslic_jax.train.settings import RunSettings
from dsslic_jax.train.tasks.registry import TASKS
from dsslic_jax.train.tasks.task import Task

_OPENING = """# Settings

Every key of a training configuration. It is written by `python docs/settings_page.py > docs/settings.md` from
the classes that declare the keys. A key is set in a recipe (`configs/*.py`) or on the command line,
`--config.optimizer.learning_rate=1e-4`. Keys marked *free* may change when a run goes on in its work directory; all
others make it another run, which is refused."""


_TITLES = ("key", "type", "default", "allowed", "meaning")


def document() -> str:
    """The whole page."""
    return "\n\n".join([_OPENING, "## Every run", as_markdown(RunSettings()), *_tasks()]) + "\n"


def _tasks() -> Iterator[str]:
    for task in TASKS.values():
        yield f"## `task` {task.name!r}"
        yield " ".join(str(inspect.getdoc(task.settings_type)).split())
        yield from _own(task)


def _own(task: type[Task[Any]]) -> Iterator[str]:
    """The groups that the task adds, and the defaults in which it differs from every run's."""
    own = task.settings_type()
    shared = {field.name: field.type for field in fields_of(RunSettings) if field.is_group}
    plain = RunSettings()
    if changed := [*_changed(own, plain, shared)]:
        yield f"Defaults other than above: {', '.join(changed)}."
    for field in fields_of(type(own)):
        if field.is_group and field.type is not shared.get(field.name):
            yield group_as_markdown(own, field)


def _changed(own: Settings, plain: Settings, shared: dict[str, Any]) -> Iterator[str]:
    for name, kind in shared.items():
        for field in fields_of(kind):
            value = getattr(getattr(own, name), field.name)
            if value != getattr(getattr(plain, name), field.name):
                yield f"`{name}.{field.name}` `{value!r}`"


def as_markdown(settings: Settings, prefix: str = "", free: bool = False) -> str:
    """Tables of all fields of these settings, whose values are the defaults told; one table a group."""
    return "\n\n".join(_tables(settings, prefix, free))


def group_as_markdown(
    settings: Settings, field: Field, prefix: str = "", free: bool = False
) -> str:
    """The title and the tables of one group of these settings."""
    key = f"{prefix}{field.name}"
    tables = as_markdown(getattr(settings, field.name), f"{key}.", free or field.spec.free)
    return f"### `{key}`: {field.spec.meaning}\n\n{tables}"


def _tables(settings: Settings, prefix: str, free: bool) -> Iterator[str]:
    fields = fields_of(type(settings))
    rows = [_row(settings, field, prefix, free) for field in fields if not field.is_group]
    if rows:
        yield "\n".join(map(_line, (_TITLES, ["---"] * len(_TITLES), *rows)))
    for field in fields:
        if field.is_group:
            yield group_as_markdown(settings, field, prefix, free)


def _row(settings: Settings, field: Field, prefix: str, free: bool) -> Sequence[str]:
    spec = field.spec
    default = f"`{spec.follows}`" if spec.follows else f"`{getattr(settings, field.name)!r}`"
    meaning = spec.meaning + (f" ({spec.origin})" if spec.origin else "")
    key = f"`{prefix}{field.name}`" + (", *free*" if free or spec.free else "")
    return (
        key,
        field.type_name,
        default,
        spec.allowed() + (f" ({spec.unit})" if spec.unit else ""),
        meaning,
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    print(document(), end="")
