"""A library kept in a private repository on the Hub, for a server whose disk does not last.

Each adapter is one file there, its export with its document, named after what is in it, so that
the same adapter has the same name wherever it is; one more file holds names, tags and notes. What
is deleted in the library is deleted there by name, never because it is not here: a library that
could not be restored must not empty the other one. Tokens are used for one call.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lift_chat.errors import AdapterDamaged, NotFound, UnsafeAdapter
from lift_chat.foreign_values import as_mapping, as_text
from lift_chat.sharing.exchange import MOST_BYTES, Exchange
from lift_chat.strict_json import strict_object
from storage.hub.repository import Remote, RepoType, Token, account, fetch, look, push
from storage.library import Library
from storage.records import Adapter

log = logging.getLogger(__name__)

REPOSITORY = "lift-chat-library"
LABELS = "labels.json"
MOST_LABELS = 8 << 20
KIND: RepoType = "dataset"
MESSAGE = "Kept by lift-chat"
_FILE = re.compile(r"adapters/[0-9a-f]{64}\.zip")


@dataclass(frozen=True)
class Kept:
    """The repository, how many adapters are in it, and how many of them have just arrived here."""

    repo: str
    adapters: int
    arrived: int = 0


class Keeping:
    """Remembers, while the program runs, whose library is kept and what of it is there already."""

    def __init__(self, library: Library, exchange: Exchange) -> None:
        self._library, self._exchange = library, exchange
        self._there: dict[str, set[str]] = {}
        self._failed: set[str] = set()
        # A library may be open in two windows.
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def is_behind(self, owner: str) -> bool:
        """Whether the library is kept and has something that is not there yet; False after a try
        that failed, until `keep` is asked for again."""
        there = self._there.get(owner)
        if there is None or owner in self._failed:
            return False
        return any(one.id not in there for one in self._ready(owner))

    def changed(self, adapter_id: str, owner: str) -> None:
        """A name, a tag or a note is another one."""
        self._there.get(owner, set()).discard(adapter_id)

    def keep(self, owner: str, token: Token) -> Kept:
        """Brings the repository up to the library, and makes it at the first time.

        One commit an adapter, so that what was cut off goes on from there. A damaged adapter is
        left out and logged. Raises `HubRefused`.
        """
        with self._turns[owner]:
            self._failed.add(owner)
            repo = _repository(token)
            remote = _look(repo, token)
            files = set(remote.files) if remote else set()
            adapters = self._ready(owner)
            names = self._names(adapters)
            for adapter in adapters:
                name = names.get(adapter.id)
                if name and name not in files and self._send(adapter, name, repo, token):
                    files.add(name)
            with self._library.scratch() as folder:
                labels = {names[one.id]: _label(one) for one in adapters if one.id in names}
                (folder / LABELS).write_text(json.dumps(labels, indent=1), encoding="utf-8")
                self._push(repo, folder, [LABELS], token)
            self._there[owner] = {one.id for one in adapters}
            self._failed.discard(owner)
        return Kept(repo, len(list(filter(_FILE.fullmatch, files))))

    def restore(self, owner: str, token: Token) -> Kept | None:
        """Takes in what is kept and not here; None where no library is kept.

        A file that is refused is left out and logged. Raises `HubRefused`, `QuotaExceeded`.
        """
        repo = _repository(token)
        remote = _look(repo, token)
        if remote is None:
            return None
        with self._turns[owner]:
            here = set(self._names(self._ready(owner)).values())
            labels = self._labels(remote, token)
            kept = sorted(filter(_FILE.fullmatch, remote.files))
            arrived = 0
            for name in kept:
                if name in here:
                    continue
                try:
                    self._take_in(remote, name, owner, token, labels.get(name))
                    arrived += 1
                except UnsafeAdapter as error:
                    log.warning("%s of a kept library is refused: %s", name, error)
            names = self._names(self._ready(owner))
            self._there[owner] = {id_ for id_, name in names.items() if name in remote.files}
        return Kept(repo, len(kept), arrived)

    def drop(self, adapter_id: str, owner: str, token: Token) -> None:
        """Takes an adapter out of the repository, if the library is kept. Raises `HubRefused`."""
        if owner in self._there:
            names = self._names([self._library.adapter(adapter_id, owner)])
            repo = _repository(token)
            with self._turns[owner], self._library.scratch() as folder:
                self._push(repo, folder, [], token, gone=list(names.values()))

    def _ready(self, owner: str) -> list[Adapter]:
        """Those that can go out: an adapter of another program is pulled again from its origin."""
        adapters = self._library.adapters(owner)
        return [one for one in adapters if one.state == "ready" and not one.is_foreign]

    def _names(self, adapters: Sequence[Adapter]) -> dict[str, str]:
        """The files of adapters by their ids; a damaged one has none."""
        names = {}
        for one in adapters:
            try:
                digest = self._library.adapter_digest(one.id, one.owner)
            except AdapterDamaged as error:
                log.warning("it is not kept: %s", error)
            else:
                names[one.id] = f"adapters/{digest}.zip"
        return names

    def _send(self, adapter: Adapter, name: str, repo: str, token: Token) -> bool:
        """False for an adapter that is damaged."""
        whole = self._library.source(adapter.id, adapter.owner) is not None
        with self._library.scratch() as folder:
            try:
                self._exchange.export(adapter, folder / name, document=whole)
            except AdapterDamaged as error:
                log.warning("it is not kept: %s", error)
                return False
            self._push(repo, folder, [name], token)
            return True

    def _push(
        self, repo: str, folder: Path, names: list[str], token: Token, gone: Sequence[str] = ()
    ) -> None:
        push(
            folder,
            names,
            repo,
            public=False,
            token=token,
            message=MESSAGE,
            repo_type=KIND,
            gone=gone,
        )

    def _labels(self, remote: Remote, token: Token) -> dict[str, Any]:
        if LABELS not in remote.files:
            return {}
        with self._library.scratch() as folder:
            fetch(remote, [LABELS], folder, token=token, most_bytes=MOST_LABELS, repo_type=KIND)
            try:
                return strict_object((folder / LABELS).read_bytes(), MOST_LABELS)
            except ValueError as error:
                log.warning("%s of a kept library %s", LABELS, error)
                return {}

    def _take_in(self, remote: Remote, name: str, owner: str, token: Token, label: Any) -> None:
        with self._library.scratch() as folder:
            fetch(remote, [name], folder, token=token, most_bytes=MOST_BYTES, repo_type=KIND)
            origin = f"hub:{remote.repo}@{remote.commit}"
            arrived = self._exchange.unpack(folder / name, owner, origin)
        said = as_mapping(label)
        tags = said.get("tags")
        self._library.update_adapter(
            arrived.id,
            owner,
            name=as_text(said.get("name")) or None,
            tags=[as_text(tag) for tag in tags] if isinstance(tags, list) else None,
            note=as_text(said.get("note")) or None,
        )


def _repository(token: Token) -> str:
    return f"{account(token)}/{REPOSITORY}"


def _look(repo: str, token: Token) -> Remote | None:
    """None where no library is kept."""
    try:
        return look(repo, token=token, repo_type=KIND)
    except NotFound:
        return None


def _label(adapter: Adapter) -> dict[str, Any]:
    return {"name": adapter.name, "tags": list(adapter.tags), "note": adapter.note}
