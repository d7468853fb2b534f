"""Settings: what a field may hold, how a mistake is told, and what is read and written."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from docs.settings_page import as_markdown
from dsslic_jax.errors import ConfigError
from dsslic_jax.settings.fields import Open, Settings, free_to_change, group, setting
from dsslic_jax.settings.reading import read, to_mapping
from dsslic_jax.train.tasks.registry import to_config_dict


@dataclass(frozen=True)
class Optimiser(Settings):
    rate: float = setting(0.1, "how fast", above=0, origin="poster")
    name: str = setting("adam", "which", choices=("adam", "sgd"))
    size: tuple[int, int] | None = setting((2, 3), "sides", at_least=1, unit="pixels")
    least: int = setting(1, "the smaller", at_least=0, free=True)
    most: int = setting(9, "the larger")

    def check(self) -> None:
        if self.least > self.most:
            raise ConfigError("least is above most")


@dataclass(frozen=True)
class Run(Settings):
    precision: str = setting("float32", "of it all")
    optimiser: Optimiser = group(Optimiser, "the optimiser", rate=0.5)
    dtype: str = setting("float32", "of the network", follows="precision")
    gain: float | str = setting(1.0, "a number or auto")


@dataclass(frozen=True)
class First(Settings):
    one: int = setting(1, "the first", at_least=0)


@dataclass(frozen=True)
class Second(Settings):
    two: float = setting(2.0, "the second")


@dataclass(frozen=True)
class Both(Open):
    own: str = setting("here", "its own")

    @classmethod
    def added(cls) -> tuple[type[Settings], ...]:
        return First, Second


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimiser": {"rate": 0}}, r"^optimiser\.rate must be above 0, not 0$"),
        ({"optimiser": {"rate": float("nan")}}, r"^optimiser\.rate must be float, not nan$"),
        ({"optimiser": {"rate": "fast"}}, r"^optimiser\.rate must be float, not 'fast'$"),
        ({"optimiser": {"rate": True}}, r"^optimiser\.rate must be float, not True$"),
        ({"optimiser": {"name": "rms"}}, r"^optimiser\.name must be one of adam, sgd, not 'rms'$"),
        ({"optimiser": {"size": [2, 0]}}, r"^optimiser\.size must be at least 1, not \(2, 0\)$"),
        ({"optimiser": {"size": [2, 3, 4]}}, r"^optimiser\.size must be \(int, int\) or None, not"),
        ({"optimiser": {"least": 1.5}}, r"^optimiser\.least must be int, not 1\.5$"),
        ({"optimiser": {"least": 10}}, "^least is above most$"),
        ({"optimiser": 3}, "^optimiser must be a group of settings, not 3$"),
        (
            {"optimiser": {"ratte": 1}},
            r"^unknown setting optimiser\.ratte; did you mean optimiser\.rate\?$",
        ),
        ({"nothing": 1}, "^unknown setting nothing; known: precision, optimiser, dtype, gain$"),
        ({"gain": None}, "^gain must be float or str, not None$"),
    ],
)
def test_a_mistake_names_key_value_and_what_is_allowed(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read(Run, values)


def test_what_is_written_is_read_as_it_was() -> None:
    run = Run(optimiser=Optimiser(rate=2, size=None), gain="auto")
    assert read(Run, to_mapping(run)) == run
    assert type(run.optimiser.rate) is float
    assert read(Run, {"optimiser": {"size": [4, 5]}}).optimiser.size == (4, 5)


def test_defaults_of_a_group_may_be_other_than_its_own() -> None:
    assert Run().optimiser.rate == 0.5
    assert read(Run, {"optimiser": {}}).optimiser.rate == 0.5
    assert read(Run, {"optimiser": {"most": 8}}).optimiser == Optimiser(rate=0.5, most=8)


def test_a_copy_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="rate must be above 0"):
        replace(Optimiser(), rate=-1.0)


def test_settings_are_put_together_from_what_others_declare() -> None:
    both = read(Both, {"two": 3})
    assert (both.of(First).one, both.of(Second).two) == (1, 3.0)
    assert to_mapping(both) == {"own": "here", "one": 1, "two": 3.0}
    assert both == Both(two=3) != Both()
    assert isinstance(both, Both)
    with pytest.raises(ConfigError, match=r"losses\.one must be at least 0, not -1"):
        read(Both, {"one": -1}, "losses.")
    with pytest.raises(ConfigError, match=r"unknown setting losses\.three"):
        read(Both, {"three": 1}, "losses.")


def test_a_configuration_takes_every_type_that_a_field_takes() -> None:
    config = to_config_dict(Run())
    config.gain = "auto"
    config.precision = "bfloat16"
    assert (config.dtype, config.gain) == ("bfloat16", "auto")
    config.dtype = "float32"
    assert config.precision == "float32"  # one reference: `follows` is ml_collections' own
    read(Run, config.copy_and_resolve_references().to_dict())


def test_free_fields_are_named_with_their_groups() -> None:
    assert [*free_to_change(Run)] == ["optimiser.least"]


def test_the_reference_tells_all_of_a_field() -> None:
    told = as_markdown(Run())
    assert "### `optimiser`: the optimiser" in told
    assert "| `optimiser.rate` | float | `0.5` | above 0 | how fast (poster) |" in told
    assert (
        "| `optimiser.size` | (int, int) or None | `(2, 3)` | at least 1 (pixels) | sides |" in told
    )
    assert "| `dtype` | str | `precision` |  | of the network |" in told
