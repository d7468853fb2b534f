"""Weight files of other programs: safetensors, and PyTorch's own without running what is in them."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from dsslic_jax.bundle import directory as bundle
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.convert.rules import Arrays
from dsslic_jax.errors import ModelError
from dsslic_jax.system.extras import how_to_install
from dsslic_jax.system.untrusted import parse_json

METADATA = "dsslic"  # entry of a safetensors file's metadata that describes the model
# In a folder, the files of one model and the prefix that their keys get.
FOLDER = {
    r".*net_C\.": "C.",
    r".*net_G\.": "G.",
    r".*net_D\.": "D.",
    r"encoder.*\.": "encoder.",
    r"decoder.*\.": "decoder.",
}
_PARALLEL = "module."  # before the keys of PyTorch's DataParallel
SUFFIXES = ("safetensors", "pth", "pt")
REMEDY = (
    "load it where you trust it and save its state dict again: "
    "safetensors.torch.save_file(state_dict, 'weights.safetensors')"
)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, or of the files of one model in a folder, by key; floats of any size become float32.

    A prefix that data-parallel training gave all keys is taken off.

    Raises ModelError where there is no such file, it is damaged, needs pickle, or holds a type that NumPy has not or
    values that are not finite.
    """
    if path.is_dir():
        return _read_folder(path)
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)
    arrays = {
        key: array if array.dtype.kind in "iub" else array.astype(np.float32, copy=False)
        for key, array in found.items()
    }
    for key, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(
                f"{path}: {key} has values that are not finite: take another checkpoint"
            )
    if all(key.startswith(_PARALLEL) for key in arrays):
        return {key.removeprefix(_PARALLEL): array for key, array in arrays.items()}
    return arrays


def read_description(path: Path) -> Bundle | None:
    """The model without its weights, as a file that `state_dict_file` made describes it; None for other files.

    Raises ModelError where the description is damaged.
    """
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}") from error
    if METADATA not in metadata:
        return None
    what = f"{path}: its metadata describe no model"
    stored = parse_json(metadata[METADATA], dict[str, Any], what, ModelError)
    try:
        return bundle.described(stored, {})
    except ModelError as error:
        raise ModelError(f"{what}: {error}") from error


def state_dict_file(arrays: Arrays, model: Bundle) -> bytes:
    """A state dict as safetensors; all of the model but its weights goes into the metadata."""
    from safetensors.numpy import save

    description = json.dumps(bundle.describe(model))
    return save(dict(arrays), metadata={METADATA: description})


def _read_folder(folder: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for name, prefix in FOLDER.items():
        pattern = name + f"({'|'.join(SUFFIXES)})"
        files = sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name))
        if len(files) > 1:
            told = ", ".join(path.name for path in files)
            raise ModelError(f"{folder} has several files of one network: {told}; leave one there")
        for path in files:
            arrays |= {f"{prefix}{key}": array for key, array in read_arrays(path).items()}
    if not arrays:
        raise ModelError(
            f"no weights in {folder}: expected *_net_C.pth, *_net_G.pth and *_net_D.pth, or "
            f"encoder*.pth and decoder*.pth (or the same as .safetensors)"
        )
    return arrays


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}") from error
    except (
        AttributeError,
        KeyError,
        TypeError,
    ) as error:  # a type by a name that NumPy has not, such as float8
        raise ModelError(
            f"{path} holds a type that NumPy has not ({error}): save it as float32"
        ) from error


def _read_pth(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        install = how_to_install("torch")
        raise ModelError(f"{path} needs PyTorch to be read: {install}, or {REMEDY}") from error
    try:
        # mmap is left off: files of PyTorch before 1.6 have another layout.
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch names no class for what a damaged file can raise
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path} is no file of weights alone ({told}); {REMEDY}") from error
    if not isinstance(stored, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in stored.items()
    ):
        raise ModelError(f"{path} holds no state dict, a dictionary of tensors; {REMEDY}")
    arrays = {}
    for key, tensor in stored.items():
        plain = tensor.detach()
        try:
            arrays[key] = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
        except (TypeError, RuntimeError) as error:  # float8, quantised, sparse
            raise ModelError(
                f"{path}: {key} is of type {tensor.dtype}; {REMEDY} as float32"
            ) from error
    return arrays
