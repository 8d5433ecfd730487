"""Adapters: an immutable folder with its manifest, and a row with what its owner calls it.

Publishing is manifest, fsync, rename, fsync, and then one transaction that inserts the row and
closes the job. Deleting is the row first, then the files. Knows nothing of what an adapter is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from storage import files, jobs, manifest
from storage.adapter_facts import AdapterFacts
from storage.connection import named_errors
from storage.errors import AdapterDamaged, IllegalTransition, LiftChatError, NotFound
from storage.manifest import BadManifest, Manifest
from storage.records import Adapter
from storage.search import Words, expression, forget_words, store_words, update_words
from storage.store import Store, bury, unbury
from storage.values import clean, to_json

KIND = "adapter"
_COLUMNS = ", ".join(
    f"a.{field.name}"
    if field.name != "tags"
    else "(SELECT json_group_array(tag) FROM adapter_tags WHERE adapter_id = a.id) AS tags"
    for field in fields(Adapter)
)


@dataclass(frozen=True)
class StagedAdapter:
    """A folder to write an adapter's files into; `id` is what the adapter will be called."""

    id: str
    folder: Path


def publish(store: Store, staged: StagedAdapter, facts: AdapterFacts) -> Adapter:
    """The published adapter, or an error and no trace of it.

    Raises `IllegalTransition` if the job does not run or is to be discarded, `NotFound` for a
    job or document of somebody else, `DiskFull`.
    """
    folder = store.adapters / staged.id
    with named_errors(store.root):
        with store.read() as db:
            _check_origin(db, facts)
        sealed = manifest.seal(staged.folder, KIND, facts=asdict(facts))
        with store.shelf:
            try:
                files.move_into_place(staged.folder, folder)
                with store.write() as db:
                    insert(db, facts, sealed)
            except BaseException:
                _take_back(store, staged.id, folder)
                raise
    return adapter(store, staged.id, facts.owner)


def _check_origin(db: Database, facts: AdapterFacts) -> None:
    """Before minutes of hashing and syncing; the transaction looks again."""
    if facts.job_id:
        job = jobs.one(db, facts.job_id, facts.owner)
        if job.state != "running" or job.request == "discard":
            raise IllegalTransition(f"“{job.name}” is {job.state} and may not publish an adapter.")
    sql = "SELECT 1 FROM documents WHERE id = ? AND owner <> ?"
    if db.execute(sql, [facts.document_id, facts.owner]).fetchone():
        raise NotFound("There is no such document.")


def _take_back(store: Store, adapter_id: str, folder: Path) -> None:
    # A commit can have come through although it raised, and then the adapter is published.
    # Nothing here may hide the error that led here; the next start looks again.
    with suppress(LiftChatError, OSError), store.read() as db:
        if not db.execute("SELECT 1 FROM adapters WHERE id = ?", [adapter_id]).fetchone():
            files.remove_folder(folder, store.staging)


def insert(db: Database, facts: AdapterFacts, sealed: Manifest) -> None:
    """The row, its words, and the end of its job, if it has one."""
    row = {
        **asdict(facts),
        "recipe": to_json(facts.recipe),
        "metrics": to_json(facts.metrics),
        "bytes": sealed.bytes,
        "manifest_sha256": sealed.sha256,
    }
    del row["job_id"], row["studied"]
    row["origin"] = facts.origin or ""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    cursor = db.execute(f"INSERT INTO adapters ({names}) VALUES ({marks})", [*row.values()])
    words = Words(**_document_words(db, facts.document_id), name=facts.name)
    store_words(db, "adapter_words", seq=int(cursor.lastrowid or 0), words=words)
    if facts.job_id:
        jobs.complete(db, jobs.one(db, facts.job_id, facts.owner), facts.id)


def _document_words(db: Database, document_id: str) -> dict[str, str]:
    """An adapter is also found by what it was made of, even when that is deleted later."""
    sql = (
        "SELECT w.title, w.author, w.headings FROM documents d"
        " JOIN document_words w ON w.rowid = d.seq WHERE d.id = ?"
    )
    return next(db.query(sql, [document_id]), {})


def adapter(store: Store, adapter_id: str, owner: str) -> Adapter:
    """Raises `NotFound`."""
    with store.read() as db:
        return one(db, adapter_id, owner)


def one(db: Database, adapter_id: str, owner: str) -> Adapter:
    sql = f"SELECT {_COLUMNS} FROM adapters a WHERE id = ? AND owner = ?"
    for row in db.query(sql, [adapter_id, owner]):
        return _adapter(row)
    raise NotFound("There is no such adapter.")


def _adapter(row: dict[str, Any]) -> Adapter:
    parsed = {name: json.loads(row[name]) for name in ("recipe", "metrics", "tags")}
    return Adapter(**{**row, **parsed, "tags": tuple(parsed["tags"])})


def adapters(
    store: Store, owner: str, query: str = "", *, tags: Sequence[str] = ()
) -> list[Adapter]:
    """Those with all of `tags`, newest first; with a query, best match first."""
    source, order, parameters = "adapters a", "a.seq DESC", [owner]
    where = "a.owner = ?"
    if match := expression(query):
        source += " JOIN adapter_words w ON w.rowid = a.seq"
        where += " AND adapter_words MATCH ?"
        order = "w.rank, a.seq DESC"
        parameters.append(match)
    for tag in _distinct(tags):
        where += " AND EXISTS (SELECT 1 FROM adapter_tags WHERE adapter_id = a.id AND tag = ?)"
        parameters.append(tag)
    sql = f"SELECT {_COLUMNS} FROM {source} WHERE {where} ORDER BY {order}"
    with store.read() as db:
        return [_adapter(row) for row in db.query(sql, parameters)]


def _distinct(tags: Sequence[str]) -> list[str]:
    """Without blanks and repetitions; the first spelling wins."""
    seen: dict[str, str] = {}
    for tag in tags:
        if stripped := clean(tag).strip():
            seen.setdefault(stripped.casefold(), stripped)
    return list(seen.values())


def update(
    store: Store,
    adapter_id: str,
    owner: str,
    *,
    name: str | None,
    tags: Sequence[str] | None,
    note: str | None,
) -> Adapter:
    """Changes what is not None. A blank name is no name, and leaves the old one."""
    with store.write() as db:
        known = one(db, adapter_id, owner)
        seq: int = db.execute("SELECT seq FROM adapters WHERE id = ?", [adapter_id]).fetchone()[0]
        new_name = clean(name).strip() if name is not None else ""
        new_note = known.note if note is None else clean(note)
        db.execute(
            "UPDATE adapters SET name = ?, note = ? WHERE id = ?",
            [new_name or known.name, new_note, adapter_id],
        )
        if tags is not None:
            db.execute("DELETE FROM adapter_tags WHERE adapter_id = ?", [adapter_id])
            for tag in _distinct(tags):
                db.execute("INSERT INTO adapter_tags VALUES (?, ?)", [adapter_id, tag])
        changed = one(db, adapter_id, owner)
        words = {"name": changed.name, "tags": "\n".join(changed.tags), "note": changed.note}
        update_words(db, "adapter_words", seq=seq, **words)
        return changed


def delete(store: Store, adapter_id: str, owner: str) -> int:
    """Bytes freed; its conversations go too. What is cut off here is finished at the next start."""
    with store.shelf:
        with store.write() as db:
            one(db, adapter_id, owner)
            sql = "SELECT seq FROM adapters WHERE id = ?"
            seq: int = db.execute(sql, [adapter_id]).fetchone()[0]
            forget_words(db, "adapter_words", seq=seq)
            db.execute("DELETE FROM adapters WHERE id = ?", [adapter_id])
            bury(db, adapter_id)
        return clear(store, adapter_id)


def clear(store: Store, adapter_id: str) -> int:
    """Removes the folder of a deleted adapter, and then its tombstone. Gives the bytes freed."""
    folder = store.adapters / adapter_id
    freed = files.remove_folder(folder, store.staging)
    if not folder.exists():
        unbury(store, adapter_id)
    return freed


def digest(store: Store, adapter_id: str, owner: str) -> str:
    """Of the adapter's files as they were published, whatever its id and name: the same adapter has
    the same one in every library. Raises `AdapterDamaged`."""
    name = adapter(store, adapter_id, owner).name
    try:
        files = manifest.read(store.adapters / adapter_id, KIND).files
    except BadManifest as error:
        raise AdapterDamaged(f"“{name}” is damaged: {error}.") from error
    sums = sorted((file, sha256) for file, (sha256, _) in files.items())
    return hashlib.sha256(to_json(sums).encode("ascii")).hexdigest()


def verify(store: Store, adapter_id: str, owner: str) -> None:
    """Reads every byte. Raises `AdapterDamaged`, which names the file, expected and actual."""
    with store.read() as db:
        name = one(db, adapter_id, owner).name
        sql = "SELECT manifest_sha256 FROM adapters WHERE id = ?"
        sha256: str = db.execute(sql, [adapter_id]).fetchone()[0]
    folder = store.adapters / adapter_id
    try:
        manifest.check_bytes(folder, manifest.read(folder, KIND), sha256=sha256)
    except (BadManifest, OSError) as error:
        raise AdapterDamaged(f"“{name}” is damaged: {error}.") from error
