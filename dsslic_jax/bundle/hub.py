"""Model directories to the Hugging Face Hub and from it: a repository of the directory's files and their model card."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dsslic_jax.bundle.card import model_card
from dsslic_jax.bundle.directory import TRAINING
from dsslic_jax.bundle.listing import CARD, FILES
from dsslic_jax.bundle.model import Bundle
from dsslic_jax.bundle.verifying import verify
from dsslic_jax.errors import DsslicError, ModelError
from dsslic_jax.system.extras import how_to_install

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def open_hub() -> HfApi:
    """The Hub, as the user's own settings of `huggingface_hub` have it. Raises ModelError where that is missing."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        told = f"the Hugging Face Hub needs its package: {how_to_install('hub')}"
        raise ModelError(told) from error
    return HfApi(library_name="dsslic_jax")


def push(directory: Path, repo_id: str, api: HfApi) -> None:
    """Makes a repository hold a model directory and its card, in one commit; makes the repository if need be.

    Raises ModelError for a model that is not sound, or saying what the Hub refused.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    model = verify(directory)
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


def pull(repo_id: str, directory: Path, api: HfApi, revision: str | None = None) -> Bundle:
    """Fetches a model directory, which appears whole and verified or not at all.

    Raises ModelError where `directory` is there already, the Hub has no such repository or revision, or what it has is
    no sound model.
    """
    if directory.exists() or directory.is_symlink():
        raise ModelError(f"{directory} is there already: name a directory that is not")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as scratch:
        fetched, whole = Path(scratch, "fetched"), Path(scratch, "whole")
        with _refusals_of(repo_id):
            wanted = [*FILES]
            api.snapshot_download(
                repo_id, revision=revision, local_dir=fetched, allow_patterns=wanted
            )
        whole.mkdir()
        for name in FILES:
            if (fetched / name).is_file() and not (fetched / name).is_symlink():
                (fetched / name).rename(whole / name)
        try:
            model = verify(whole)
        except DsslicError as error:
            raise ModelError(str(error).replace(str(whole), repo_id)) from error
        whole.rename(directory)
    return model


@contextmanager
def _refusals_of(repo_id: str) -> Iterator[None]:
    """What goes wrong between here and the Hub, in one line."""
    from huggingface_hub.errors import HTTPError

    try:
        yield
    except (HTTPError, OSError, ValueError) as error:
        # ValueError: no possible name of a repository.
        raise ModelError(f"{repo_id}: {' '.join(str(error).split())}") from error
