"""The Hugging Face Hub: fetching base models and data sets. Knows nothing of what is inside them.

`HF_HUB_OFFLINE`, `HF_HOME` and the stored login are the Hub client's own business and are
honoured by it; nothing here reads or changes them.
"""

from __future__ import annotations

import logging
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from storage.errors import ModelUnavailable, NotFound

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
    try:
        _announce(repo, revision)
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(FILES)))
    except HFValidationError as error:
        raise ModelUnavailable(
            f"“{repo}” is neither a folder, a .gguf file nor a Hub id like Qwen/Qwen3-4B."
        ) from error
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"{repo} is gated: accept its terms on its Hub page and log in with “hf auth login”."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(f"There is no model {repo} on the Hub, or it is private.") from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelUnavailable(
            f"{repo} is not on this disk and the Hub cannot be reached; name another model or "
            f"use --base-model embedded."
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelUnavailable(f"{repo} cannot be fetched from the Hub: {error}") from error


def download_dataset(repo: str) -> Path:
    """Folder with the data set's `.jsonl` files; nothing else of it is fetched, least of all code.

    Raises `NotFound` with what to do about it.
    """
    try:
        folder = Path(snapshot_download(repo, repo_type="dataset", allow_patterns=["*.jsonl"]))
    except GatedRepoError as error:
        raise NotFound(
            f"The data set {repo} is gated: accept its terms on its Hub page and log in with "
            f"“hf auth login”."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise NotFound(f"There is no data set {repo} on the Hub, or it is private.") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise NotFound(
            f"The data set {repo} is not on this disk and cannot be fetched from the Hub; name a "
            f"file or folder."
        ) from error
    if not any(folder.rglob("*.jsonl")):
        raise NotFound(
            f"The data set {repo} has no .jsonl files, and other formats are not read from the "
            f"Hub; convert it and name the file."
        )
    return folder


def _announce(repo: str, revision: str | None) -> None:
    if cached_snapshot(repo) is not None:
        return
    info = HfApi().model_info(repo, revision=revision, files_metadata=True)
    size = sum(
        file.size or 0
        for file in info.siblings or ()
        if Path(file.rfilename).match("*.safetensors")
    )
    log.warning("downloading %s: %.1f GB of weights", repo, size / 1e9)
