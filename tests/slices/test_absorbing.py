"""Absorbing in slices: the real trainer in a really forked process, over a real library."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_chat import LiftChat, LiftConfig
from lift_chat.errors import (
    GpuRefused,
    IllegalTransition,
    InvalidConfig,
    LiftChatError,
    NotFound,
    SliceTooShort,
)
from lift_chat.handle import JobHandle
from lift_chat.lift import train
from lift_chat.lift.study import teacher, writing
from lift_chat.settings import Settings
from lift_chat.slices.work import reached
from storage.records import LOCAL, Adapter, Document, Job
from tests.conftest import ASKED, QUICK, STUDIED, TALE, facts
from tests.lift.test_preparation import Scribe
from tests.slices.fake_spaces import Error, Spaces

pytestmark = pytest.mark.usefixtures("turns")

SELDOM = STUDIED.with_changes(checkpoint_seconds=1e6)
"""Saves only at the end of a slice."""

MANY = 60
"""More slices than any run here may need."""


def studied(app: LiftChat, tale: Path) -> Document:
    document = app.add_document(tale)
    items = facts(app.library.document_text(document.id, LOCAL))
    app.library.set_study_items(document.id, LOCAL, items)
    return document


def waiting(app: LiftChat, tale: Path, config: LiftConfig = SELDOM) -> str:
    return app.absorb(studied(app, tale).id, config).id


def slices(app: LiftChat, job_id: str) -> Iterator[Job]:
    """The job after each slice, until it is over."""
    for _ in range(MANY):
        for _ in app.absorb_slice(job_id):
            pass
        job = app.job(job_id).job
        yield job
        if job.is_over:
            return
    raise AssertionError("the run does not come to an end")


def finished(app: LiftChat, job_id: str) -> Adapter:
    *_, job = slices(app, job_id)
    assert job.state == "done" and job.adapter_id, job.error
    return app.adapter(job.adapter_id)


def made(app: LiftChat, adapter: Adapter) -> tuple[bytes, dict[str, Any]]:
    """The weights, and what was measured, less what tells only how long it took."""
    folder = app.library.adapter_folder(adapter.id, LOCAL)
    metrics = {n: v for n, v in adapter.metrics.items() if n != "trained_seconds"}
    return (folder / "adapter_model.safetensors").read_bytes(), metrics


@pytest.fixture(scope="module")
def calm(
    tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, dict[str, Any]]:
    """What the worker makes of the tale in one go."""
    folder = tmp_path_factory.mktemp("calm")
    tale = folder / "orrin-vale.txt"
    tale.write_text("The Lamp of Orrin Vale\n\n" + TALE, encoding="utf-8")
    settings = Settings(
        home=folder / "home",
        cache=folder / "cache",
        base_model=str(tiny_folder),
        device="cpu",
        threads=1,
    )
    with LiftChat.open(settings=settings) as app:
        return made(app, JobHandle(waiting(app, tale), app, LOCAL).wait(120))


def test_slices_make_the_very_adapter_that_the_worker_makes_in_one_go(
    lent: LiftChat, spaces: Spaces, tale: Path, calm: tuple[bytes, Any], reuses: bool
) -> None:
    spaces.reuses = reuses
    job_id = waiting(lent, tale)
    states = [job.state for job in slices(lent, job_id)]
    assert states[-1] == "done" and set(states[:-1]) == {"queued"} and len(states) > 4
    (adapter,) = lent.adapters()
    assert made(lent, adapter) == calm
    assert spaces.calls[-1] == lent.settings.slice_seconds
    assert not list((lent.settings.home / "runs").iterdir())


def test_nothing_waits_for_a_worker_where_the_device_is_lent(lent: LiftChat, tale: Path) -> None:
    job_id = waiting(lent, tale)
    assert lent.in_slices
    job = next(slices(lent, job_id))
    assert (job.state, job.message, job.attempts) == ("queued", "Waits for its next slice.", 0)


@pytest.mark.parametrize("value", [1, 2, 4])
def test_a_device_that_is_taken_away_costs_at_most_that_slice(
    lent: LiftChat, spaces: Spaces, tale: Path, calm: tuple[bytes, Any], value: int
) -> None:
    job_id = waiting(lent, tale)
    running = slices(lent, job_id)
    while next(running).stage != "training":
        pass
    folder = lent.library.run_folder(job_id)
    before = reached(folder)
    spaces.kill_at = value
    with pytest.raises(GpuRefused, match="GPU task aborted"):
        list(lent.absorb_slice(job_id))
    assert reached(folder)[1] == before[1] and lent.job(job_id).job.attempts <= 1
    if lent.job(job_id).job.state == "interrupted":
        lent.resume_job(job_id)
    assert made(lent, finished(lent, job_id)) == calm


def test_a_device_that_is_taken_away_before_anything_was_reached_is_told_and_waits_for_a_person(
    lent: LiftChat, spaces: Spaces, tale: Path
) -> None:
    job_id = waiting(lent, tale)
    lent.estimate(lent.job(job_id).job.document_id, SELDOM)
    spaces.kill_at = 2
    with pytest.raises(GpuRefused):
        list(lent.absorb_slice(job_id))
    job = lent.job(job_id).job
    assert (job.state, job.error_code) == ("interrupted", "gpu_refused") and "GPU" in job.error
    lent.resume_job(job_id)
    assert finished(lent, job_id).metrics["steps"] > 0


def test_a_page_that_is_closed_leaves_a_job_that_goes_on(
    lent: LiftChat, tale: Path, calm: tuple[bytes, Any]
) -> None:
    job_id = waiting(lent, tale)
    while True:
        events = lent.absorb_slice(job_id)
        if any(event.stage == "training" and event.step == 3 for event in events):
            events.close()
            break
    assert lent.job(job_id).job.state == "queued"
    first = next(event for event in lent.absorb_slice(job_id) if event.stage == "training")
    assert first.step > 3
    assert made(lent, finished(lent, job_id)) == calm


def test_a_device_that_is_not_lent_is_told_in_the_lenders_words_and_the_job_still_waits(
    lent: LiftChat, spaces: Spaces, tale: Path
) -> None:
    job_id = waiting(lent, tale)
    spaces.refuse = "You have exceeded your free ZeroGPU quota."
    with pytest.raises(GpuRefused, match="exceeded your free ZeroGPU quota"):
        list(lent.absorb_slice(job_id))
    assert lent.job(job_id).job.state == "queued"
    spaces.refuse = ""
    assert next(slices(lent, job_id)).state == "queued"


def test_a_run_that_cannot_get_on_in_a_slice_says_so_and_ends(
    settings: Settings, spaces: Spaces, tale: Path
) -> None:
    short = settings.model_copy(update={"slice_seconds": 30.0})
    with LiftChat.open(settings=short, lend=spaces.GPU) as app:
        job_id = waiting(app, tale)
        with pytest.raises(SliceTooShort, match="30 seconds is too short"):
            for _ in slices(app, job_id):
                pass
        job = app.job(job_id).job
    assert (job.state, job.error_code) == ("failed", "slice_too_short")
    assert job.error.count(".") == 1


def test_questions_that_a_run_writes_are_kept_with_the_document_once(
    lent: LiftChat, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BaseWriter", lambda *_: Scribe())
    monkeypatch.setattr(teacher, "AGREEMENT", 0.0)
    document = lent.add_document(tale)
    job_id = lent.absorb(document.id, SELDOM).id
    for job in slices(lent, job_id):
        kept = lent.study_items(document.id)
        if kept and not job.is_over:
            lent.set_study_items(document.id, kept[1:])
            break
    assert [item.answer for item in kept] == [answer for _, answer in ASKED]
    adapter = finished(lent, job_id)
    assert adapter.metrics["study"]["kept"] == 8
    assert lent.study_items(document.id) == kept[1:]


def trained(app: LiftChat, job_id: str) -> int:
    """Takes slices until something was trained; gives the step."""
    for job in slices(app, job_id):
        if job.stage == "training" and job.step > 1:
            return job.step
    raise AssertionError("the run was over too soon")


def test_what_was_learned_so_far_can_be_kept_between_two_slices(lent: LiftChat, tale: Path) -> None:
    job_id = waiting(lent, tale, SELDOM.with_changes(epochs=40))
    trained(lent, job_id)
    for _ in range(MANY):
        list(lent.absorb_slice(job_id, keep=True))
        if lent.job(job_id).job.is_over:
            break
    (adapter,) = lent.adapters()
    assert 1 < adapter.metrics["steps"] < adapter.metrics["planned_steps"]
    assert adapter.metrics["exam"]["adapter"] and adapter.metrics["loss_after"] > 0


def test_what_was_learned_so_far_can_be_kept_in_the_middle_of_a_slice(
    lent: LiftChat, tale: Path
) -> None:
    job_id = waiting(lent, tale, SELDOM.with_changes(epochs=40))
    trained(lent, job_id)
    step = 0
    for event in lent.absorb_slice(job_id):
        if event.stage == "training" and not step:
            step = event.step
            lent.stop_job(job_id, keep=True)
    for _ in range(MANY):
        if lent.job(job_id).job.is_over:
            break
        list(lent.absorb_slice(job_id))
    (adapter,) = lent.adapters()
    assert step <= adapter.metrics["steps"] < adapter.metrics["planned_steps"]


def test_nothing_can_be_kept_before_something_was_learned(lent: LiftChat, tale: Path) -> None:
    job_id = waiting(lent, tale)
    with pytest.raises(IllegalTransition, match="Nothing has been learned"):
        list(lent.absorb_slice(job_id, keep=True))
    assert lent.job(job_id).job.state == "queued"


def test_a_run_that_is_discarded_in_the_middle_of_a_slice_leaves_nothing(
    lent: LiftChat, tale: Path
) -> None:
    job_id = waiting(lent, tale)
    for _ in lent.absorb_slice(job_id):
        lent.stop_job(job_id, keep=False)
    assert lent.job(job_id).job.state == "cancelled" and lent.adapters() == []
    assert not list((lent.settings.home / "runs").iterdir())


def test_what_goes_wrong_in_the_other_process_has_its_code_and_sentence(
    lent: LiftChat, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scarce(*_: Any) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(train, "_accumulate", scarce)
    job_id = waiting(lent, tale)
    with pytest.raises(LiftChatError, match="does not fit into memory") as caught:
        list(slices(lent, job_id))
    job = lent.job(job_id).job
    assert (
        (job.state, job.error_code) == ("failed", "out_of_memory") == ("failed", caught.value.code)
    )


def test_only_the_owners_waiting_job_goes_on(lent: LiftChat, tale: Path) -> None:
    job_id = waiting(lent, tale)
    with pytest.raises(NotFound):
        list(lent.absorb_slice(job_id, owner="somebody else"))
    running = lent.absorb_slice(job_id)
    next(running)
    with pytest.raises(IllegalTransition, match="is running"):
        list(lent.absorb_slice(job_id))
    running.close()
    assert lent.job(job_id).job.state == "queued"


def test_questions_of_an_endpoint_are_not_waited_for(lent: LiftChat, tale: Path) -> None:
    job_id = lent.absorb(lent.add_document(tale).id, STUDIED.with_changes(writer="endpoint")).id
    with pytest.raises(InvalidConfig, match="endpoint"):
        list(lent.absorb_slice(job_id))
    assert lent.job(job_id).job.state == "queued"


def test_where_no_worker_runs_slices_need_no_other_process(settings: Settings, tale: Path) -> None:
    with LiftChat.open(settings=settings, worker=False) as app:
        job_id = app.absorb(app.add_document(tale).id, QUICK).id
        assert finished(app, job_id).metrics["steps"] > 0


def test_where_a_worker_runs_nobody_else_absorbs(settings: Settings, tale: Path) -> None:
    with LiftChat.open(settings=settings) as app:
        handle = app.absorb(app.add_document(tale).id, QUICK)
        with pytest.raises(IllegalTransition, match="by the worker"):
            app.absorb_slice(handle.id)
        assert handle.wait(60).metrics["steps"] > 0


def test_the_other_process_cannot_open_a_database(spaces: Spaces, tmp_path: Path) -> None:
    def opening() -> Iterator[int]:
        sqlite3.connect(tmp_path / "library.sqlite")
        yield 1

    with pytest.raises(Error, match="RuntimeError"):
        list(spaces.GPU(duration=60)(opening)())
