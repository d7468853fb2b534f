"""Models to and from the Hub, for which a folder stands in: nothing here uses a network."""

import inspect
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, ModelInfo
from huggingface_hub.errors import HTTPError, XetDownloadError
from huggingface_hub.utils import filter_repo_objects, validate_repo_id

from dsslic_jax import cli
from dsslic_jax.bundle import directory as bundles
from dsslic_jax.bundle import hub
from dsslic_jax.bundle import known as known_models
from dsslic_jax.bundle.model import Bundle

REPOSITORY = "someone/tiny"
ARRAYS = ["model.json", "weights.safetensors"]


class StandIn:
    """Repositories as folders. Every call must be one that the real `HfApi` would take."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes: dict[str, int | None] = {}  # told in the place of the true ones

    def __getattr__(self, name: str) -> Any:
        signature = inspect.signature(getattr(HfApi, name))

        def call(*arguments: Any, **named: Any) -> Any:
            bound = signature.bind(None, *arguments, **named).arguments
            bound.pop("self")
            validate_repo_id(bound["repo_id"])
            return getattr(self, f"_{name}")(**bound)

        return call

    def repository(self, repo_id: str, revision: str | None = None) -> Path:
        path = self.folder / repo_id / (revision or "main")
        if not path.is_dir():
            raise HTTPError(f"404 Client Error.\n\nNot Found for url: hub/{repo_id}")
        return path

    def _create_repo(self, repo_id: str, exist_ok: bool) -> None:
        (self.folder / repo_id / "main").mkdir(parents=True, exist_ok=exist_ok)

    def _file_exists(self, repo_id: str, filename: str) -> bool:
        return (self.repository(repo_id) / filename).exists()

    def _create_commit(self, repo_id: str, operations: Any, commit_message: str) -> None:
        for operation in operations:
            path = self.repository(repo_id) / operation.path_in_repo
            if isinstance(operation, CommitOperationAdd):
                with operation.as_file() as file:
                    path.write_bytes(file.read())
            else:
                path.unlink()

    def _model_info(self, repo_id: str, revision: str | None, files_metadata: bool) -> ModelInfo:
        assert files_metadata
        source = self.repository(repo_id, revision)
        files = [path for path in source.rglob("*") if path.is_file()]
        listed = [
            {
                "rfilename": str(p.relative_to(source)),
                "size": self.sizes.get(p.name, p.stat().st_size),
            }
            for p in files
        ]
        return ModelInfo(id=repo_id, sha=revision or "main", siblings=listed)

    def _snapshot_download(
        self, repo_id: str, revision: str | None, local_dir: Path, allow_patterns: list[str]
    ) -> str:
        source = self.repository(repo_id, revision)
        names = [str(p.relative_to(source)) for p in source.rglob("*") if p.is_file()]
        for name in [*filter_repo_objects(names, allow_patterns=allow_patterns)]:
            (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, local_dir / name)
        (local_dir / ".cache").mkdir(parents=True)  # as the real one does
        return str(local_dir)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("DSSLIC_MODELS", str(tmp_path / "known"))
    made = StandIn(tmp_path / "hub")
    monkeypatch.setattr(hub, "open_hub", lambda: made)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield made
    assert not [*Path().glob(".*")]  # nothing half done is left


def run(*arguments: object) -> int:
    return cli.main(["models", *map(str, arguments)])


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a failing call says."""
    assert run(*arguments) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_model_comes_back_as_it_was_pushed(
    stand_in: StandIn,
    tiny_model: Path,
    tiny_bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("push", tiny_model, REPOSITORY) == 0
    pushed = stand_in.repository(REPOSITORY)
    (pushed / "run_me.py").write_text("raise SystemExit")
    (pushed / "more").mkdir()
    (pushed / "more" / "model.json").write_text("{}")
    assert run("pull", REPOSITORY, "there/model") == 0
    assert names(Path("there")) == ["model"]
    assert names(Path("there/model")) == ["README.md", *ARRAYS]
    for name in ARRAYS:
        assert Path("there/model", name).read_bytes() == (tiny_model / name).read_bytes()
    for fingerprint in tiny_bundle.fingerprints:  # decode finds it now
        assert known_models.find(fingerprint).resolve() == Path("there/model").resolve()
    capsys.readouterr()
    assert run("card", "there/model") == 0
    card = capsys.readouterr().out
    card = card.replace("# model\n", "# tiny\n").replace("REPO_ID", REPOSITORY)
    assert card == Path("there/model/README.md").read_text()


def test_the_state_of_training_travels_and_does_not_outlive_its_model(
    stand_in: StandIn, tiny_model: Path, tiny_bundle: Bundle
) -> None:
    training = {"step": np.asarray(3)}
    bundles.save_with_training(tiny_bundle, training, Path("trained"))
    assert run("push", "trained", REPOSITORY) == 0
    assert run("pull", REPOSITORY, "first") == 0
    assert bundles.load_with_training("first")[1] == training
    assert run("push", tiny_model, REPOSITORY) == 0
    assert names(stand_in.repository(REPOSITORY)) == ["README.md", *ARRAYS]


def test_a_revision_can_be_asked_for(
    stand_in: StandIn, tiny_model: Path, tiny_bundle: Bundle
) -> None:
    run("push", tiny_model, REPOSITORY)
    older = replace(tiny_bundle, coding={**tiny_bundle.coding, "quality": 7.0})
    bundles.save(older, stand_in.folder / REPOSITORY / "v1")
    assert run("pull", REPOSITORY, "model", "--revision", "v1") == 0
    assert bundles.load("model").coding["quality"] == 7.0


def test_nothing_that_is_there_is_overwritten(
    stand_in: StandIn, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("push", tiny_model, REPOSITORY)
    Path("empty").mkdir()
    Path("file").write_text("mine")
    Path("link").symlink_to("nowhere")
    for name in ("empty", "file", "link"):
        assert f"{name} is there already" in refusal(capsys, "pull", REPOSITORY, name)
    assert not names(Path("empty")) and Path("file").read_text() == "mine"


def flipped(pushed: Path) -> None:
    data = bytearray((pushed / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (pushed / "weights.safetensors").write_bytes(data)


def widened(pushed: Path) -> None:
    description = json.loads((pushed / "model.json").read_text())
    description["model"]["compnet_width"] = 5  # in no fingerprint
    (pushed / "model.json").write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flipped, "not the one model.json describes"),
        (widened, "misshapen"),
        (lambda pushed: (pushed / "weights.safetensors").unlink(), "no weights.safetensors in it"),
        (lambda pushed: (pushed / "training.safetensors").write_bytes(b"no"), "cannot be read"),
    ],
)
def test_what_is_no_sound_model_does_not_arrive(
    damage: Any,
    message: str,
    stand_in: StandIn,
    tiny_model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("push", tiny_model, REPOSITORY)
    damage(stand_in.repository(REPOSITORY))
    assert message in refusal(capsys, "pull", REPOSITORY, "model")
    assert not names(Path()) and not known_models.remembered()


def test_what_is_no_sound_model_is_not_pushed(
    stand_in: StandIn, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_model, "model")
    flipped(Path("model"))
    assert "not the one model.json" in refusal(capsys, "push", "model", REPOSITORY)
    assert not stand_in.folder.exists()


def test_refusals_of_the_hub_are_told_in_one_line(
    stand_in: StandIn, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, "pull", "someone/else", "model")
    assert "someone/else: 404 Client Error. Not Found for url" in said
    assert "no//name" in refusal(capsys, "pull", "no//name", "model")
    assert "no//name" in refusal(capsys, "push", tiny_model, "no//name")
    assert not names(Path())


@pytest.mark.parametrize("size", [None, 10 << 30])
def test_a_file_larger_than_a_model_has_is_refused_before_it_is_fetched(
    size: int | None,
    stand_in: StandIn,
    tiny_model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run("push", tiny_model, REPOSITORY)
    monkeypatch.setattr(StandIn, "_snapshot_download", None)
    for name in ("model.json", "weights.safetensors", "README.md"):
        stand_in.sizes = {name: size}
        assert f"{REPOSITORY}: {name} has {size} bytes" in refusal(
            capsys, "pull", REPOSITORY, "model"
        )


def test_whatever_the_hub_s_package_raises_is_one_line(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise XetDownloadError("no\nway " * 1000)

    monkeypatch.setattr(StandIn, "_model_info", fail)
    said = refusal(capsys, "pull", REPOSITORY, "model")
    assert said.startswith(f"dsslic models: {REPOSITORY}: no way no") and len(said) < 400


def test_without_its_package_the_extra_is_named(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for arguments in (("push", tiny_model, REPOSITORY), ("pull", REPOSITORY, tmp_path / "model")):
        assert "pip install 'huggingface_hub" in refusal(capsys, *arguments)
