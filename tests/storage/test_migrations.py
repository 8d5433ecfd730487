from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from storage import migrations, repair
from storage.connection import WAL_IS_SAFE, Index
from storage.errors import LibraryDamaged
from storage.library import Library
from storage.migrations import APPLICATION_ID, BACKUPS_KEPT, SCHEMA_VERSION
from storage.records import Message
from storage.recovery import Findings
from tests.storage.workbench import ALICE, BOB, absorb, check, reopened

STEPS = {
    "m001_create_tables": migrations.m001_create_tables,
    "m002_exams_and_pinned_answers": migrations.m002_exams_and_pinned_answers,
    "m003_what_a_job_studied": migrations.m003_what_a_job_studied,
    "m004_adapters_from_elsewhere_and_jobs_side_by_side": (
        migrations.m004_adapters_from_elsewhere_and_jobs_side_by_side
    ),
}
EXPECTED = {
    "documents": {
        "seq": "INTEGER",
        "id": "TEXT",
        "owner": "TEXT",
        "sha256": "TEXT",
        "name": "TEXT",
        "kind": "TEXT",
        "title": "TEXT",
        "author": "TEXT",
        "language": "TEXT",
        "pages": "INTEGER",
        "characters": "INTEGER",
        "bytes": "INTEGER",
        "quality": "TEXT",
        "created_at": "TEXT",
    },
    "adapters": {
        "seq": "INTEGER",
        "id": "TEXT",
        "owner": "TEXT",
        "document_id": "TEXT",
        "name": "TEXT",
        "kind": "TEXT",
        "base_model": "TEXT",
        "base_revision": "TEXT",
        "base_fingerprint": "TEXT",
        "recipe": "TEXT",
        "metrics": "TEXT",
        "note": "TEXT",
        "bytes": "INTEGER",
        "state": "TEXT",
        "manifest_sha256": "TEXT",
        "created_at": "TEXT",
        "origin": "TEXT",
    },
    "adapter_tags": {"adapter_id": "TEXT", "tag": "TEXT"},
    "jobs": {
        "seq": "INTEGER",
        "id": "TEXT",
        "owner": "TEXT",
        "document_id": "TEXT",
        "adapter_id": "TEXT",
        "name": "TEXT",
        "base_model": "TEXT",
        "recipe": "TEXT",
        "state": "TEXT",
        "request": "TEXT",
        "place": "INTEGER",
        "stage": "TEXT",
        "step": "INTEGER",
        "total": "INTEGER",
        "attempts": "INTEGER",
        "message": "TEXT",
        "error_code": "TEXT",
        "error": "TEXT",
        "created_at": "TEXT",
        "started_at": "TEXT",
        "finished_at": "TEXT",
        "pinned": "TEXT",
        "studied": "TEXT",
    },
    "metrics": {
        "job_id": "TEXT",
        "seq": "INTEGER",
        "stage": "TEXT",
        "step": "INTEGER",
        "total": "INTEGER",
        "loss": "REAL",
        "tokens": "INTEGER",
        "tokens_per_second": "REAL",
        "seconds": "REAL",
        "eta_seconds": "REAL",
        "exam": "REAL",
    },
    "conversations": {
        "seq": "INTEGER",
        "id": "TEXT",
        "owner": "TEXT",
        "adapter_id": "TEXT",
        "title": "TEXT",
        "created_at": "TEXT",
    },
    "messages": {
        "conversation_id": "TEXT",
        "seq": "INTEGER",
        "role": "TEXT",
        "content": "TEXT",
        "facts": "TEXT",
    },
    "tombstones": {"id": "TEXT", "deleted_at": "TEXT"},
    "document_words": dict.fromkeys(("title", "author", "name", "tags", "note", "headings"), ""),
    "adapter_words": dict.fromkeys(("title", "author", "name", "tags", "note", "headings"), ""),
}
FOREIGN_KEYS = {
    ("adapter_tags", "adapter_id", "adapters", "CASCADE"),
    ("jobs", "adapter_id", "adapters", "SET NULL"),
    ("metrics", "job_id", "jobs", "CASCADE"),
    ("conversations", "adapter_id", "adapters", "CASCADE"),
    ("messages", "conversation_id", "conversations", "CASCADE"),
}


def test_the_schema_is_the_expected_one(library: Library, root: Path) -> None:
    with closing(sqlite3.connect(root / "library.sqlite")) as db:
        names = [
            row[0]
            for row in db.execute("SELECT name FROM pragma_table_list WHERE schema = 'main'")
            if not row[0].startswith(("sqlite_", "_sqlite_"))
        ]
        # FTS5 keeps its index in tables of its own, named after the table.
        names = [name for name in names if "_words_" not in name]
        actual = {
            name: {row[1]: row[2] for row in db.execute(f"PRAGMA table_info({name})")}
            for name in names
        }
        keys = {
            (name, row[3], row[2], row[6])
            for name in names
            for row in db.execute(f"PRAGMA foreign_key_list({name})")
        }
        strict = {
            row[0] for row in db.execute("SELECT name FROM pragma_table_list WHERE strict = 1")
        }
        assert db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        assert db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        mode = db.execute("PRAGMA journal_mode").fetchone()[0]
    assert actual == EXPECTED
    assert keys == FOREIGN_KEYS
    assert strict == {name for name in EXPECTED if not name.endswith("_words")}
    assert (mode == "wal") == WAL_IS_SAFE


def test_the_schema_version_counts_the_migrations(library: Library, root: Path) -> None:
    db = Database(root / "library.sqlite")
    applied = [step.name for step in migrations.migrations.applied(db)]
    db.close()
    assert applied == list(STEPS)
    assert len(applied) == SCHEMA_VERSION


def test_connections_are_opened_as_they_should_be(library: Library, root: Path) -> None:
    index = Index(root / "library.sqlite")
    with index.write() as db:
        settings = {
            name: db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("foreign_keys", "trusted_schema", "busy_timeout", "synchronous")
        }
        journal = db.execute("PRAGMA journal_mode").fetchone()[0]
    assert settings == {
        "foreign_keys": 1,
        "trusted_schema": 0,
        "busy_timeout": 10_000,
        "synchronous": 2,
    }
    assert journal == ("wal" if WAL_IS_SAFE else "truncate")


def make_newer(root: Path, *, by: str) -> None:
    with closing(sqlite3.connect(root / "library.sqlite")) as db, db:
        if by == "version":
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        else:
            db.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
                " VALUES ('lift-chat', 'm999_future', 'later')"
            )


@pytest.mark.parametrize("by", ["version", "migration"])
def test_a_library_of_a_newer_version_is_refused_and_left_alone(root: Path, by: str) -> None:
    with Library.open(root) as library:
        absorb(library)
    make_newer(root, by=by)
    before = (root / "library.sqlite").read_bytes()
    for opening in (Library.open, Library.read_only):
        with pytest.raises(LibraryDamaged, match="made by a newer lift-chat"):
            opening(root)
    assert (root / "library.sqlite").read_bytes() == before
    assert {path.name for path in root.glob("library.sqlite*")} <= {
        "library.sqlite",
        "library.sqlite-journal",
    }


@pytest.fixture
def one_step_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next version of the schema, which adds a table."""
    later = Migrations("lift-chat")

    for name, step in STEPS.items():
        later(name=name)(step)

    @later()
    def m999_shelves(db: Database) -> None:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        db.execute("CREATE TABLE shelves (name TEXT) STRICT")

    monkeypatch.setattr(migrations, "migrations", later)
    for module in (migrations, repair):
        monkeypatch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)


def backups(root: Path) -> list[Path]:
    return sorted(root.glob("library.sqlite.backup*"))


def test_an_older_library_is_copied_and_then_brought_up_to_date(
    root: Path, request: pytest.FixtureRequest
) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
    assert backups(root) == []
    request.getfixturevalue("one_step_more")
    with reopened(root) as library:
        assert library.adapter(adapter.id, adapter.owner) == adapter
    (copy,) = backups(root)
    assert copy.name.startswith(f"library.sqlite.backup-v{SCHEMA_VERSION}-")
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT id FROM adapters").fetchall() == [(adapter.id,)]
        assert db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    check(root)
    with reopened(root):
        assert backups(root) == [copy]


@pytest.fixture
def version_1(root: Path) -> Path:
    """A library that the first released version wrote, with something in every table."""
    with zipfile.ZipFile(Path(__file__).with_name("version-1.zip")) as archive:
        archive.extractall(root)
    return root


def test_a_library_of_version_1_opens_with_all_it_holds(version_1: Path) -> None:
    before = (version_1 / "library.sqlite").read_bytes()
    with Library.open(version_1) as library:
        assert library.findings == Findings()
        (adapter,) = library.adapters(ALICE, "lamp sea mine")
        library.verify_adapter(adapter.id, ALICE)
        assert adapter.origin == ""
        (document,), (his,) = library.documents(ALICE), library.documents(BOB)
        assert document.sha256 == his.sha256
        assert library.document_text(document.id, ALICE) == "The lamp\n\n was lit."
        (conversation,) = library.conversations(adapter.id, ALICE)
        assert library.messages(conversation.id, ALICE) == [Message("user", "hello", {"n": 1})]
        running, done = library.jobs(ALICE)
        assert (done.state, done.adapter_id, done.pinned) == ("done", adapter.id, [])
        assert (running.state, running.step, running.pinned) == ("running", 1, [])
        points = library.metrics(running.id)
        assert [(point.loss, point.exam) for point in points] == [
            (3.0, None),
            (2.0, None),
            (1.0, None),
        ]
        library.set_pinned(running.id, [{"question": "Who?"}])
        library.add_metrics(running.id, [replace(points[0], exam=50.0)])
        assert library.job(running.id, ALICE).pinned == [{"question": "Who?"}]
        assert library.metrics(running.id)[-1].exam == 50.0
        assert library.study_items(document.id, ALICE) == []
        # What its jobs studied is not known: nothing is absorbed a second time for that.
        found = library.find_job(document.id, ALICE, done.recipe, done.base_model, "d1")
        assert found == done
        library.recover_jobs()
    (copy,) = backups(version_1)
    assert copy.name.startswith("library.sqlite.backup-v1-")
    assert schema(copy) == schema_of(before, version_1)
    check(version_1)
    with Library.open(version_1):
        assert backups(version_1) == [copy]


def schema(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


def schema_of(data: bytes, root: Path) -> list[tuple[str, str]]:
    path = root.parent / "old.sqlite"
    path.write_bytes(data)
    return schema(path)


def test_the_first_step_still_makes_what_it_made_when_it_was_released(
    version_1: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "new.sqlite")) as connection:
        db = Database(connection, execute_plugins=False)
        migrations.migrations.apply(db, stop_before="m002_exams_and_pinned_answers")
    assert schema(tmp_path / "new.sqlite") == schema(version_1 / "library.sqlite")


def test_an_older_library_is_not_changed_by_reading(version_1: Path) -> None:
    before = (version_1 / "library.sqlite").read_bytes()
    with pytest.raises(LibraryDamaged, match="older lift-chat; open it once for writing"):
        Library.read_only(version_1)
    assert (version_1 / "library.sqlite").read_bytes() == before
    Library.open(version_1).close()
    with Library.read_only(version_1) as library:
        assert len(library.jobs(ALICE)) == 2


def test_a_damaged_library_of_version_1_keeps_its_jobs(version_1: Path) -> None:
    with closing(sqlite3.connect(version_1 / "library.sqlite")) as db, db:
        db.execute("INSERT INTO adapter_tags VALUES ('nobody', 't')")
    with Library.open(version_1) as library:
        assert library.findings.set_aside
        (adapter,) = library.adapters(ALICE, "sea")
        assert {(job.state, job.adapter_id) for job in library.jobs(ALICE)} == {
            ("running", None),
            ("done", adapter.id),
        }
        assert sum(len(library.metrics(job.id)) for job in library.jobs(ALICE)) == 3
        assert len(library.conversations(adapter.id, ALICE)) == 1
        library.recover_jobs()
    check(version_1)


def test_a_fresh_library_has_nothing_to_copy(root: Path, one_step_more: None) -> None:
    with Library.open(root):
        assert backups(root) == []


def test_a_step_that_fails_changes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
    before = (root / "library.sqlite").read_bytes()
    failing = Migrations("lift-chat")
    for name, step in STEPS.items():
        failing(name=name)(step)

    @failing()
    def m999_fails(db: Database) -> None:
        db.execute("DROP TABLE messages")
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "migrations", failing)
        with pytest.raises(ZeroDivisionError):
            Library.open(root)
    assert (root / "library.sqlite").read_bytes() == before
    with reopened(root) as library:
        assert library.adapter(adapter.id, adapter.owner) == adapter
    check(root)


def test_only_the_newest_backups_are_kept(library: Library, root: Path) -> None:
    index = Index(root / "library.sqlite")
    made = []
    for _ in range(BACKUPS_KEPT + 2):
        with index.connect() as db:
            made.append(migrations.back_up(db, index.path))
    assert backups(root) == made[-BACKUPS_KEPT:]
