"""Process settings before JAX is imported, each in a fresh process."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from dsslic_jax.system import runtime
from dsslic_jax.system.folders import user_folder

PREPARE = """
import importlib.metadata, os, sys
if {version!r}:
    importlib.metadata.version = lambda name: {version!r}
from dsslic_jax.system import runtime
runtime.prepare()
assert "jax" not in sys.modules
print(os.environ.get("XLA_FLAGS", ""))
"""


def prepare(version: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `runtime.prepare` with this jaxlib version (its own if empty); prints XLA_FLAGS."""
    kept = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_PLATFORMS")}
    return subprocess.run(
        [sys.executable, "-c", PREPARE.format(version=version)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def test_the_fast_convolution_flag_is_set_for_versions_it_was_tried_with() -> None:
    for version in runtime.JAXLIB_VERSIONS_TRIED:
        assert prepare(version).stdout.strip() == runtime.FAST_CPU_CONVOLUTIONS


def test_another_version_goes_without_the_flag_and_says_so_on_cpu() -> None:
    done = prepare("99.1", JAX_PLATFORMS="cpu")
    assert done.stdout.strip() == ""
    assert done.stderr.startswith("jaxlib 99.1: fast CPU convolutions stay off")


def test_without_a_home_there_is_no_cache_rather_than_a_folder_called_tilde(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for an unknown user
    for variable in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", variable)
        assert user_folder("XDG_CACHE_HOME", "~/.cache") is None
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert user_folder("XDG_CACHE_HOME", "~/.cache") == Path("/cache")


LIBTPU = """
import glob, importlib.util, os
importlib.util.find_spec = lambda name: name == "libtpu" and {libtpu}
glob.glob = lambda pattern: [{device!r}] if {device!r}.startswith(pattern.rstrip("*")) else []
from dsslic_jax.system import runtime
runtime.prepare()
print(os.environ.get("JAX_PLATFORMS"))
"""


@pytest.mark.parametrize(
    ("libtpu", "device", "platforms"),
    [
        (True, "/dev/null", "cpu"),
        (False, "/dev/null", "None"),
        (True, "/dev/accel0", "None"),
        (True, "/dev/vfio/0", "None"),
        (True, "/dev/nvidia0", "None"),
    ],
)
def test_libtpu_is_not_asked_for_a_tpu_where_there_is_no_accelerator(
    libtpu: bool, device: str, platforms: str
) -> None:
    kept = {k: v for k, v in os.environ.items() if k != "JAX_PLATFORMS"}
    code = LIBTPU.format(libtpu=libtpu, device=device)
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == platforms


def test_flags_of_the_caller_are_kept() -> None:
    assert prepare("99.1", XLA_FLAGS="--xla_a=b").stdout.strip() == "--xla_a=b"
    expected = f"--xla_a=b {runtime.FAST_CPU_CONVOLUTIONS}"
    tried = runtime.JAXLIB_VERSIONS_TRIED[0]
    assert prepare(tried, XLA_FLAGS="--xla_a=b").stdout.strip() == expected


@pytest.mark.skipif(
    metadata.version("jaxlib") not in runtime.JAXLIB_VERSIONS_TRIED,
    reason="this jaxlib goes without the flag",
)
def test_the_installed_jaxlib_accepts_the_flag() -> None:
    code = "from dsslic_jax.system import runtime; runtime.prepare(); import jax; print(jax.numpy.ones(2).sum())"
    kept = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "2.0", done.stderr
