"""Puts a document on the shelf: its folder into place, its card and its row.

All of it or nothing: what is cut off here is finished or taken back at the next start. The same
bytes may be there already, another owner's or damaged. Knows nothing of how a document is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from storage import documents, files, manifest, owners
from storage.connection import named_errors
from storage.content import Content
from storage.errors import LiftChatError
from storage.records import Document
from storage.store import Store
from storage.values import clean, new_id, now


def add(
    store: Store, original: Path, *, owner: str, name: str, content: Content
) -> tuple[Document, bool]:
    """The document and whether it is new to this owner. Raises `DiskFull`."""
    files.require_room(store.root, original.stat().st_size + content.most_bytes)
    with named_errors(store.root), files.staged_folder(store.staging, new_id()) as folder:
        sha256, size = files.copy_hashed(original, folder / f"original{content.suffix}")
        known = documents.find(store, sha256, owner)
        if known is not None and manifest.is_sound(store.documents / sha256, documents.KIND):
            return known, False
        content.write(folder)
        (folder / owners.NAME).mkdir()
        manifest.seal(folder, documents.KIND, facts=content.facts(size))
        with store.shelf:
            return _shelve(store, folder, sha256=sha256, owner=owner, name=clean(name))


def _shelve(
    store: Store, staged: Path, *, sha256: str, owner: str, name: str
) -> tuple[Document, bool]:
    """Moves the folder into place unless it is there, and writes what is missing of the rest."""
    known, folder = documents.find(store, sha256, owner), store.documents / sha256
    card = {"id": new_id(), "owner": owner, "name": name, "created_at": now()}
    try:
        if manifest.is_sound(folder, documents.KIND):
            if known is None:
                owners.write_card(folder, card)
        else:
            others = documents.cards(store, sha256)
            for each in others + ([card] if known is None else []):
                owners.write_card(staged, each)
            _supersede(store, staged, folder, [other["id"] for other in others])
        if known is None:
            documents.insert(store, folder, card)
    except BaseException:
        _unshelve(store, sha256, card["id"])
        raise
    return (known, False) if known else (documents.document(store, card["id"], owner), True)


def _supersede(store: Store, staged: Path, folder: Path, document_ids: Sequence[str]) -> None:
    """Puts the same bytes, just read, in the place of a lost or damaged folder.

    Until then that one lies in quarantine, which no start sweeps: the study items in it are the
    only ones.
    """
    damaged = files.quarantine(folder, store.staging) if folder.exists() else None
    sources = files.quarantined(store.staging, folder.name)
    complete = owners.rescue(sources, staged, document_ids)
    files.move_into_place(staged, folder)
    if damaged is not None and complete:
        files.remove_folder(damaged, store.staging)


def _unshelve(store: Store, sha256: str, document_id: str) -> None:
    """Takes back what `_shelve` put down, unless its transaction came through after all."""
    folder = store.documents / sha256
    # Nothing here may hide the error that led here; the next start looks again.
    with suppress(LiftChatError, OSError):
        left = [card["id"] for card in documents.cards(store, sha256)]
        if not left:
            files.remove_folder(folder, store.staging)
        elif document_id not in left:
            owners.remove(folder, document_id)
