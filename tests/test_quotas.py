from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lift_chat.errors import DiskFull, LiftChatError, QueueFull, QuotaExceeded, SignInNeeded
from lift_chat.quotas import MB
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from storage.records import LOCAL, NOBODY
from tests.conftest import QUICK

ALICE, BOB = "hf:alice", "hf:bob"


@pytest.fixture
def app(settings: Settings) -> Iterator[LiftChat]:
    """One megabyte, three documents, two waiting jobs each; nobody works on the queue."""
    limits = {"quota_mb": 1, "quota_documents": 3, "quota_jobs": 2, "free_disk_mb": 20}
    with LiftChat.open(settings=settings.model_copy(update=limits), worker=False) as opened:
        yield opened


def book(folder: Path, number: int, characters: int = 400) -> Path:
    path = folder / f"book-{number}.txt"
    words = f"Book {number} tells of a lake, of a lamp and of a keeper. "
    path.write_text((words * (characters // len(words) + 1))[:characters], encoding="utf-8")
    return path


def keep(app: LiftChat, path: Path, owner: str = ALICE) -> str:
    return app.add_document(path, owner=owner).id


def test_one_document_too_many_is_refused_and_nothing_of_it_is_kept(
    app: LiftChat, tmp_path: Path
) -> None:
    first, *_ = [keep(app, book(tmp_path, number)) for number in range(3)]
    with pytest.raises(QuotaExceeded, match=r"holds 3 documents.*keep 3.*delete a document"):
        keep(app, book(tmp_path, 3))
    assert len(app.documents(owner=ALICE)) == len(list((app.library.root / "documents").iterdir()))
    assert keep(app, book(tmp_path, 1)), "what is there already is no further document"
    assert keep(app, book(tmp_path, 3), BOB), "another person's room is another's"
    app.delete_document(first, owner=ALICE)
    assert keep(app, book(tmp_path, 3))


def test_the_refusal_says_how_much_is_used_and_what_takes_most(
    app: LiftChat, tmp_path: Path
) -> None:
    keep(app, book(tmp_path, 1, 400_000))
    with pytest.raises(QuotaExceeded) as refused:
        keep(app, book(tmp_path, 2, 700_000))
    sentence = str(refused.value)
    used = app.library.disk_usage(ALICE)["total"] / MB
    assert f"takes {used:.1f} MB of the 1 MB" in sentence and "0.7 MB more" in sentence
    assert "delete documents first" in sentence and "\n" not in sentence


def test_uploads_at_once_are_counted_together(app: LiftChat, tmp_path: Path) -> None:
    """Each of the six fits alone; only those are kept that fit together."""
    paths = [book(tmp_path, number, 200_000) for number in range(6)]
    ready = threading.Barrier(len(paths))

    def send(path: Path) -> str:
        ready.wait(30)
        try:
            return keep(app, path)
        except LiftChatError as error:
            return error.code

    with ThreadPoolExecutor(len(paths)) as pool:
        told = list(pool.map(send, paths))
    kept = app.documents(owner=ALICE)
    assert 1 <= len(kept) <= 3, told
    assert told.count("quota_exceeded") == len(paths) - len(kept)
    originals = sum(document.bytes for document in kept)
    assert originals <= MB
    reading = max(app.library.disk_usage(ALICE)["total"] - originals, 0)
    assert reading <= 2 * originals, "above the limit is only what reading makes of a file"


def test_room_that_was_asked_for_in_vain_is_given_back(app: LiftChat, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    for _ in range(4):
        with pytest.raises(LiftChatError, match="empty"):
            keep(app, empty)
    assert keep(app, book(tmp_path, 1))


def test_one_run_too_many_has_to_wait_outside_of_the_queue(app: LiftChat, tmp_path: Path) -> None:
    document_id = keep(app, book(tmp_path, 1))
    recipes = [QUICK.with_changes(epochs=epochs) for epochs in (1, 2, 3)]
    first, second = [app.absorb(document_id, recipe, owner=ALICE) for recipe in recipes[:2]]
    with pytest.raises(QuotaExceeded, match="You have 2 runs waiting"):
        app.absorb(document_id, recipes[2], owner=ALICE)
    assert app.absorb(document_id, recipes[1], owner=ALICE).id == second.id
    assert app.absorb(keep(app, book(tmp_path, 1), BOB), recipes[2], owner=BOB)
    app.stop_job(first.id, keep=False, owner=ALICE)
    assert app.absorb(document_id, recipes[2], owner=ALICE)


def test_a_run_that_failed_is_not_resumed_past_the_limit(app: LiftChat, tmp_path: Path) -> None:
    document_id = keep(app, book(tmp_path, 1))
    failed = app.absorb(document_id, QUICK, owner=ALICE)
    assert app.library.claim_next_job() is not None
    app.library.finish_job(failed.id, "failed", error_code="x", error="x")
    for epochs in (1, 2):
        app.absorb(document_id, QUICK.with_changes(epochs=epochs), owner=ALICE)
    with pytest.raises(QuotaExceeded):
        app.resume_job(failed.id, owner=ALICE)
    assert app.job(failed.id, owner=ALICE).job.state == "failed"


def test_the_queue_of_all_people_together_has_an_end(
    app: LiftChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lift_chat.service.MAX_QUEUED", 1)
    app.absorb(keep(app, book(tmp_path, 1)), QUICK, owner=ALICE)
    with pytest.raises(QueueFull):
        app.absorb(keep(app, book(tmp_path, 1), BOB), QUICK, owner=BOB)


def test_nothing_is_taken_in_when_the_disk_is_nearly_full(
    app: LiftChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = keep(app, book(tmp_path, 1))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=19 * MB))
    with pytest.raises(DiskFull, match="only 19 MB left"):
        keep(app, book(tmp_path, 2))
    with pytest.raises(DiskFull):
        app.absorb(document_id, QUICK, owner=ALICE)
    assert [found.id for found in app.documents(owner=ALICE)] == [document_id]


def test_an_archive_is_weighed_unpacked(app: LiftChat, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("adapter_model.safetensors", bytes(2 * MB))
    assert bomb.stat().st_size < 10_000
    with pytest.raises(QuotaExceeded, match=r"2\.0 MB more"):
        app.import_adapter(bomb, owner=ALICE)


def test_nobody_keeps_anything(app: LiftChat, tmp_path: Path) -> None:
    path = book(tmp_path, 1)
    with pytest.raises(SignInNeeded, match="Sign in with Hugging Face first"):
        app.add_document(path, owner=NOBODY)
    with pytest.raises(SignInNeeded):
        app.import_adapter(tmp_path / "none.zip", owner=NOBODY)
    assert app.documents(owner=NOBODY) == app.jobs(owner=NOBODY) == []


def test_a_desktop_has_no_limits(settings: Settings, tmp_path: Path) -> None:
    limits: Any = (settings.quota_mb, settings.quota_documents, settings.quota_jobs)
    assert (*limits, settings.free_disk_mb) == (None, None, None, None)
    with LiftChat.open(settings=settings, worker=False) as app:
        document_id, *_ = [keep(app, book(tmp_path, number), LOCAL) for number in range(4)]
        for epochs in (1, 2, 3, 4):
            app.absorb(document_id, QUICK.with_changes(epochs=epochs))
        assert (len(app.documents()), len(app.jobs())) == (4, 4)
