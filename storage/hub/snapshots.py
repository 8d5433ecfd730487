"""The Hugging Face Hub: fetching base models and data sets. Knows nothing of what is inside them.

`HF_HUB_OFFLINE`, `HF_HOME` and the stored login are the Hub client's own business and are
honoured by it; nothing here reads or changes them. Every error is one sentence
(`storage.hub.refusals`), and says what to do instead.
"""

from __future__ import annotations

import logging
from pathlib import Path

from huggingface_hub import snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from huggingface_hub.utils import validate_repo_id

from storage.errors import HubRefused, ModelUnavailable, NotFound
from storage.hub.refusals import asked
from storage.hub.repository import client

log = logging.getLogger(__name__)

FILES = ("*.safetensors", "*.json", "*.model", "*.txt", "*.jinja")
"""What a base model may consist of: no pickle, no code."""


def cached_snapshot(repo: str) -> Path | None:
    """Folder of the newest complete local copy of `repo`, or None."""
    config = try_to_load_from_cache(repo, "config.json")
    if not isinstance(config, str):
        return None
    try:
        return Path(snapshot_download(repo, local_files_only=True, allow_patterns=list(FILES)))
    except LocalEntryNotFoundError:
        return None


def download_snapshot(repo: str, revision: str | None) -> Path:
    """Folder with the model's files; its name is the commit. Says how much before it downloads.

    Raises `ModelUnavailable` with what to do about it.
    """
    if not _is_name(repo):
        raise ModelUnavailable(
            f"“{repo}” is neither a folder, a .gguf file nor a Hub id like Qwen/Qwen3-4B."
        )

    def fetched() -> str:
        _announce(repo, revision)
        return client(None).snapshot_download(repo, revision=revision, allow_patterns=list(FILES))

    try:
        return Path(asked(repo, fetched))
    except (HubRefused, NotFound) as refusal:
        raise ModelUnavailable(
            f"{refusal} Or name a model that is on this disk, or use --base-model embedded."
        ) from refusal


def download_dataset(repo: str) -> Path:
    """Folder with the data set's `.jsonl` files; nothing else of it is fetched, least of all code.

    Raises `NotFound` or `HubRefused` with what to do about it.
    """

    def fetched() -> str:
        return client(None).snapshot_download(repo, repo_type="dataset", allow_patterns=["*.jsonl"])

    try:
        folder = Path(asked(repo, fetched))
    except (HubRefused, NotFound) as refusal:
        raise type(refusal)(f"{refusal} Or name a file or folder.") from refusal
    if not any(folder.rglob("*.jsonl")):
        raise NotFound(
            f"The data set {repo} has no .jsonl files, and other formats are not read from the "
            f"Hub; convert it and name the file."
        )
    return folder


def _is_name(repo: str) -> bool:
    try:
        validate_repo_id(repo)
    except HFValidationError:
        return False
    return True


def _announce(repo: str, revision: str | None) -> None:
    if cached_snapshot(repo) is not None:
        return
    info = client(None).model_info(repo, revision=revision, files_metadata=True)
    size = sum(
        file.size or 0
        for file in info.siblings or ()
        if Path(file.rfilename).match("*.safetensors")
    )
    log.warning("downloading %s: %.1f GB of weights", repo, size / 1e9)
