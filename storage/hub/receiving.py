"""One file from the Hub onto the disk: whole, of the size and with the sum told, or not at all.

It is streamed, past the client's cache: nothing of it stays in the user's folders.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import constants, get_session
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from storage.errors import HubRefused
from storage.hub.refusals import asked
from storage.values import new_id


@dataclass(frozen=True)
class Announced:
    """What the Hub said of a file before it was asked for it."""

    name: str
    size: int
    sum: str
    """SHA-256 for what lies in large storage, the git blob's SHA-1 for the rest."""


def receive(url: str, file: Announced, target: Path, token: str | Literal[False] | None) -> None:
    """Raises `NotFound`, `HubRefused`, OSError for what the disk does not do."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{new_id()}.part")
    try:
        with closing(_chunks(url, token)) as chunks:
            _write(chunks, file, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _write(chunks: Generator[bytes, None, None], file: Announced, draft: Path) -> None:
    received = 0
    by_git = len(file.sum) != 64
    digest = hashlib.sha1(b"blob %d\0" % file.size) if by_git else hashlib.sha256()
    with open(draft, "xb") as writing:
        while (chunk := asked(file.name, lambda: next(chunks, None))) is not None:
            received += len(chunk)
            if received > file.size:
                raise HubRefused(f"{file.name} is larger than the Hub said; it is not taken.")
            digest.update(chunk)
            writing.write(chunk)
    if received != file.size or digest.hexdigest() != file.sum:
        raise HubRefused(f"{file.name} did not arrive as it was; try again.")


def _chunks(url: str, token: str | Literal[False] | None) -> Generator[bytes, None, None]:
    # Unpacked on the way a file could become anything; its bytes are wanted as they are.
    headers = build_hf_headers(token=token, headers={"Accept-Encoding": "identity"})
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    # The client's session takes the token off a request that is sent on to another host.
    with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
        hf_raise_for_status(response)
        yield from response.iter_raw()
