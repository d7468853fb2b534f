"""Model directories to the Hugging Face Hub and from it: a repository of the directory's files and their model card."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.bundle.card import model_card
from dsslic_jax.bundle.directory import MOST_BYTES, TRAINING
from dsslic_jax.bundle.listing import CARD, FILES
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.bundle.verifying import Reading, verify
from dsslic_jax.errors import DsslicError, ModelError
from dsslic_jax.system.extras import how_to_install

if TYPE_CHECKING:
    from huggingface_hub import HfApi


_MOST_CARD_BYTES = 1 << 20
_SHOWN = 300  # characters of what the Hub's package says


def open_hub() -> HfApi:
    """The Hub, as the user's own settings of `huggingface_hub` have it. Raises ModelError where that cannot be."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        told = f"the Hugging Face Hub needs its package: {how_to_install('hub')}"
        raise ModelError(told) from error
    except Exception as error:  # of an environment that it does not understand
        raise ModelError(f"the Hugging Face Hub: {_told(error)}") from error
    return HfApi(library_name="dsslic_jax")


def push(directory: Path, repo_id: str, api: HfApi, read_coding: Reading) -> None:
    """Makes a repository hold a model directory and its card, in one commit; makes the repository if need be.

    Raises ModelError for a model that is not sound, or saying what the Hub refused.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    model = verify(directory, read_coding)
    card = model_card(model, repo_id.rpartition("/")[2], repo_id)
    there = [name for name in FILES if name != CARD and (directory / name).exists()]
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(CARD, card.encode()),
        *(CommitOperationAdd(name, directory / name) for name in there),
    ]
    with _refusals_of(repo_id):
        api.create_repo(repo_id, exist_ok=True)
        if not (directory / TRAINING).exists() and api.file_exists(repo_id, TRAINING):
            operations.append(CommitOperationDelete(TRAINING))  # of a model that lay there before
        api.create_commit(repo_id, operations, commit_message="Upload by dsslic_jax")


def pull(
    repo_id: str, directory: Path, api: HfApi, read_coding: Reading, revision: str | None = None
) -> Bundle:
    """Fetches a model directory, which appears whole and verified or not at all.

    Raises ModelError where `directory` is there already, the Hub has no such repository or revision, or what it has is
    no sound model, or larger than a model can be: that is asked before anything is fetched.
    """
    if directory.exists() or directory.is_symlink():
        raise ModelError(f"{directory} is there already: name a directory that is not")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as scratch:
        fetched, whole = Path(scratch, "fetched"), Path(scratch, "whole")
        with _refusals_of(repo_id):
            found = api.model_info(repo_id, revision=revision, files_metadata=True)
            _check_sizes({file.rfilename: file.size for file in found.siblings or ()})
            api.snapshot_download(
                repo_id, revision=found.sha, local_dir=fetched, allow_patterns=[*FILES]
            )
        whole.mkdir()
        for name in FILES:
            if (fetched / name).is_file() and not (fetched / name).is_symlink():
                (fetched / name).rename(whole / name)
        try:
            model = verify(whole, read_coding)
        except DsslicError as error:
            raise ModelError(str(error).replace(str(whole), repo_id)) from error
        whole.rename(directory)
    return model


def _check_sizes(sizes: Mapping[str, int | None]) -> None:
    for name in FILES:
        size, most = sizes.get(name, 0), MOST_BYTES.get(name, _MOST_CARD_BYTES)
        if size is None or size > most:
            raise ModelError(f"{name} has {size} bytes, where {most} are the limit")


@contextmanager
def _refusals_of(repo_id: str) -> Iterator[None]:
    """What goes wrong between here and the Hub, in one line."""
    try:
        yield
    except (
        Exception
    ) as error:  # its package and those below it have no class for all that they raise
        raise ModelError(f"{repo_id}: {_told(error)}") from error


def _told(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:_SHOWN]
