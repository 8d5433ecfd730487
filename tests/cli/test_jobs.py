from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.library import Library
from storage.records import LOCAL, Job, Metric
from tests.cli.conftest import Type
from tests.cli.fakes import Desk, publish


@pytest.fixture
def queued(type_in: Type, tale: Path, desk: Desk) -> Job:
    type_in("absorb", str(tale))
    with Library.read_only(desk.home) as library:
        return library.jobs(LOCAL)[0]


@pytest.fixture
def server(desk: Desk, queued: Job) -> Iterator[Library]:
    """Another holder of the library, with the job running."""
    with Library.open(desk.home) as library:
        library.claim_next_job()
        library.progress(queued.id, "training", 1, 4, "")
        yield library


def test_without_a_library_there_are_no_jobs(type_in: Type) -> None:
    assert type_in("jobs", "list", "--json").json == []
    assert "lift-chat absorb FILE" in type_in("jobs").out


def test_jobs_are_listed_beside_a_running_server(
    type_in: Type, server: Library, queued: Job
) -> None:
    header, row = type_in("jobs").out.splitlines()
    assert header.split() == ["ID", "STATE", "DONE", "NAME"]
    assert queued.id in row
    assert "running, absorbing" in row
    assert "25%" in row
    (entry,) = type_in("jobs", "--json").json
    assert entry["state"] == "running"


def test_a_job_whose_process_is_gone_is_shown_as_waiting(
    type_in: Type, desk: Desk, queued: Job
) -> None:
    with Library.open(desk.home) as library:
        library.claim_next_job()
    assert "waiting, with a checkpoint" in type_in("jobs").out


def test_show_takes_the_start_of_an_id_or_the_name(
    type_in: Type, server: Library, queued: Job
) -> None:
    server.add_metrics(queued.id, [Metric(0, "training", 1, 4, 3.25, 64, 9.0, 1.0, None)])
    for step, exam in ((0, 3.2), (4, 30.0)):
        point = Metric(0, "exam", step, 4, None, 64, 9.0, 1.0, None, exam)
        server.add_metrics(queued.id, [point])
    shown = type_in("jobs", "show", queued.id[:20].lower()).out
    assert "3.250 first" in shown
    assert "3.2 % first, 30 % last" in shown
    assert f"epochs={queued.recipe['epochs']}" in shown
    assert type_in("jobs", "show", "tale", "--json").json["job"]["id"] == queued.id
    assert type_in("jobs", "show", "nobody").err == "There is no job 'nobody'.\n"


def test_watch_ends_with_the_job(type_in: Type, server: Library, queued: Job) -> None:
    adapter = publish(server, server.job(queued.id, LOCAL))
    outcome = type_in("jobs", "watch", queued.id)
    assert outcome.status == 0
    assert f"lift-chat chat {adapter.id}" in outcome.out


def test_watching_a_failed_job_gives_its_sentence_and_status_1(
    type_in: Type, server: Library, queued: Job
) -> None:
    server.finish_job(queued.id, "failed", error_code="x", error="The disk is full.")
    outcome = type_in("jobs", "watch", queued.id)
    assert (outcome.status, outcome.err.splitlines()[-1]) == (1, "The disk is full.")


def test_watching_what_nobody_runs_says_so_at_once(type_in: Type, queued: Job) -> None:
    outcome = type_in("jobs", "watch", queued.id)
    assert outcome.status == 0
    assert "Nothing runs “Tale” now" in outcome.out


def test_a_waiting_job_is_cancelled_by_stop(type_in: Type, desk: Desk, queued: Job) -> None:
    assert type_in("jobs", "stop", queued.id).out == "“Tale” is cancelled.\n"


@pytest.mark.parametrize(
    ("flags", "request_", "says"),
    [((), "keep", "becomes an adapter"), (("--discard",), "discard", "is thrown away")],
)
def test_stopping_a_job_that_was_cut_off_takes_effect_at_the_next_start(
    type_in: Type, desk: Desk, queued: Job, flags: tuple[str, ...], request_: str, says: str
) -> None:
    with Library.open(desk.home) as library:
        library.claim_next_job()
    assert says in type_in("jobs", "stop", queued.id, *flags).out
    with Library.read_only(desk.home) as library:
        assert library.job(queued.id, LOCAL).request == request_


def test_what_waits_with_a_checkpoint_is_thrown_away_only_when_asked(
    type_in: Type, desk: Desk, queued: Job
) -> None:
    with Library.open(desk.home) as library:
        library.claim_next_job()
        library.progress(queued.id, "training", 3, 4, "")
        library.recover_jobs()
    outcome = type_in("jobs", "stop", queued.id)
    assert outcome.status == 1
    assert "--discard" in outcome.err
    assert "75%" in type_in("jobs").out
    assert type_in("jobs", "stop", queued.id, "--discard").out == "“Tale” is cancelled.\n"


def test_stop_beside_a_server_names_its_process(type_in: Type, server: Library) -> None:
    outcome = type_in("jobs", "stop", "tale")
    assert outcome.status == 1
    assert "in use by process" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_resume_queues_what_was_interrupted(type_in: Type, desk: Desk, queued: Job) -> None:
    with Library.open(desk.home) as library:
        library.claim_next_job()
        library.finish_job(queued.id, "interrupted", error="Cut off.")
    assert "goes on when the next `lift-chat` runs" in type_in("jobs", "resume", queued.id).out
    with Library.read_only(desk.home) as library:
        assert library.job(queued.id, LOCAL).state == "queued"


def test_resume_refuses_what_is_done(type_in: Type, desk: Desk, queued: Job) -> None:
    assert type_in("jobs", "resume", queued.id, "--wait").status == 0
    outcome = type_in("jobs", "resume", queued.id)
    assert outcome.status == 1
    assert len(outcome.err.splitlines()) == 1
