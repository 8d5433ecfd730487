from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from storage import connection
from storage.connection import Index, named_errors
from storage.errors import DiskFull, LibraryDamaged, LibraryInUse, LiftChatError, NotFound
from storage.library import Library
from storage.store import DATABASE
from tests.storage.workbench import (
    ALICE,
    BOB,
    absorb,
    add_document,
    add_job,
    check,
    publish,
    running_job,
)


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as SQLite words it")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("raised", "expected", "words"),
    [
        (OSError(errno.ENOSPC, "x"), DiskFull, "is full; free some space"),
        (OSError(errno.EDQUOT, "x"), DiskFull, "is full; free some space"),
        (sqlite_error(sqlite3.SQLITE_FULL), DiskFull, "is full; free some space"),
        (sqlite_error(sqlite3.SQLITE_BUSY), LibraryInUse, "is busy"),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), LibraryInUse, "is busy"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), LibraryDamaged, "rebuilt at the next start"),
        (sqlite_error(sqlite3.SQLITE_NOTADB), LibraryDamaged, "rebuilt at the next start"),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), LibraryDamaged, "as SQLite words it"),
    ],
)
def test_each_fault_has_its_place_in_the_error_tree(
    tmp_path: Path, raised: Exception, expected: type[LiftChatError], words: str
) -> None:
    with pytest.raises(expected, match=words) as caught, named_errors(tmp_path):
        raise raised
    assert str(tmp_path) in str(caught.value)
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "x"), sqlite3.IntegrityError("x"), KeyError("x")]
)
def test_other_errors_pass(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)), named_errors(tmp_path):
        raise error


def test_sqlite_itself_says_full_and_it_is_said_on(library: Library, root: Path) -> None:
    index = Index(root / "library.sqlite")
    with pytest.raises(DiskFull), index.write() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        db.execute("INSERT INTO tombstones VALUES (hex(zeroblob(100000)), '')")
    check(root)


def test_a_transaction_is_kept_whole_or_not_at_all(library: Library, root: Path) -> None:
    index = Index(root / "library.sqlite")
    with pytest.raises(ZeroDivisionError), index.write() as db:
        db.execute("INSERT INTO tombstones VALUES ('x', '')")
        raise ZeroDivisionError
    with index.read() as db:
        assert db.execute("SELECT * FROM tombstones").fetchall() == []


def test_a_transaction_that_starts_has_the_right_to_write(library: Library, root: Path) -> None:
    """Not only from its first write on: what it reads until then could be outdated."""
    index = Index(root / "library.sqlite")
    locked = pytest.raises(sqlite3.OperationalError, match="locked")
    with closing(sqlite3.connect(index.path, timeout=0)) as other, index.write(), locked:
        other.execute("INSERT INTO tombstones VALUES ('x', '')")


def test_a_reading_connection_cannot_write(library: Library, root: Path) -> None:
    with (
        pytest.raises(LibraryDamaged, match="readonly"),
        Index(root / "library.sqlite").read() as db,
    ):
        db.execute("DELETE FROM jobs")


def test_a_vanished_database_is_an_error_and_not_an_empty_library(
    library: Library, root: Path
) -> None:
    (root / "library.sqlite").unlink()
    with pytest.raises(LibraryDamaged):
        library.documents(ALICE)
    assert not (root / "library.sqlite").exists()


def test_somebody_elses_transaction_is_named_busy(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = add_document(library)
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(root / "library.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryInUse, match="is busy"):
            add_job(library, document)
    add_job(library, document)


def test_two_threads_use_one_library(library: Library, root: Path) -> None:
    start = threading.Barrier(2)

    def work(owner: str) -> list[str]:
        start.wait()
        made = []
        for n in range(12):
            original = root.parent / f"{owner}.txt"
            original.write_text(f"text {n}")
            document, _ = library.add_document(
                original,
                owner=owner,
                name=str(n),
                kind="text",
                title="",
                author="",
                language="",
                pages=[],
                outline=[],
                quality={},
            )
            adapter = publish(library, owner=owner, document_id=document.id)
            library.update_adapter(adapter.id, owner, tags=[str(n)])
            if n % 3 == 0:
                library.delete_adapter(adapter.id, owner)
                library.delete_document(document.id, owner)
            else:
                made.append(adapter.id)
        return made

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(work, (ALICE, BOB)))
    for owner, ids in zip((ALICE, BOB), made, strict=True):
        assert [adapter.id for adapter in library.adapters(owner)] == ids[::-1]
        assert len(library.documents(owner)) == len(ids) == 8
    check(root)


def test_only_one_of_many_threads_gets_the_job(library: Library) -> None:
    document = add_document(library)
    add_job(library, document)
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: library.claim_next_job(), range(16)))
    assert len([job for job in claimed if job]) == 1


def test_many_threads_adding_the_same_job_make_one(library: Library) -> None:
    document = add_document(library)
    with ThreadPoolExecutor(8) as pool:
        jobs = set(pool.map(lambda _: add_job(library, document).id, range(16)))
    assert len(jobs) == 1


WRITES: dict[str, Callable[[Library], object]] = {
    "add_document": lambda library: add_document(library, "new"),
    "add_job": lambda library: add_job(library, library.documents(ALICE)[0], recipe={"n": 2}),
    "staged_adapter": publish,
    "run_folder": lambda library: library.run_folder(library.jobs(ALICE)[0].id),
    "delete_adapter": lambda library: library.delete_adapter(library.adapters(ALICE)[0].id, ALICE),
    "claim": lambda library: library.claim_next_job(),
    "repair": lambda library: library.repair(),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_read_only_library_reads_beside_the_writer_and_changes_nothing(
    library: Library, root: Path, write: str
) -> None:
    adapter = absorb(library)
    with Library.read_only(root) as reader:
        assert reader.adapters(ALICE) == [adapter]
        assert reader.pages(adapter.document_id, ALICE)
        reader.verify_adapter(adapter.id, ALICE)
        with pytest.raises(LibraryInUse, match="for reading only"):
            WRITES[write](reader)
    check(root)


def test_read_only_makes_no_library(root: Path) -> None:
    with pytest.raises(NotFound, match="no library in"):
        Library.read_only(root)
    assert not root.exists()


def test_read_only_does_not_touch_a_damaged_library(root: Path) -> None:
    Library.open(root).close()
    (root / "library.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(LibraryDamaged, match="needs a repair"):
        Library.read_only(root)
    assert (root / "library.sqlite").read_bytes() == b"no database" * 100


def test_a_closed_library_refuses_everything(root: Path) -> None:
    library = Library.open(root)
    job = running_job(library)
    library.close()
    library.close()
    for call in (
        lambda: library.job(job.id, ALICE),
        lambda: library.progress(job.id, "", 0, 0, ""),
        lambda: library.run_folder(job.id),
        lambda: add_document(library, "x"),
    ):
        with pytest.raises(LibraryInUse, match="has been closed"):
            call()
    assert list((root / "staging").iterdir()) == []


def test_a_library_that_is_only_just_being_made_is_not_found_yet(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    with pytest.raises(NotFound, match="just being made"):
        Library.read_only(tmp_path)
