"""Checkpoints: which are kept, what damage is noticed, and what a full disk leaves."""

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import struct

from dsslic_jax.errors import ConfigError, TrainingStopped
from dsslic_jax.train.running import checkpoint
from dsslic_jax.train.running.checkpoint import Checkpoints
from dsslic_jax.train.running.digests import DIGESTS, WRITTEN_LAST
from tests.configurations import settings_of, small_compression

HERE = jax.sharding.SingleDeviceSharding(jax.devices()[0])


class State(struct.PyTreeNode):
    """As small as a training state can be."""

    weights: Any
    frozen: Any = None


def state_of(step: int, size: int = 5) -> State:
    """A state in which every number says at which step it was saved."""
    return State(jax.numpy.full((size, size), step, jax.numpy.float32))


def save_steps(folder: Path, *steps: int, keep: int = 5) -> None:
    with closing(Checkpoints(folder, keep)) as checkpoints:
        for step in steps:
            checkpoints.save(step, state_of(step), {"step": step})


def resumed_at(folder: Path) -> int:
    """The step that a run in `folder` goes on from, after comparing all that it gets with what was saved."""
    with closing(Checkpoints(folder, 5)) as checkpoints:
        step = checkpoints.latest_step
        state, unreported = checkpoints.restore(step, state_of(0), State(HERE))
    np.testing.assert_array_equal(state.weights, state_of(step).weights)
    assert unreported == ({"step": step} if step else {})
    return step


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of steps 1 and 2; tests copy them."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    save_steps(folder, 1, 2)
    return folder


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [flip, cut, empty, Path.unlink])
def test_damage_to_any_file_is_noticed_and_the_checkpoint_before_is_used(
    damage: Callable[[Path], None],
    saved: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [path.relative_to(saved) for path in (saved / "2").rglob("*") if path.is_file()]
    assert len(files) > 10
    for i, name in enumerate(files):
        copy = shutil.copytree(saved, tmp_path / str(i))
        damage(copy / name)
        step = resumed_at(copy)
        said = capsys.readouterr().out
        if name.name in WRITTEN_LAST and name.parent == Path("2") and damage is not Path.unlink:
            assert step == 2, name  # they hold nothing of the state, which is whole
            continue
        assert step == 1, name
        assert said.startswith("checkpoint 2 is damaged: ")
        assert name.name in said or name.name == DIGESTS
        assert sorted(path.name for path in copy.iterdir()) == ["1", "2.damaged"]


@pytest.mark.parametrize(
    "digests",
    [
        "[" * 100_000,
        "[]",
        '{"a": 5}',
        '{"a\\u0000b": "5"}',
        '{"a": "5", "a": "5"}',
        '{"pipe": "5"}',
    ],
    ids=lambda text: text[:20],
)
def test_digests_that_are_none_are_damage(
    digests: str, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(saved, tmp_path / "copy")
    os.mkfifo(copy / "2" / "pipe")
    (copy / "2" / DIGESTS).write_text(digests)
    assert resumed_at(copy) == 1
    assert capsys.readouterr().out.startswith("checkpoint 2 is damaged: ")


def test_where_no_checkpoint_is_whole_the_run_does_not_begin_anew(
    saved: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(saved, tmp_path / "copy")
    for step in ("1", "2"):
        flip(copy / step / "state" / "_METADATA")
    for _ in range(2):  # nor does it the next time
        with pytest.raises(TrainingStopped, match=r"no checkpoint in .* is whole"):
            Checkpoints(copy, 5)


def test_a_half_written_checkpoint_is_none(saved: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(saved, tmp_path / "copy")
    (copy / "2").rename(copy / "2.orbax-checkpoint-tmp")
    assert resumed_at(copy) == 1
    save_steps(copy, 2)
    assert resumed_at(copy) == 2


def test_a_step_that_was_damaged_can_be_saved_again(saved: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(saved, tmp_path / "copy")
    for _ in range(2):
        flip(copy / "2" / "state" / "_METADATA")
        assert resumed_at(copy) == 1
        save_steps(copy, 2)
        assert resumed_at(copy) == 2


@pytest.mark.parametrize(
    ("metric", "kept", "best"),
    [("", [4, 5], 0), ("eval/psnr_rgb_db", [2, 4, 5], 2), ("G/total", [3, 4, 5], 3)],
)
def test_the_last_and_the_best_are_kept(
    metric: str, kept: list[int], best: int, tmp_path: Path
) -> None:
    values = {1: None, 2: 9.0, 3: 1.0, 4: 5.0, 5: 7.0}
    with closing(Checkpoints(tmp_path, 2, metric)) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, state_of(step), {}, values[step] if metric else None)
    with closing(Checkpoints(tmp_path, 2, metric)) as checkpoints:  # and after a stop
        for step in (4, 5):
            checkpoints.save(step, state_of(step), {}, values[step] if metric else None)
        assert checkpoints.best_step == best
        assert sorted(int(path.name) for path in tmp_path.iterdir()) == kept
        if best:
            flip(tmp_path / str(best) / "state" / "_METADATA")
            with pytest.raises(TrainingStopped, match=f"best checkpoint, {best}, is damaged"):
                _ = checkpoints.best_step


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Room for a megabyte in `folder`, or in each file where no file system may be mounted."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if not subprocess.run(mount, capture_output=True, timeout=60, check=False).returncode:
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], timeout=60, check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_no_full_disk_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path) -> None:
        raise ValueError("something else")

    monkeypatch.setattr(checkpoint, "write_digests", broken)
    with pytest.raises(TrainingStopped, match="something else") as caught:
        with closing(Checkpoints(tmp_path, 1)) as checkpoints:
            checkpoints.save(1, state_of(1), {"step": 1})
    assert "Make room" not in str(caught.value)


def test_a_folder_that_cannot_be_renamed_is_told_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    run = settings_of(small_compression())
    checkpoint.claim(tmp_path, run)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ConfigError, match="a mounted bucket must have a hierarchical namespace"):
        checkpoint.claim(tmp_path, run)


def test_a_full_disk_is_an_error_that_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    noise = jax.random.normal(jax.random.key(0), (600, 600))  # 1.4 MB that cannot be compressed
    with full_disk(tmp_path):
        folder = tmp_path / "checkpoints"
        with pytest.raises(TrainingStopped, match=r"that of step 1 is whole.*Make room under"):
            with closing(Checkpoints(folder, 1)) as checkpoints:
                checkpoints.save(1, state_of(1), {"step": 1})
                checkpoints.save(2, State(noise), {"step": 2})
        assert resumed_at(folder) == 1
        with pytest.raises(TrainingStopped, match="there is none before it"):
            with closing(Checkpoints(tmp_path / "new", 1)) as checkpoints:
                checkpoints.save(2, State(noise), {"step": 2})
