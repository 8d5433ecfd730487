"""The schema, as numbered steps that are never changed once released.

Each step and the record of it are one transaction. Opening refuses what a newer version wrote,
and copies an existing file before a step changes it. Knows no meaning of any column.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database, Migrations

from storage.connection import Index, make_durable, named_errors
from storage.errors import LibraryDamaged
from storage.files import sync_folder

APPLICATION_ID = 0x4C694674
"""“LiFt”, in the header of the file: this is a lift-chat library."""

SCHEMA_VERSION = 4
"""`user_version` of the file: the number of steps below."""

BACKUPS_KEPT = 5

migrations = Migrations("lift-chat")


@migrations()
def m001_create_tables(db: Database) -> None:
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    db.executescript(_M001)


@migrations()
def m002_exams_and_pinned_answers(db: Database) -> None:
    db.execute("PRAGMA user_version = 2")
    db.execute("ALTER TABLE metrics ADD COLUMN exam REAL")
    db.execute("ALTER TABLE jobs ADD COLUMN pinned TEXT NOT NULL DEFAULT '[]'")


@migrations()
def m003_what_a_job_studied(db: Database) -> None:
    """NULL is “not known”: of a job that has not begun, and of those that ran before this step."""
    db.execute("PRAGMA user_version = 3")
    db.execute("ALTER TABLE jobs ADD COLUMN studied TEXT")


@migrations()
def m004_adapters_from_elsewhere_and_jobs_side_by_side(db: Database) -> None:
    """Several machines may work on one library's queue; how many jobs run is the claimer's limit,
    looked at in the transaction that claims."""
    db.execute("PRAGMA user_version = 4")
    db.execute("ALTER TABLE adapters ADD COLUMN origin TEXT NOT NULL DEFAULT ''")
    db.execute("DROP INDEX jobs_one_running")


_M001 = """
CREATE TABLE documents (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  author TEXT NOT NULL,
  language TEXT NOT NULL,
  pages INTEGER NOT NULL,
  characters INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  quality TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (owner, sha256)
) STRICT;
CREATE INDEX documents_sha256 ON documents (sha256);

CREATE TABLE adapters (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  document_id TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  base_model TEXT NOT NULL,
  base_revision TEXT NOT NULL,
  base_fingerprint TEXT NOT NULL,
  recipe TEXT NOT NULL,
  metrics TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  bytes INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'missing')),
  manifest_sha256 TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX adapters_owner ON adapters (owner);
CREATE INDEX adapters_document ON adapters (document_id);

CREATE TABLE adapter_tags (
  adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
  tag TEXT NOT NULL COLLATE NOCASE CHECK (tag <> ''),
  PRIMARY KEY (adapter_id, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  document_id TEXT NOT NULL,
  adapter_id TEXT REFERENCES adapters (id) ON DELETE SET NULL,
  name TEXT NOT NULL,
  base_model TEXT NOT NULL,
  recipe TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued' CHECK (
    state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')
  ),
  request TEXT NOT NULL DEFAULT '' CHECK (request IN ('', 'keep', 'discard')),
  place INTEGER NOT NULL,
  stage TEXT NOT NULL DEFAULT '',
  step INTEGER NOT NULL DEFAULT 0,
  total INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  message TEXT NOT NULL DEFAULT '',
  error_code TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL,
  started_at TEXT NOT NULL DEFAULT '',
  finished_at TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX jobs_one_running ON jobs (state) WHERE state = 'running';
CREATE INDEX jobs_owner ON jobs (owner);
CREATE INDEX jobs_document ON jobs (document_id);
CREATE INDEX jobs_adapter ON jobs (adapter_id);

CREATE TABLE metrics (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  stage TEXT NOT NULL,
  step INTEGER NOT NULL,
  total INTEGER NOT NULL,
  loss REAL,
  tokens INTEGER NOT NULL,
  tokens_per_second REAL NOT NULL,
  seconds REAL NOT NULL,
  eta_seconds REAL,
  PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE conversations (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  adapter_id TEXT NOT NULL REFERENCES adapters (id) ON DELETE CASCADE,
  title TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX conversations_adapter ON conversations (adapter_id);

CREATE TABLE messages (
  conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
  content TEXT NOT NULL,
  facts TEXT NOT NULL,
  PRIMARY KEY (conversation_id, seq)
) STRICT, WITHOUT ROWID;

-- What was deleted: its folder must not come back when the deletion was cut off.
CREATE TABLE tombstones (
  id TEXT PRIMARY KEY,
  deleted_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Searched text; the rowid is the seq of the document or adapter.
CREATE VIRTUAL TABLE document_words USING fts5 (
  title, author, name, tags, note, headings, tokenize = "unicode61 remove_diacritics 2"
);
CREATE VIRTUAL TABLE adapter_words USING fts5 (
  title, author, name, tags, note, headings, tokenize = "unicode61 remove_diacritics 2"
);
"""


def migrate(index: Index) -> None:
    """Creates the file or brings it up to date, with a copy of an older one kept beside it.

    Raises `LibraryDamaged` for a library of a newer version, which is left as it is.
    """
    existed = index.path.exists()
    with named_errors(index.path.parent), index.connect(create=True) as db:
        refuse_newer(db, index.path)
        if not migrations.pending(db):
            return
        if existed and migrations.applied(db):
            back_up(db, index.path)
        make_durable(db)
        migrations.apply(db)


def refuse_newer(db: Database, path: Path) -> None:
    """Raises `LibraryDamaged` if a step was applied that this version does not know."""
    with Database(memory=True, execute_plugins=False) as empty:
        known = {step.name for step in migrations.pending(empty)}
    unknown = {step.name for step in migrations.applied(db)} - known
    if unknown or version_of(db) > SCHEMA_VERSION:
        raise LibraryDamaged(
            f"The library in {path.parent} was made by a newer lift-chat; "
            f"update this one to open it."
        )


def version_of(db: Database) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def back_up(db: Database, path: Path) -> Path:
    """A checked, durable copy beside `path`; the newest few are kept.

    SQLite's own backup, because a plain copy of an open database may tear.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    target = path.with_name(f"{path.name}.backup-v{version_of(db)}-{stamp}")
    draft = path.with_name(f"{path.name}.backup-draft")
    draft.unlink(missing_ok=True)
    copy = Database(draft, execute_plugins=False)
    try:
        db.conn.backup(copy.conn)
        sound = copy.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        copy.close()
    if not sound:
        draft.unlink()
        raise LibraryDamaged(f"The index of the library in {path.parent} cannot be copied.")
    with open(draft, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(draft, target)
    sync_folder(path.parent)
    stamp_length = len(stamp)
    copies = sorted(
        path.parent.glob(f"{path.name}.backup-v*"), key=lambda copy: copy.name[-stamp_length:]
    )
    for outdated in copies[:-BACKUPS_KEPT]:
        outdated.unlink()
    return target
