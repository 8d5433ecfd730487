"""What the worker writes down of a run's events: exams and pinned answers are never thinned out."""

from __future__ import annotations

from pathlib import Path

import pytest

from lift_chat.lift.progress import PinnedAnswer, ProgressEvent
from lift_chat.recorder import Recorder
from storage.library import Library
from storage.records import LOCAL, Job
from tests.storage.workbench import add_document, add_job


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.open(tmp_path / "library")


def claimed(library: Library) -> Job:
    job = library.claim_next_job()
    assert job is not None
    return job


def said(step: int, *answers: str, exam: float | None = None) -> ProgressEvent:
    pinned = tuple(PinnedAnswer(f"q{n}", f"gold {n}", text) for n, text in enumerate(answers))
    return ProgressEvent("training", step, 100, exam=exam, pinned=pinned)


def texts(library: Library, job: Job) -> dict[str, list[tuple[int, str]]]:
    pinned = library.job(job.id, job.owner).pinned
    assert [told["gold"] for told in pinned] == [f"gold {n}" for n in range(len(pinned))]
    return {
        told["question"]: [(answer["step"], answer["text"]) for answer in told["answers"]]
        for told in pinned
    }


def test_exams_and_pinned_answers_get_through_between_points_left_out(library: Library) -> None:
    with library:
        add_job(library, add_document(library, owner=LOCAL))
        job = claimed(library)
        recorder = Recorder(library, job)
        recorder(ProgressEvent("training", 1, 100, loss=3.0))
        for step in range(2, 50):
            recorder(ProgressEvent("training", step, 100, loss=2.0))
        recorder(said(50, "a guess", exam=12.5))
        recorder(said(51, "a fact", "another"))
        points = library.metrics(job.id)
        assert points[-1].exam == 12.5 and points[-1].step == 50
        assert len(points) < 50
        assert texts(library, job) == {
            "q0": [(50, "a guess"), (51, "a fact")],
            "q1": [(51, "another")],
        }
        assert library.job(job.id, LOCAL).step == 51


def test_a_resumed_job_keeps_what_was_said_and_says_again_what_came_after_the_checkpoint(
    library: Library,
) -> None:
    with library:
        add_job(library, add_document(library, owner=LOCAL))
        recorder = Recorder(library, claimed(library))
        for step in (0, 10, 20):
            recorder(said(step, f"first {step}"))
        job = library.recover_jobs()[0]
        recorder = Recorder(library, claimed(library))
        recorder(said(10, "again 10"))
        assert texts(library, job) == {"q0": [(0, "first 0"), (10, "again 10")]}
