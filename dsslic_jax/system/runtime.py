"""Process settings that must be in place before JAX is imported."""

import glob
import importlib.util
import os
import sys
from importlib import metadata

from dsslic_jax.system.folders import user_folder

# XLA's CPU compiler otherwise sends convolutions to a path several times slower. An unknown flag aborts the
# process, so it is set only for versions in which it was tried.
FAST_CPU_CONVOLUTIONS = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution"
# Device files of TPUs, of NVIDIA's and of AMD's GPUs.
_ACCELERATORS = ("/dev/accel*", "/dev/vfio/*", "/dev/nvidia*", "/dev/kfd")
JAXLIB_VERSIONS_TRIED = ("0.10.2", "0.11.2")


def prepare() -> None:
    """Sets XLA's flags and the compilation cache; call before anything imports jax.

    XLA_FLAGS and JAX_COMPILATION_CACHE_DIR of the caller's environment are kept.
    """
    if "jax" in sys.modules:
        return
    if importlib.util.find_spec("libtpu") and not any(map(glob.glob, _ACCELERATORS)):
        os.environ.setdefault(
            "JAX_PLATFORMS", "cpu"
        )  # libtpu looks for a TPU at length, and tells each step
    flags = os.environ.get("XLA_FLAGS", "")
    version = metadata.version("jaxlib")
    if "xla_cpu_experimental_ynn_fusion_type" not in flags:
        if version in JAXLIB_VERSIONS_TRIED:
            os.environ["XLA_FLAGS"] = f"{flags} {FAST_CPU_CONVOLUTIONS}".strip()
        elif os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
            print(
                f"jaxlib {version}: fast CPU convolutions stay off, their flag was not tried with it",
                file=sys.stderr,
            )
    if cache := user_folder("XDG_CACHE_HOME", "~/.cache"):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache / "dsslic_jax" / "xla"))
    # JAX's own limit of a second leaves out small decoders, which are then compiled by every process.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
