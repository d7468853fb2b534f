"""Strict JAX settings, eight simulated devices, a compilation cache and shared fixtures."""

import importlib
import os
import signal
from pathlib import Path
from typing import Any

from dsslic_jax.system import runtime

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("JAX_PLATFORMS", "cpu")
_flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_flags}"
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "xla")
os.environ["DSSLIC_MODELS"] = str(ROOT / ".pytest_cache" / "models")  # not the user's own
runtime.prepare()  # the command line's own flags, so that its processes compute what tests do

# A shell's background jobs begin with Ctrl-C ignored, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
pytest_plugins = ["tests.model_fixture", "tests.programs_fixture"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real pictures beside the checkout; tests that use it are skipped where it is not."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("no folder of real pictures beside this checkout")
    return path


def _optional(package: str) -> Any:
    """The package; without it the test is skipped, or fails where DSSLIC_REQUIRE_TORCH=1 says that it must be there."""
    if os.environ.get("DSSLIC_REQUIRE_TORCH") == "1":
        return importlib.import_module(package)
    return pytest.importorskip(package)


@pytest.fixture(scope="session")
def torch() -> Any:
    return _optional("torch")


@pytest.fixture(scope="session")
def onnxruntime() -> Any:
    """What runs ONNX files, with what writes them."""
    _optional("onnxscript")
    return _optional("onnxruntime")
