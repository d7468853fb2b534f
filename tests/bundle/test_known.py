"""The folder of links that `dsslic decode` finds models by."""

import os
from pathlib import Path

import pytest

from dsslic_jax.bundle import known as known_models
from dsslic_jax.errors import ModelError

FINGERPRINT = bytes.fromhex("0123456789abcdef")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "known" / "models"
    monkeypatch.setenv("DSSLIC_MODELS", str(path))
    return path


def model_directory(path: Path) -> Path:
    path.mkdir()
    (path / "model.json").write_text('{"fingerprint": "0123456789abcdef"}')
    return path


def test_a_remembered_model_is_found(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_directory(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    known_models.remember([FINGERPRINT], Path("model"))  # relative to where the user is now
    monkeypatch.chdir("/")
    found = known_models.find(FINGERPRINT)
    assert found == folder / "0123456789abcdef" and found.resolve() == model.resolve()
    assert list(folder.iterdir()) == [found]


def test_the_newest_directory_of_a_model_counts(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        known_models.remember([FINGERPRINT], model_directory(tmp_path / name))
    assert known_models.find(FINGERPRINT).resolve() == (tmp_path / "two").resolve()
    known_models.remember([FINGERPRINT], known_models.find(FINGERPRINT))  # as decode does
    assert known_models.find(FINGERPRINT).resolve() == (tmp_path / "two").resolve()


def test_an_unknown_or_vanished_model_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"0123456789abcdef.*--model"):
        known_models.find(FINGERPRINT)
    model = model_directory(tmp_path / "model")
    known_models.remember([FINGERPRINT], model)
    model.rename(tmp_path / "moved")
    with pytest.raises(ModelError, match=r"0123456789abcdef.*--model"):
        known_models.find(FINGERPRINT)


@pytest.mark.parametrize("key", known_models.FINGERPRINTS)
def test_a_link_is_believed_only_where_the_model_behind_it_says_so(
    key: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_directory(tmp_path / "model")
    known_models.remember([FINGERPRINT], model)
    others = ["{}", '{"fingerprint": 5}', '{"other": "0123456789abcdef"}', "[" * 9999, "\\"]
    for text in [*others, f'{{"{key}": "0000000000000000"}}']:  # overwritten, or damaged
        (model / "model.json").write_text(text)
        with pytest.raises(ModelError, match=r"0123456789abcdef.*--model"):
            known_models.find(FINGERPRINT)
    (model / "model.json").write_text(f'{{"{key}": "0123456789abcdef"}}')
    assert known_models.find(FINGERPRINT) == folder / "0123456789abcdef"


def test_no_link_stands_before_a_bundled_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_models, "BUNDLED", tmp_path / "bundled")
    (tmp_path / "bundled").mkdir()
    known_models.remember([FINGERPRINT], model_directory(tmp_path / "model"))
    bundled = model_directory(tmp_path / "bundled" / "sound")
    assert known_models.find(FINGERPRINT) == bundled


def test_without_a_home_nothing_is_remembered_and_no_folder_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DSSLIC_MODELS", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for an unknown user
    model = model_directory(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    known_models.remember([FINGERPRINT], model)
    said = capsys.readouterr().err
    assert said.startswith("note: no home folder") and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert known_models.remembered() == {} and known_models.folder() is None
    with pytest.raises(ModelError, match="--model"):
        known_models.find(FINGERPRINT)


def test_a_folder_that_cannot_be_written_is_told_and_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "file"))
    known_models.remember([FINGERPRINT], model_directory(tmp_path / "model"))
    said = capsys.readouterr().err
    assert said.startswith("note: ") and "decode with --model" in said and said.count("\n") == 1


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("DSSLIC_MODELS", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert known_models.folder() == Path("/home/someone/.local/share/dsslic/models")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # means nothing, by its specification
    assert known_models.folder() == Path("/home/someone/.local/share/dsslic/models")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert known_models.folder() == Path("/data/dsslic/models")
    monkeypatch.setenv("DSSLIC_MODELS", "/models")
    assert known_models.folder() == Path("/models")
