"""The job table: who may go where, and who goes first."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage.errors import IllegalTransition, LiftChatError, NotFound
from storage.jobs import LEGAL
from storage.library import Library
from storage.records import Job, JobState, Metric
from tests.storage.workbench import (
    ALICE,
    BASE,
    BOB,
    RECIPE,
    add_document,
    add_job,
    check,
    publish,
    reopened,
    running_job,
)


def in_state(library: Library, state: JobState) -> Job:
    """A job that got into `state` by the ways that are open to everybody."""
    job = add_job(library, add_document(library))
    if state == "queued":
        return job
    library.claim_next_job()
    if state == "done":
        publish(library, document_id=job.document_id, job=job)
    elif state != "running":
        library.finish_job(job.id, state)
    return library.job(job.id, ALICE)


Action = Callable[[Library, Job], object]
ACTIONS: dict[str, tuple[Action, dict[JobState, JobState]]] = {
    "claim": (lambda library, job: library.claim_next_job(), {"queued": "running"}),
    "claim out of turn": (
        lambda library, job: library.claim_job(job.id, ALICE),
        {"queued": "running"},
    ),
    "publish": (
        lambda library, job: publish(library, document_id=job.document_id, job=job),
        {"running": "done"},
    ),
    "fail": (lambda library, job: library.finish_job(job.id, "failed"), {"running": "failed"}),
    "cancel": (
        lambda library, job: library.finish_job(job.id, "cancelled"),
        {"running": "cancelled"},
    ),
    "interrupt": (
        lambda library, job: library.finish_job(job.id, "interrupted"),
        {"running": "interrupted"},
    ),
    "finish as done": (lambda library, job: library.finish_job(job.id, "done"), {}),
    "finish as running": (lambda library, job: library.finish_job(job.id, "running"), {}),
    "finish as queued": (lambda library, job: library.finish_job(job.id, "queued"), {}),
    "requeue": (
        lambda library, job: library.requeue_job(job.id, ALICE),
        {"failed": "queued", "interrupted": "queued"},
    ),
    "stop and keep": (
        lambda library, job: library.request_stop(job.id, ALICE, keep=True),
        {"queued": "cancelled", "running": "running"},
    ),
    "stop and discard": (
        lambda library, job: library.request_stop(job.id, ALICE, keep=False),
        {
            "queued": "cancelled",
            "running": "running",
            "failed": "cancelled",
            "interrupted": "cancelled",
        },
    ),
    "release": (lambda library, job: library.release_job(job.id), {"running": "queued"}),
    "progress": (
        lambda library, job: library.progress(job.id, "train", 1, 2, "m"),
        {"running": "running"},
    ),
}


@pytest.mark.parametrize("state", LEGAL)
@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_moves_only_the_states_it_may(
    library: Library, action: str, state: JobState
) -> None:
    act, legal = ACTIONS[action]
    job = in_state(library, state)
    if state in legal:
        act(library, job)
        assert library.job(job.id, ALICE).state == legal[state]
    elif action == "claim":
        assert act(library, job) is None
        assert library.job(job.id, ALICE) == job
    else:
        with pytest.raises(IllegalTransition, match=r"“job”"):
            act(library, job)
        assert library.job(job.id, ALICE) == job


@pytest.mark.parametrize("state", LEGAL)
def test_recovery_touches_only_what_ran(library: Library, state: JobState) -> None:
    job = in_state(library, state)
    recovered = library.recover_jobs()
    expected = "queued" if state == "running" else state
    assert library.job(job.id, ALICE).state == expected
    assert [job.id for job in recovered] == ([job.id] if state == "running" else [])
    assert library.recover_jobs() == []


def test_the_table_of_states_is_what_the_actions_reach() -> None:
    reached: dict[str, set[str]] = {state: set() for state in LEGAL}
    for _, moves in ACTIONS.values():
        for source, target in moves.items():
            reached[source] |= {target} - {source}
    assert reached == {state: set(targets) for state, targets in LEGAL.items()}


def test_jobs_are_served_in_order_and_one_at_a_time(library: Library) -> None:
    document = add_document(library)
    jobs = [add_job(library, document, recipe={"n": n}, name=str(n)) for n in range(3)]
    assert [library.queue_position(job.id) for job in jobs] == [1, 2, 3]
    first = library.claim_next_job()
    assert first is not None
    assert (first.id, first.state, first.attempts) == (jobs[0].id, "running", 1)
    assert library.claim_next_job() is None
    assert [library.queue_position(job.id) for job in jobs] == [0, 1, 2]
    library.finish_job(first.id, "failed", error_code="x", error="It broke.", message="m")
    failed = library.job(first.id, ALICE)
    assert (failed.error_code, failed.error, failed.message) == ("x", "It broke.", "m")
    assert failed.finished_at and failed.is_over
    second = library.claim_next_job()
    assert second is not None and second.id == jobs[1].id
    assert [job.name for job in library.jobs(ALICE)] == ["2", "1", "0"]


def test_as_many_jobs_run_as_the_claimer_allows(library: Library) -> None:
    document = add_document(library)
    jobs = [add_job(library, document, recipe={"n": n}) for n in range(3)]
    claimed = [library.claim_next_job(2) for _ in range(3)]
    assert [job.id if job else None for job in claimed] == [jobs[0].id, jobs[1].id, None]
    library.finish_job(jobs[0].id, "failed")
    assert library.claim_next_job() is None
    third = library.claim_next_job(2)
    assert third is not None and third.id == jobs[2].id


def test_a_job_may_be_claimed_whatever_waits_or_runs_before_it(library: Library) -> None:
    document = add_document(library)
    first, second, third = (add_job(library, document, recipe={"n": n}) for n in range(3))
    library.claim_next_job()
    claimed = library.claim_job(third.id, ALICE)
    assert (claimed.id, claimed.state, claimed.attempts) == (third.id, "running", 1)
    assert claimed.started_at
    library.release_job(third.id, "Waits for its next slice.")
    waiting = library.job(third.id, ALICE)
    assert (waiting.state, waiting.attempts) == ("queued", 0)
    assert waiting.message == "Waits for its next slice."
    assert [library.queue_position(job.id) for job in (first, second, third)] == [0, 1, 2]


def test_the_database_itself_knows_the_states(library: Library, root: Path) -> None:
    add_job(library, add_document(library))
    db = sqlite3.connect(root / "library.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        db.execute("UPDATE jobs SET state = 'dreaming'")
    db.close()


def test_a_resumed_job_goes_to_the_end_with_all_its_attempts(library: Library) -> None:
    document = add_document(library)
    first, second = (add_job(library, document, recipe={"n": n}) for n in range(2))
    library.claim_next_job()
    library.request_stop(first.id, ALICE, keep=True)
    library.finish_job(first.id, "interrupted", error="e", message="m")
    again = library.requeue_job(first.id, ALICE)
    assert (again.attempts, again.request, again.error, again.finished_at) == (0, "", "", "")
    assert [library.queue_position(job.id) for job in (second, first)] == [1, 2]


def test_a_job_that_kills_the_program_each_time_is_not_tried_for_ever(root: Path) -> None:
    with Library.open(root) as library:
        job = running_job(library)
    for attempt in (1, 2):
        with Library.open(root) as library:
            (recovered,) = library.recover_jobs(max_attempts=3)
            assert (recovered.state, recovered.attempts) == ("queued", attempt)
            assert library.claim_next_job() is not None
    with Library.open(root) as library:
        (recovered,) = library.recover_jobs(max_attempts=3)
        assert recovered.state == "interrupted"
        assert recovered.error_code == "interrupted"
        assert "3 times" in recovered.error
        assert library.requeue_job(job.id, ALICE).attempts == 0
    check(root)


def test_a_recovered_job_keeps_its_place(root: Path) -> None:
    with Library.open(root) as library:
        document = add_document(library)
        first, second = (add_job(library, document, recipe={"n": n}) for n in range(2))
        library.claim_next_job()
    with reopened(root) as library:
        assert library.queue_position(first.id) == 1
        assert library.queue_position(second.id) == 2


def test_a_request_survives_a_restart(root: Path) -> None:
    with Library.open(root) as library:
        job = running_job(library)
        library.request_stop(job.id, ALICE, keep=True)
    with reopened(root) as library:
        assert library.claim_next_job() is not None
        assert library.job_request(job.id) == "keep"


def test_a_job_to_be_discarded_is_cancelled_by_recovery(root: Path) -> None:
    with Library.open(root) as library:
        job = running_job(library)
        (library.run_folder(job.id) / "checkpoint").write_text("c")
        library.request_stop(job.id, ALICE, keep=False)
    with Library.open(root) as library:
        (recovered,) = library.recover_jobs()
        assert recovered.state == "cancelled"
    check(root)


def test_a_job_let_go_in_order_keeps_its_place_and_loses_no_attempt(root: Path) -> None:
    with Library.open(root) as library:
        document = add_document(library)
        first, second = (add_job(library, document, recipe={"n": n}) for n in range(2))
        library.claim_next_job()
        library.release_job(first.id)
        assert library.job(first.id, ALICE).attempts == 0
        assert [library.queue_position(job.id) for job in (first, second)] == [1, 2]
    with Library.open(root) as library:
        assert library.recover_jobs() == []


def test_an_attempt_that_reached_a_checkpoint_is_not_counted_against_the_job(root: Path) -> None:
    with Library.open(root) as library:
        job = running_job(library)
    for _ in range(5):
        with Library.open(root) as library:
            (recovered,) = library.recover_jobs(max_attempts=3)
            assert recovered.state == "queued"
            assert library.claim_next_job() is not None
            library.credit_job(job.id)
            assert library.job(job.id, ALICE).attempts == 1


def test_waiting_jobs_are_counted_for_all_owners(library: Library) -> None:
    assert library.waiting_jobs() == 0
    add_job(library, add_document(library))
    add_job(library, add_document(library, owner=BOB))
    assert library.waiting_jobs() == 2
    library.claim_next_job()
    assert library.waiting_jobs() == 1


def test_the_last_request_counts(library: Library) -> None:
    job = running_job(library)
    assert library.job_request(job.id) == ""
    assert library.request_stop(job.id, ALICE, keep=False).request == "discard"
    assert library.request_stop(job.id, ALICE, keep=True).request == "keep"
    assert library.job_request(job.id) == "keep"


def test_discarding_removes_the_checkpoints(library: Library, root: Path) -> None:
    job = in_state(library, "failed")
    (library.run_folder(job.id) / "checkpoint").write_text("c")
    library.request_stop(job.id, ALICE, keep=False)
    assert list((root / "runs").iterdir()) == []


def test_a_double_click_makes_one_job(library: Library) -> None:
    document = add_document(library)
    first = add_job(library, document, recipe={"a": 1, "b": 2.0})
    assert add_job(library, document, recipe={"b": 2.0, "a": 1}) == first
    library.claim_next_job()
    assert add_job(library, document, recipe={"a": 1, "b": 2.0}).id == first.id
    assert len(library.jobs(ALICE)) == 1
    assert add_job(library, document, recipe={"a": 2}).id != first.id


@pytest.mark.parametrize("state", LEGAL)
def test_an_equal_job_is_found_while_it_is_of_use(library: Library, state: JobState) -> None:
    job = in_state(library, state)
    found = library.find_job(job.document_id, ALICE, RECIPE, BASE)
    useful = state in ("queued", "running", "done", "interrupted")
    assert (found.id if found else None) == (job.id if useful else None)
    assert library.find_job(job.document_id, ALICE, {**RECIPE, "epochs": 9}, BASE) is None
    assert library.find_job(job.document_id, ALICE, RECIPE, "other base") is None
    assert library.find_job(job.document_id, BOB, RECIPE, BASE) is None


def test_a_done_job_whose_adapter_is_deleted_is_not_found(library: Library) -> None:
    job = in_state(library, "done")
    assert job.adapter_id
    library.delete_adapter(job.adapter_id, ALICE)
    assert library.find_job(job.document_id, ALICE, RECIPE, BASE) is None
    after = library.job(job.id, ALICE)
    assert (after.state, after.adapter_id) == ("done", None)


@pytest.mark.parametrize("state", ["running", "done", "interrupted"])
def test_a_job_that_has_begun_is_equal_to_what_studies_the_same(
    library: Library, state: JobState
) -> None:
    job = add_job(library, add_document(library))
    library.claim_next_job()
    library.set_studied(job.id, "d1")
    if state == "done":
        publish(library, document_id=job.document_id, job=job)
    elif state != "running":
        library.finish_job(job.id, state)
    found = library.find_job(job.document_id, ALICE, RECIPE, BASE, "d1")
    assert found and found.id == job.id
    for other in ("d2", ""):
        assert library.find_job(job.document_id, ALICE, RECIPE, BASE, other) is None


def test_a_job_that_waits_is_equal_whatever_would_be_studied(library: Library) -> None:
    """It studies what it finds when it begins."""
    document = add_document(library)
    wanted = {"owner": ALICE, "name": "", "recipe": RECIPE, "base_model": BASE}
    first = library.add_job(document.id, **wanted, studied="d1")
    assert library.add_job(document.id, **wanted, studied="d2") == first
    found = library.find_job(document.id, ALICE, RECIPE, BASE, "d3")
    assert found == first
    library.claim_next_job()
    library.set_studied(first.id, "d1")
    assert library.add_job(document.id, **wanted, studied="d1").id == first.id
    assert library.add_job(document.id, **wanted, studied="d2").id != first.id


def test_nobody_studies_for_a_job_that_is_not_there(library: Library) -> None:
    with pytest.raises(NotFound):
        library.set_studied("nobody", "d1")


def test_a_job_remembers_its_base(library: Library) -> None:
    job = add_job(library, add_document(library))
    assert job.base_model == BASE
    assert library.job(job.id, ALICE).recipe == RECIPE


def test_no_job_for_a_document_that_is_not_there(library: Library) -> None:
    document = add_document(library)
    library.delete_document(document.id, ALICE)
    with pytest.raises(NotFound):
        add_job(library, document)


def test_progress_is_on_the_job(library: Library) -> None:
    job = running_job(library)
    library.progress(job.id, "train", 3, 12, "reading \ud800")
    seen = library.job(job.id, ALICE)
    assert (seen.stage, seen.step, seen.total, seen.message) == ("train", 3, 12, "reading ?")


def test_pinned_answers_are_on_the_job_in_every_state(library: Library) -> None:
    job = running_job(library)
    assert job.pinned == []
    answers = [{"step": 0, "text": "A guess."}, {"step": 8, "text": "The “keeper”\n\u2028"}]
    pinned = [{"question": "Who lit the lamp?", "gold": "The keeper", "answers": answers}]
    library.set_pinned(job.id, pinned)
    assert library.job(job.id, ALICE).pinned == pinned
    library.finish_job(job.id, "failed")
    assert library.requeue_job(job.id, ALICE).pinned == pinned
    claimed = library.claim_next_job()
    assert claimed is not None and claimed.pinned == pinned
    library.set_pinned(job.id, [])
    assert [job.pinned for job in library.jobs(ALICE)] == [[]]


def test_the_result_of_an_exam_is_a_point_of_the_curve(library: Library) -> None:
    job = running_job(library)
    exams = [12.5, None, float("nan"), 0.0]
    library.add_metrics(job.id, [replace(point(1.0), loss=None, exam=exam) for exam in exams])
    assert [m.exam for m in library.metrics(job.id)] == [12.5, None, None, 0.0]


def point(loss: float, *, rate: float = 10.0) -> Metric:
    return Metric(0, "train", 1, 9, loss, 100, rate, 0.5, None)


def test_metrics_are_numbered_without_gaps_and_read_from_any_point(library: Library) -> None:
    job = running_job(library)
    assert library.add_metrics(job.id, [point(3.0), point(2.0)]) == 2
    assert library.add_metrics(job.id, []) == 2
    assert library.add_metrics(job.id, [point(1.0)]) == 3
    assert [(m.seq, m.loss) for m in library.metrics(job.id)] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert [m.seq for m in library.metrics(job.id, since=2)] == [3]
    assert library.metrics(job.id, since=3) == []


def test_what_is_not_finite_is_stored_as_unknown(library: Library) -> None:
    job = running_job(library)
    library.add_metrics(job.id, [point(float("nan"), rate=float("inf"))])
    (stored,) = library.metrics(job.id)
    assert (stored.loss, stored.tokens_per_second) == (None, 0.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda library: library.job_request("x"),
        lambda library: library.queue_position("x"),
        lambda library: library.finish_job("x", "failed"),
        lambda library: library.progress("x", "", 0, 0, ""),
        lambda library: library.add_metrics("x", [point(1.0)]),
        lambda library: library.metrics("x"),
        lambda library: library.set_pinned("x", []),
        lambda library: library.run_folder("../../x"),
    ],
)
def test_an_unknown_job_is_not_found(
    library: Library, root: Path, call: Callable[[Library], object]
) -> None:
    with pytest.raises(NotFound):
        call(library)
    assert list((root / "runs").iterdir()) == []


def test_errors_of_transitions_are_for_people(library: Library) -> None:
    job = in_state(library, "done")
    with pytest.raises(LiftChatError) as caught:
        library.requeue_job(job.id, ALICE)
    assert str(caught.value) == "“job” is done and cannot become queued."
