"""Documents: a folder per content, a row per owner.

The same bytes lie once under `documents/<sha256>/`, whoever added them; each owner's row has a
card in the folder's `owners/`, so that a lost index can be rebuilt for all of them, and beside it
the owner's study items. The folder goes with the last row. Knows nothing of how a document is
read.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from storage import files, manifest, owners
from storage.content import read_outline, read_pages
from storage.errors import IllegalTransition, NotFound
from storage.records import Chapter, Document, Page
from storage.search import Words, expression, forget_words, joined, store_words
from storage.store import Store, bury, unbury
from storage.values import to_json

KIND = "document"
_FACTS = ("kind", "title", "author", "language", "pages", "characters", "bytes", "quality")
_COLUMNS = ", ".join(f"d.{field.name}" for field in fields(Document))


def cards(store: Store, sha256: str) -> list[dict[str, str]]:
    """What the folder's cards have to say: one for each row of any owner."""
    with store.read() as db:
        query = "SELECT id, owner, name, created_at FROM documents WHERE sha256 = ?"
        return list(db.query(query, [sha256]))


def insert(store: Store, folder: Path, card: dict[str, str]) -> None:
    """The row of a folder that is in place."""
    told = manifest.read(folder, KIND).facts
    facts = {name: told[name] for name in _FACTS}
    headings = joined([chapter.title for chapter in read_outline(folder)])
    with store.write() as db:
        row = {**facts, **card, "sha256": folder.name, "quality": to_json(facts["quality"])}
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        cursor = db.execute(f"INSERT INTO documents ({names}) VALUES ({marks})", [*row.values()])
        words = Words(
            title=facts["title"], author=facts["author"], name=card["name"], headings=headings
        )
        store_words(db, "document_words", seq=int(cursor.lastrowid or 0), words=words)


def find(store: Store, sha256: str, owner: str) -> Document | None:
    query = f"SELECT {_COLUMNS} FROM documents d WHERE sha256 = ? AND owner = ?"
    with store.read() as db:
        return next((_document(row) for row in db.query(query, [sha256, owner])), None)


def document(store: Store, document_id: str, owner: str) -> Document:
    """Raises `NotFound`."""
    with store.read() as db:
        return one(db, document_id, owner)


def one(db: Database, document_id: str, owner: str) -> Document:
    query = f"SELECT {_COLUMNS} FROM documents d WHERE id = ? AND owner = ?"
    for row in db.query(query, [document_id, owner]):
        return _document(row)
    raise NotFound("There is no such document.")


def documents(store: Store, owner: str, query: str = "") -> list[Document]:
    """Newest first; with a query, best match first."""
    match = expression(query)
    sql = f"SELECT {_COLUMNS} FROM documents d WHERE owner = ? ORDER BY d.seq DESC"
    if match:
        sql = (
            f"SELECT {_COLUMNS} FROM document_words w JOIN documents d ON d.seq = w.rowid"
            f" WHERE d.owner = ? AND document_words MATCH ? ORDER BY w.rank, d.seq DESC"
        )
    with store.read() as db:
        return [_document(row) for row in db.query(sql, [owner, match] if match else [owner])]


def _document(row: dict[str, Any]) -> Document:
    return Document(**{**row, "quality": json.loads(row["quality"])})


def pages(store: Store, document_id: str, owner: str) -> list[Page]:
    """Raises `NotFound`, also where the folder has been lost."""
    known = document(store, document_id, owner)
    try:
        return read_pages(folder_of(store, known))
    except (OSError, ValueError, TypeError) as error:
        raise _lost(known) from error


def original(store: Store, document_id: str, owner: str) -> Path:
    """The file as it was added. Raises `NotFound`, also when it was lost."""
    with store.read() as db:
        folder = store.documents / one(db, document_id, owner).sha256
    for path in folder.glob("original.*"):
        return path
    raise NotFound("The file of this document is no longer in the library.")


def outline(store: Store, document_id: str, owner: str) -> list[Chapter]:
    """Raises `NotFound`, also where the folder has been lost."""
    known = document(store, document_id, owner)
    try:
        return read_outline(folder_of(store, known))
    except (OSError, ValueError, TypeError) as error:
        raise _lost(known) from error


def folder_of(store: Store, known: Document) -> Path:
    """Raises `NotFound` where the folder has been lost."""
    folder = store.documents / known.sha256
    if not (folder / owners.NAME).is_dir():
        raise _lost(known)
    return folder


def _lost(known: Document) -> NotFound:
    return NotFound(f"The text of “{known.name}” is not in the library; add the file again.")


def delete(store: Store, document_id: str, owner: str) -> tuple[int, list[str]]:
    """The row's bytes, and the ids of the jobs on it, whose checkpoints are of no use any more.

    Raises `NotFound`, or `IllegalTransition` while a job on it waits or runs. The row goes
    first: what is cut off here is finished at the next start.
    """
    with store.shelf:
        with store.write() as db:
            known = one(db, document_id, owner)
            jobs = list(db.query("SELECT id, state FROM jobs WHERE document_id = ?", [document_id]))
            if any(job["state"] in ("queued", "running") for job in jobs):
                raise IllegalTransition(f"“{known.name}” is being absorbed; stop that first.")
            _remove_row(db, document_id)
            bury(db, document_id)
        freed = weight(store, known)
        clear(store, known.sha256, document_id)
    return freed, [job["id"] for job in jobs]


def weight(store: Store, known: Document) -> int:
    """Bytes of the folder as if nobody else had a row for it: who does is not to be seen."""
    folder = store.documents / known.sha256
    own = owners.card_file(folder, known.id), owners.study_file(folder, known.id)
    shared = files.tree_bytes(folder) - files.tree_bytes(folder / owners.NAME)
    return shared + sum(path.stat().st_size for path in own if path.exists())


def _remove_row(db: Database, document_id: str) -> None:
    """A job on it that could have been resumed cannot be any more."""
    for row in list(db.query("SELECT seq FROM documents WHERE id = ?", [document_id])):
        forget_words(db, "document_words", seq=row["seq"])
    db.execute("DELETE FROM documents WHERE id = ?", [document_id])
    db.execute(
        "UPDATE jobs SET state = 'cancelled', message = 'The document was deleted.'"
        " WHERE document_id = ? AND state = 'interrupted'",
        [document_id],
    )


def clear(store: Store, sha256: str, document_id: str) -> int:
    """Removes what is left of a deleted row: its files, or the folder if it was the last one.

    Gives the bytes freed; 0 where other owners keep the folder.
    """
    folder, freed = store.documents / sha256, 0
    if cards(store, sha256):
        with suppress(OSError):
            owners.remove(folder, document_id)
    else:
        freed = files.remove_folder(folder, store.staging)
    if not owners.card_file(folder, document_id).exists():
        unbury(store, document_id)
    return freed
