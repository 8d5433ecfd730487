"""A damaged or foreign database file is found before anything is written to it, and replaced.

It is kept beside the new one, which is filled from the manifests; what only rows know (jobs,
conversations, the names and tags that people gave) is read from the old file as far as it goes.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from storage import files, recovery, runs
from storage.connection import Index, named_errors
from storage.errors import LibraryDamaged
from storage.migrations import APPLICATION_ID, SCHEMA_VERSION, migrate, refuse_newer
from storage.recovery import Findings
from storage.search import check_words, rebuild_words, update_words
from storage.store import Store, bury
from storage.values import is_id, is_time

log = logging.getLogger(__name__)

_THOROUGH_BYTES = 64 << 20
_MAGIC = b"SQLite format 3\0"
_TABLES = {
    "documents",
    "adapters",
    "adapter_tags",
    "jobs",
    "metrics",
    "conversations",
    "messages",
    "tombstones",
    "document_words",
    "adapter_words",
}

_JSON = {"recipe", "pinned", "facts"}


def start(store: Store) -> Findings:
    """Makes the library whole, whatever state it was left in. The caller holds its lock.

    Raises `LibraryDamaged` for a library of a newer version, before anything is changed.
    """
    damage = find_damage(store.index)
    for folder in (store.documents, store.adapters, store.runs, store.staging):
        folder.mkdir(exist_ok=True)
    files.sweep(store.staging)
    aside = set_aside(store.index.path) if damage else None
    migrate(store.index)
    if aside is None:
        findings = recovery.reconcile(store)
    else:
        log.warning("the index was damaged (%s) and is rebuilt from the manifests", damage)
        # Before the folders are looked at, or what was just deleted would come back.
        _copy_tombstones(store, aside)
        findings = replace(recovery.reconcile(store), set_aside=aside.name)
        for table in ("jobs", "metrics", "adapter_tags", "conversations", "messages"):
            _copy_rows(store, aside, table)
        _copy_names(store, aside)
    runs.sweep(store)
    return findings


def repair(store: Store) -> Findings:
    """The same look at a library in use; it also makes the search index anew."""
    with store.shelf:
        findings = recovery.reconcile(store)
        with store.write() as db:
            rebuild_words(db)
        return findings


def find_damage(index: Index) -> str:
    """What is wrong with the file, or "". No file, and an empty one, are fine.

    Raises `LibraryDamaged` if the file was written by a newer version.
    """
    if not index.path.exists() or index.path.stat().st_size == 0:
        return ""
    with open(index.path, "rb") as file:
        header = file.read(100)
    ours = int.from_bytes(header[68:72], "big") == APPLICATION_ID
    if not header.startswith(_MAGIC):
        return "it is not a database"
    if ours and int.from_bytes(header[60:64], "big") > SCHEMA_VERSION:
        raise LibraryDamaged(
            f"The library in {index.path.parent} was made by a newer lift-chat; "
            f"update this one to open it."
        )
    with named_errors(index.path.parent):
        try:
            with index.connect() as db:
                damage = _look_inside(db, index.path)
                if not damage and not index.readonly and db.table_names():
                    check_words(db)
                return damage
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                return str(error)
            raise


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Rather than that the file cannot be reached, or that this SQLite lacks FTS5.

    A plain SQLITE_ERROR is damage too: the statements are right, so the schema is not.
    """
    code = getattr(error, "sqlite_errorcode", -1)
    if code == sqlite3.SQLITE_ERROR:
        return "no such module" not in str(error)
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ


_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)


def _look_inside(db: Database, path: Path) -> str:
    tables = set(db.table_names())
    application = db.execute("PRAGMA application_id").fetchone()[0]
    if not tables and application == 0:
        return ""
    if application != APPLICATION_ID:
        return "it belongs to another program"
    refuse_newer(db, path)
    if missing := _TABLES - tables:
        return f"{min(missing)} is missing"
    check = "integrity_check" if path.stat().st_size < _THOROUGH_BYTES else "quick_check"
    verdict = str(db.execute(f"PRAGMA {check}(1)").fetchone()[0])
    if verdict != "ok":
        return verdict
    orphan = db.execute("PRAGMA foreign_key_check").fetchone()
    return f"a row of {orphan[0]} has lost what it refers to" if orphan else ""


def set_aside(path: Path) -> Path:
    """Renames the file and what belongs to it, the journals first.

    A journal left behind would be played back into the new file.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("-journal", "-wal", "-shm", ""):
        source = path.with_name(path.name + suffix)
        if source.exists():
            os.rename(source, target.with_name(target.name + suffix))
    files.sync_folder(path.parent)
    return target


def _readable_rows(aside: Path, sql: str) -> list[sqlite3.Row]:
    """The rows up to the first one that cannot be read."""
    rows: list[sqlite3.Row] = []
    # Immutable: what is kept as evidence is not written to, not even to roll it back.
    uri = f"{aside.as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.row_factory = sqlite3.Row
            for row in connection.execute(sql):
                rows.append(row)
    except sqlite3.Error as error:
        log.warning("after %d rows of the damaged index: %s", len(rows), error)
    return rows


def _copy_tombstones(store: Store, aside: Path) -> None:
    """Only those beyond doubt: a damaged page that reads as tombstones would delete folders."""
    with store.write() as db:
        for item, deleted_at in _readable_rows(aside, "SELECT id, deleted_at FROM tombstones"):
            if is_id(item) and is_time(deleted_at):
                bury(db, item)


def _copy_rows(store: Store, aside: Path, table: str) -> None:
    """Copies what is readable and allowed; the CHECKs of the schema keep damaged values out."""
    # An older version's table lacks what later steps add, and has the defaults of these.
    sql = f"SELECT name FROM pragma_table_info('{table}')"
    there = {row["name"] for row in _readable_rows(aside, sql)}
    with store.write() as db:
        columns = [c.name for c in db.table(table).columns if c.name in there]
        if not columns:
            return
        # Rows made from manifests have taken some numbers; the order is kept by inserting in it.
        if table in ("jobs", "conversations"):
            columns.remove("seq")
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        for row in _readable_rows(aside, f"SELECT {names} FROM {table}"):
            try:
                for column in _JSON.intersection(columns):
                    json.loads(row[column])
                sql = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"
                db.execute(sql, [*row])
            except (sqlite3.IntegrityError, ValueError, TypeError) as error:
                log.warning("a row of %s is left out: %s", table, error)


def _copy_names(store: Store, aside: Path) -> None:
    """What people called their adapters after publishing."""
    with store.write() as db:
        known = {row["id"]: row["seq"] for row in db.query("SELECT id, seq FROM adapters")}
        tags = {adapter_id: _tags(db, adapter_id) for adapter_id in known}
        for adapter_id, name, note in _readable_rows(aside, "SELECT id, name, note FROM adapters"):
            if adapter_id in known and isinstance(name, str) and isinstance(note, str):
                sql = "UPDATE adapters SET name = ?, note = ? WHERE id = ?"
                db.execute(sql, [name, note, adapter_id])
                words = {"name": name, "tags": tags[adapter_id], "note": note}
                update_words(db, "adapter_words", seq=known[adapter_id], **words)


def _tags(db: Database, adapter_id: str) -> str:
    rows = db.query("SELECT tag FROM adapter_tags WHERE adapter_id = ?", [adapter_id])
    return "\n".join(row["tag"] for row in rows)
