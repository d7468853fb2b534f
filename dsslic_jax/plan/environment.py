"""What must stand in the environment before JAX is imported, so that it compiles for devices that are not here."""

import importlib.util
import os
import sys

from dsslic_jax.errors import ConfigError
from dsslic_jax.plan.chips import Slice
from dsslic_jax.system import runtime
from dsslic_jax.system.extras import how_to_install

EFFORTS = ("O0", "O1", "O2", "O3")

# libtpu asks for these as it starts; what it compiles for is named by the topology, not by them.
STAND_IN_HOST = {
    "TPU_SKIP_MDS_QUERY": "1",  # no cloud machine that could be asked
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # its lock is for devices; planning uses none
}


def prepare(where: Slice, effort: str) -> None:
    """Sets up this process to plan for `where`; call before anything imports jax. `effort` is the TPU compiler's.

    Raises ConfigError where the TPU compiler is missing.
    """
    if "jax" in sys.modules:
        raise RuntimeError("jax was imported before its environment was set")
    if where.chip.kind == "tpu":
        if not os.environ.get("TPU_LIBRARY_PATH") and importlib.util.find_spec("libtpu") is None:
            raise ConfigError(
                f"planning for TPUs needs their compiler: {how_to_install('tpu')}, "
                "or name its libtpu.so in TPU_LIBRARY_PATH"
            )
        os.environ.update(STAND_IN_HOST, JAX_OPTIMIZATION_LEVEL=effort)
    else:
        # Nothing is run: as many simulated devices as GPUs, and no time spent on code for this processor.
        simulated = f"--xla_force_host_platform_device_count={where.chips}"
        flags = f"{simulated} --xla_backend_optimization_level=0"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"
    # Programs for absent devices can be stored but not read back.
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    runtime.prepare()
