"""The worker: stopping, failing, restarting. Over a real library and a real tiny model."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_chat import LiftChat
from lift_chat.adapters import lora
from lift_chat.errors import LiftChatError
from lift_chat.handle import JobHandle
from lift_chat.lift import lesson as lesson_module
from lift_chat.lift import train
from lift_chat.settings import Settings
from storage.records import LOCAL, StudyItem
from tests.conftest import QUICK, STUDIED, facts, taken

LONG = QUICK.with_changes(epochs=150)
ASKING = STUDIED.with_changes(exam_questions=0, distill=False, epochs=20)


class Gate:
    """Lets a run go to a step and holds it there until opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        real = train._accumulate

        def gated(state: Any, *rest: Any) -> float:
            if state.step == at and not self.opened.is_set():
                self.reached.set()
                self.opened.wait(60)
            return real(state, *rest)

        monkeypatch.setattr(train, "_accumulate", gated)


@contextmanager
def running(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch, at: int = 5
) -> Iterator[tuple[LiftChat, JobHandle, Gate]]:
    gate = Gate(monkeypatch, at)
    app = LiftChat.open(settings=settings)
    try:
        handle = app.absorb(app.add_document(tale).id, LONG)
        assert gate.reached.wait(60)
        yield app, handle, gate
    finally:
        gate.opened.set()
        app.close()


def test_stop_and_keep_publishes_what_was_learned(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(settings, tale, monkeypatch) as (app, handle, gate):
        app.stop_job(handle.id, keep=True)
        gate.opened.set()
        adapter = handle.wait(60)
        assert adapter.metrics["steps"] == 6 < adapter.metrics["planned_steps"]
        assert adapter.metrics["loss_after"] < adapter.metrics["loss_before"]
        assert adapter.metrics["memory_map"] and adapter.metrics["forgetting"]["loss_after"] > 0
        assert "".join(app.reply(adapter.id, "Who?"))


def test_what_is_kept_of_a_stopped_job_has_sat_its_exam(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, 5)
    with LiftChat.open(settings=settings) as app:
        document = app.add_document(tale)
        items = facts(app.library.document_text(document.id, LOCAL))
        app.library.set_study_items(document.id, LOCAL, items)
        handle = app.absorb(document.id, STUDIED.with_changes(epochs=400))
        assert gate.reached.wait(60)
        app.stop_job(handle.id, keep=True)
        gate.opened.set()
        adapter = handle.wait(60)
    assert adapter.metrics["steps"] == 6 < adapter.metrics["planned_steps"]
    exam = adapter.metrics["exam"]
    assert [point["step"] for point in exam["history"]] == [0, 6]
    assert exam["history"][-1]["closed"] == exam["adapter"]["closed"]


def test_discard_leaves_nothing(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(settings, tale, monkeypatch) as (app, handle, gate):
        app.stop_job(handle.id, keep=False)
        gate.opened.set()
        with pytest.raises(LiftChatError) as caught:
            handle.wait(60)
        assert caught.value.code == "cancelled"
        assert app.adapters() == [] and not list((settings.home / "adapters").iterdir())
    # The row says so first, then the files go; closing waits for both.
    assert not list((settings.home / "runs").iterdir())


def test_a_stopped_job_frees_the_worker_for_the_next(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(settings, tale, monkeypatch) as (app, handle, gate):
        following = app.absorb(handle.status().job.document_id, QUICK)
        assert following.status().position == 1
        app.stop_job(handle.id, keep=False)
        gate.opened.set()
        assert following.wait(60).metrics["steps"] > 0


def test_closing_the_app_loses_nothing_and_the_next_start_goes_on(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(settings, tale, monkeypatch) as (app, handle, gate):
        closing = threading.Thread(target=app.close)
        closing.start()
        while not app._worker._closing.is_set():
            pass
        gate.opened.set()
        closing.join()
        job_id, total = handle.id, LONG.epochs
    resumed = record_resumes(monkeypatch)
    with LiftChat.open(settings=settings) as app:
        handle = JobHandle(job_id, app, "local")
        adapter = handle.wait(300)
        assert adapter.metrics["steps"] == adapter.metrics["planned_steps"] >= total
    assert resumed == [6]


def begun(
    app: LiftChat, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[JobHandle, Gate, list[StudyItem]]:
    """A run over kept questions that has trained some steps and is held there."""
    gate = Gate(monkeypatch, 5)
    document = app.add_document(tale)
    items = facts(app.library.document_text(document.id, LOCAL))
    app.library.set_study_items(document.id, LOCAL, items)
    handle = app.absorb(document.id, ASKING)
    assert gate.reached.wait(60)
    return handle, gate, items


def test_questions_that_are_edited_while_they_are_studied_make_another_run(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LiftChat.open(settings=settings) as app:
        handle, gate, items = begun(app, tale, monkeypatch)
        document_id = handle.status().job.document_id
        try:
            assert app.absorb(document_id, ASKING).id == handle.id
            app.set_study_items(document_id, items[1:])
            another = app.absorb(document_id, ASKING)
            assert another.id != handle.id and another.status().position == 1
        finally:
            gate.opened.set()
        assert handle.wait(60).metrics["study"] == taken(8)
        assert another.wait(60).metrics["study"] == taken(7)


def test_a_run_that_goes_on_is_known_by_the_questions_that_it_began_with(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LiftChat.open(settings=settings) as app:
        handle, gate, items = begun(app, tale, monkeypatch)
        document_id = handle.status().job.document_id
        app.set_study_items(document_id, items[1:])
        closing = threading.Thread(target=app.close)
        closing.start()
        while not app._worker._closing.is_set():
            pass
        gate.opened.set()
        closing.join()
    with LiftChat.open(settings=settings) as app:
        resumed = JobHandle(handle.id, app, LOCAL)
        assert resumed.wait(60).metrics["study"] == taken(8)
        another = app.absorb(document_id, ASKING)
        assert another.id != handle.id
        assert another.wait(60).metrics["study"] == taken(7)
        app.library.set_study_items(document_id, LOCAL, items)
        assert app.absorb(document_id, ASKING).id == handle.id


def record_resumes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    steps: list[int] = []
    real = lesson_module.restore_checkpoint

    def recorded(*args: Any, **kwargs: Any) -> Any:
        facts = real(*args, **kwargs)
        steps.append(facts.step if facts else 0)
        return facts

    monkeypatch.setattr(lesson_module, "restore_checkpoint", recorded)
    return steps


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (torch.OutOfMemoryError("out of memory"), "out_of_memory"),
        (ZeroDivisionError("a bug"), "internal"),
    ],
)
def test_a_failed_job_says_why_and_the_next_one_works(
    settings: Settings,
    tale: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
) -> None:
    def failing(*_: Any) -> None:
        raise error

    with LiftChat.open(settings=settings) as app:
        document = app.add_document(tale)
        with monkeypatch.context() as patch:
            patch.setattr(lora, "save", failing)
            handle = app.absorb(document.id, QUICK)
            with pytest.raises(LiftChatError) as caught:
                handle.wait(60)
        assert caught.value.code == code
        assert app.adapters() == [] and not list((settings.home / "staging").iterdir())
        app.resume_job(handle.id)
        assert handle.wait(60).metrics["steps"] > 0


def test_a_resumed_failure_starts_from_its_last_checkpoint(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise ZeroDivisionError

    resumed = record_resumes(monkeypatch)
    with LiftChat.open(settings=settings) as app:
        with monkeypatch.context() as patch:
            patch.setattr(lora, "save", failing)
            every_step = QUICK.with_changes(checkpoint_seconds=0.0)
            handle = app.absorb(app.add_document(tale).id, every_step)
            with pytest.raises(LiftChatError):
                handle.wait(60)
        app.resume_job(handle.id)
        adapter = handle.wait(60)
    assert resumed == [0, adapter.metrics["planned_steps"]]


def test_jobs_run_in_the_order_of_asking(settings: Settings, tale: Path) -> None:
    with LiftChat.open(settings=settings, worker=False) as app:
        document = app.add_document(tale)
        handles = [app.absorb(document.id, QUICK.with_changes(seed=n)) for n in range(3)]
        assert [handle.status().position for handle in handles] == [1, 2, 3]
    with LiftChat.open(settings=settings) as app:
        made = [JobHandle(handle.id, app, "local").wait(60) for handle in handles]
        assert sorted(adapter.id for adapter in made) == [adapter.id for adapter in made]


def test_a_chat_is_answered_while_a_book_is_absorbed(settings: Settings, tale: Path) -> None:
    with LiftChat.open(settings=settings) as app:
        document = app.add_document(tale)
        adapter = app.absorb(document.id, QUICK).wait(60)
        busy = app.absorb(document.id, LONG)
        while busy.status().job.stage != "training":
            pass
        assert "".join(app.reply(adapter.id, "Who?"))
        assert busy.status().job.state == "running"
        app.stop_job(busy.id, keep=False)


def test_a_discard_that_comes_while_the_adapter_is_saved_still_discards(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lora.save
    with LiftChat.open(settings=settings) as app:

        def save_and_discard(*args: Any) -> None:
            real(*args)
            app.stop_job(app.jobs()[0].id, keep=False)

        monkeypatch.setattr(lora, "save", save_and_discard)
        handle = app.absorb(app.add_document(tale).id, QUICK)
        with pytest.raises(LiftChatError) as caught:
            handle.wait(60)
        assert caught.value.code == "cancelled" and app.adapters() == []
