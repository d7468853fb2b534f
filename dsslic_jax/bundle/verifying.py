"""Whether a model directory is sound: files, fingerprints, settings, and every array that they need."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dsslic_jax.bundle.directory import load_with_training
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.errors import DsslicError, ModelError
from dsslic_jax.models.parts import part_kind

Reading = Callable[[Mapping[str, Any]], object]  # of `coding`: `codec.settings.coding_settings`


def verify(directory: Path, read_coding: Reading) -> Bundle:
    """Reads a model directory and checks all that can be checked without running it.

    Raises ModelError as `directory.load` does, for a state of training that cannot be read, for a setting of the
    model's coding that `read_coding` refuses, and for arrays that are missing, misshapen or not known; OSError.
    """
    model, _ = load_with_training(directory)
    try:
        read_coding(model.coding)
        for name in model.parts:
            model.variables(part_kind(name))
    except DsslicError as error:
        raise ModelError(f"{directory}: {error}") from error
    return model
