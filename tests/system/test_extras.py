"""A package that is not here is told with the command that brings it."""

import sys
from importlib import metadata

import pytest

from dsslic_jax import cli
from dsslic_jax.commands import compare
from dsslic_jax.system.extras import how_to_install, remedy_told, told

REQUIRED = [
    "numpy>=2.1",
    'absl-py>=2.1; extra == "train"',
    'array_record>=0.8; sys_platform != "win32" and extra == "train"',
    'grain<0.3,>=0.2.18; extra == "train"',
    "bokeh<4,>=3.9; extra == 'report'",
    'dsslic_jax[report,train]; extra == "all"',
]


@pytest.fixture(autouse=True)
def _requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIRED)


def missing(name: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_the_command_names_the_packages_themselves() -> None:
    assert how_to_install("report") == "pip install 'bokeh<4,>=3.9'"
    assert how_to_install("train") == (
        "pip install 'absl-py>=2.1' 'array_record>=0.8; sys_platform != \"win32\"' "
        "'grain<0.3,>=0.2.18'"
    )


def test_not_installed_a_clone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", none)
    assert how_to_install("train") == "pip install -e '.[train]' in a clone of dsslic_jax"


@pytest.mark.parametrize(("package", "extra"), [("absl.flags", "train"), ("bokeh", "report")])
def test_a_package_s_extra_is_found_by_what_is_imported(package: str, extra: str) -> None:
    line = told(missing(package))
    assert line is not None and f"of the extra [{extra}]: pip install" in line
    assert told(missing("numpy")) is None and told(missing("nobody_knows_it")) is None


def test_a_package_may_be_missed_inside_another_one() -> None:
    try:
        raise ImportError("please install it") from missing("bokeh")
    except ImportError as error:
        line = told(error)
    assert line is not None and "of the extra [report]" in line
    assert told(ImportError("of another kind")) is None


def test_a_command_tells_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: object) -> None:
        raise missing("grain")

    monkeypatch.setattr(compare, "run", run)
    assert cli.main(["compare", "a.png", "b.png"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("dsslic compare: this needs grain") and said.count("\n") == 1


def test_a_program_tells_it_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "bokeh", None)
    with pytest.raises(SystemExit) as ended, remedy_told():
        import bokeh  # noqa: F401
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: this needs bokeh, of the extra [report]:")
