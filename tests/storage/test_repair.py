"""A damaged index is found, set aside and rebuilt; adapters with intact files are never lost."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from storage.library import Library
from storage.records import Adapter, Job, Message, Metric
from tests.storage.workbench import (
    ALICE,
    BASE,
    BOB,
    absorb,
    add_document,
    add_job,
    check,
    publish,
    reopened,
    running_job,
)

PINNED = [{"question": "Who?", "gold": "Sable", "answers": [{"step": 1, "text": "Nobody"}]}]
COPIES = int(os.environ.get("LIFT_CHAT_DAMAGED_COPIES", "40"))
"""Damaged copies that are tried; the full number is 300."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Adapter]]]:
    """A library of two owners with something in every table, and its adapters by owner."""
    root = tmp_path_factory.mktemp("filled") / "library"
    with Library.open(root) as library:
        for n in range(3):
            adapter = absorb(library, f"text {n}", name=f"Lamp {n}")
        library.update_adapter(adapter.id, ALICE, name="Renamed", tags=["sea", "old"], note="mine")
        add_document(library, "text 0", owner=BOB, name="his.txt")
        publish(library, owner=BOB, name="His")
        conversation = library.add_conversation(adapter.id, ALICE, "Lamps")
        library.add_message(conversation.id, ALICE, Message("user", "hello", {"n": 1}))
        document = add_document(library, "waiting")
        running = add_job(library, document)
        library.claim_next_job()
        library.progress(running.id, "train", 1, 9, "m")
        library.set_pinned(running.id, PINNED)
        library.add_metrics(running.id, [Metric(0, "train", 1, 9, 2.0, 3, 4.0, 5.0, None)] * 40)
        add_job(library, document, recipe={"n": 1})
        deleted = absorb_second(library, document.id)
        library.delete_adapter(deleted.id, ALICE)
        adapters = {owner: library.adapters(owner) for owner in (ALICE, BOB)}
    return root, adapters


def absorb_second(library: Library, document_id: str) -> Adapter:
    return publish(library, document_id=document_id, name="Deleted")


def facts(adapters: list[Adapter]) -> dict[str, Adapter]:
    """By id, without what only the index knows."""
    return {a.id: replace(a, name="", tags=(), note="") for a in adapters}


Damage = Callable[[Path, random.Random], None]


def truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(1, path.stat().st_size))


def zero_page(path: Path, chance: random.Random) -> None:
    overwrite(path, chance, b"\0" * 4096)


def garbage_page(path: Path, chance: random.Random) -> None:
    overwrite(path, chance, chance.randbytes(4096))


def overwrite(path: Path, chance: random.Random, page: bytes) -> None:
    pages = path.stat().st_size // len(page)
    with open(path, "r+b") as file:
        file.seek(chance.randrange(pages) * len(page))
        file.write(page)


def zero_several(path: Path, chance: random.Random) -> None:
    for _ in range(5):
        zero_page(path, chance)


def swap_pages(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    pages = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    one, two = chance.sample(range(len(pages)), 2)
    pages[one], pages[two] = pages[two], pages[one]
    path.write_bytes(b"".join(pages))


def text_file(path: Path, chance: random.Random) -> None:
    path.write_text("Dear diary\n" * 1000)


def foreign_database(path: Path, chance: random.Random) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, content TEXT)")
        db.execute("INSERT INTO messages (content) VALUES ('not ours')")


def lost(path: Path, chance: random.Random) -> None:
    path.unlink()


def empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def dropped_table(path: Path, chance: random.Random) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE adapter_tags")


def orphaned_row(path: Path, chance: random.Random) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO adapter_tags VALUES ('nobody', 't')")


DAMAGES: list[Damage] = [
    truncate,
    zero_page,
    garbage_page,
    zero_several,
    swap_pages,
    text_file,
    foreign_database,
    lost,
    empty,
    dropped_table,
    orphaned_row,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_adapter_with_intact_files_is_lost(
    filled: tuple[Path, dict[str, list[Adapter]]], quick_path: Path, damage: Damage
) -> None:
    source, adapters = filled
    once = damage in (text_file, foreign_database, lost, empty, dropped_table, orphaned_row)
    for seed in range(1 if once else COPIES // 5):
        root = quick_path / str(seed)
        shutil.copytree(source, root)
        damage(root / "library.sqlite", random.Random(seed))
        with reopened(root) as library:
            for owner in (ALICE, BOB):
                assert facts(library.adapters(owner)) == facts(adapters[owner])
                for adapter in library.adapters(owner):
                    assert adapter.state == "ready"
                    library.verify_adapter(adapter.id, owner)
            assert len(library.documents(ALICE)) == 4
            (his,) = library.documents(BOB)
            assert (his.name, library.document_text(his.id, BOB)) == ("his.txt", "tex\n\nt 0")
            assert library.adapters(ALICE, "title text sable")
            absorb(library, "and it goes on")
        check(root)
        shutil.rmtree(root)


def test_the_damaged_file_is_kept_as_it_was(
    filled: tuple[Path, dict[str, list[Adapter]]], root: Path
) -> None:
    shutil.copytree(filled[0], root)
    zero_several(root / "library.sqlite", random.Random(1))
    damaged = (root / "library.sqlite").read_bytes()
    with reopened(root) as library:
        name = library.findings.set_aside
        assert name.startswith("library.sqlite.damaged-")
        assert (root / name).read_bytes() == damaged
        assert library.findings.adapters == 4
        assert f"the damaged index is kept as {name}" in library.findings.sentence()
    with reopened(root) as library:
        assert library.findings.set_aside == ""


def unreadable_index(root: Path) -> None:
    """Damage that leaves every table readable: the file is found out, its rows are not lost."""
    orphaned_row(root / "library.sqlite", random.Random(0))


def test_what_only_rows_know_is_saved_where_it_can_be_read(
    filled: tuple[Path, dict[str, list[Adapter]]], root: Path
) -> None:
    shutil.copytree(filled[0], root)
    unreadable_index(root)
    with Library.open(root) as library:
        assert library.findings.set_aside
        renamed = library.adapters(ALICE, "renamed sea")[0]
        assert (renamed.name, renamed.tags, renamed.note) == ("Renamed", ("old", "sea"), "mine")
        (conversation,) = library.conversations(renamed.id, ALICE)
        assert library.messages(conversation.id, ALICE) == [Message("user", "hello", {"n": 1})]
        jobs = library.jobs(ALICE)
        assert sorted(job.state for job in jobs) == ["done", "done", "done", "queued", "running"]
        (running,) = [job for job in jobs if job.state == "running"]
        assert (running.stage, running.attempts, running.pinned) == ("train", 1, PINNED)
        assert len(library.metrics(running.id)) == 40
        library.recover_jobs()
        assert library.queue_position(running.id) == 1
    check(root)


def test_nothing_is_absorbed_twice_after_all_jobs_are_lost(
    filled: tuple[Path, dict[str, list[Adapter]]], root: Path
) -> None:
    shutil.copytree(filled[0], root)
    (root / "library.sqlite").unlink()
    with Library.open(root) as library:
        made = [adapter for adapter in filled[1][ALICE] if adapter.document_id != "gone"]
        assert len(made) == 3
        for adapter in made:
            job = library.find_job(adapter.document_id, ALICE, adapter.recipe, BASE)
            assert isinstance(job, Job)
            assert (job.state, job.adapter_id) == ("done", adapter.id)


def test_what_a_job_studied_is_known_after_the_index_is_lost(root: Path) -> None:
    with Library.open(root) as library:
        job = running_job(library)
        library.set_studied(job.id, "d1")
        publish(library, document_id=job.document_id, job=job)
    (root / "library.sqlite").unlink()
    with Library.open(root) as library:
        found = library.find_job(job.document_id, ALICE, job.recipe, BASE, "d1")
        assert found and found.id == job.id
        assert library.find_job(job.document_id, ALICE, job.recipe, BASE, "d2") is None
    check(root)


def test_what_was_being_deleted_does_not_come_back_through_a_rebuild(root: Path) -> None:
    with Library.open(root) as library:
        adapter, kept = absorb(library), absorb(library, "second")
    with closing(sqlite3.connect(root / "library.sqlite")) as db, db:
        db.execute("INSERT INTO tombstones VALUES (?, ?)", [adapter.id, adapter.created_at])
        db.execute("DELETE FROM adapters WHERE id = ?", [adapter.id])
    unreadable_index(root)
    with reopened(root) as library:
        assert library.findings.set_aside
        assert [a.id for a in library.adapters(ALICE)] == [kept.id]
    check(root)


def test_damage_that_reads_as_deletions_deletes_nothing(root: Path) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
    with closing(sqlite3.connect(root / "library.sqlite")) as db, db:
        db.execute("INSERT INTO tombstones SELECT id, seq FROM adapters")
        db.execute("INSERT INTO tombstones SELECT id, name FROM documents")
    unreadable_index(root)
    with reopened(root) as library:
        assert library.findings.set_aside
        assert library.adapters(ALICE) == [adapter]
        assert len(library.documents(ALICE)) == 1
    check(root)


def test_damaged_values_do_not_get_into_the_new_index(root: Path) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
        conversation = library.add_conversation(adapter.id, ALICE)
        library.add_message(conversation.id, ALICE, Message("user", "good"))
    with closing(sqlite3.connect(root / "library.sqlite")) as db, db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        sql = "INSERT INTO messages VALUES (?, ?, ?, ?, ?)"
        db.execute(sql, [conversation.id, 2, "robot", "bad role", "{}"])
        db.execute(sql, [conversation.id, 3, "user", "bad facts", "{"])
        db.execute(sql, ["nobody", 1, "user", "bad conversation", "{}"])
    with reopened(root) as library:
        assert library.findings.set_aside
        assert library.messages(conversation.id, ALICE) == [Message("user", "good")]
    check(root)


def test_a_journal_left_behind_is_not_played_into_the_new_index(root: Path) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
    text_file(root / "library.sqlite", random.Random(0))
    (root / "library.sqlite-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"x" * 9000)
    with reopened(root) as library:
        assert library.adapters(ALICE) == [adapter]
    assert len(list(root.glob("library.sqlite.damaged-*-journal"))) == 1
    check(root)


def test_a_file_that_may_not_be_read_is_not_taken_for_damage(root: Path) -> None:
    Library.open(root).close()
    (root / "library.sqlite").rename(root / "elsewhere")
    (root / "library.sqlite").mkdir()
    with pytest.raises(OSError):
        Library.open(root)
    assert (root / "library.sqlite").is_dir()
