from __future__ import annotations

from pathlib import Path

import pytest

from lift_chat.commands.recipes import chapter_indices, check_chapters, config_of
from lift_chat.errors import InvalidConfig
from storage.library import Library
from storage.records import LOCAL, Chapter
from tests.cli.conftest import Type
from tests.cli.fakes import WARNING, Desk


def test_absorb_queues_and_says_when_it_starts(type_in: Type, tale: Path, desk: Desk) -> None:
    outcome = type_in("absorb", str(tale))
    with Library.read_only(desk.home) as library:
        (job,) = library.jobs(LOCAL)
    assert (outcome.status, job.state, job.name) == (0, "queued", "Tale")
    assert job.id in outcome.out
    assert "the next `lift-chat`" in outcome.out
    assert not desk.services[0].worker


def test_wait_runs_the_job_and_names_the_adapter(type_in: Type, tale: Path, desk: Desk) -> None:
    outcome = type_in("absorb", str(tale), "--wait", "--name", "The Lamp")
    with Library.read_only(desk.home) as library:
        (adapter,) = library.adapters(LOCAL)
    assert outcome.status == 0
    assert adapter.name == "The Lamp"
    assert "3.50 before, 0.50 after" in outcome.out
    assert f"lift-chat chat {adapter.id}" in outcome.out
    assert "absorbing 33%: loss 3.000, 1,234 tokens/s, 1 min 05 s left" in outcome.err


def test_an_executor_absorbs_now(type_in: Type, tale: Path, desk: Desk) -> None:
    outcome = type_in("absorb", str(tale), "--executor", "ray")
    assert outcome.status == 0 and "lift-chat chat" in outcome.out
    (service,) = desk.services
    assert service.worker and service.settings.executor == "ray"


def test_ctrl_c_names_the_executor_to_go_on_with(type_in: Type, tale: Path, desk: Desk) -> None:
    desk.behaviour = {"interrupt_at": 2}
    outcome = type_in("absorb", str(tale), "--executor", "ray")
    (said,) = [line for line in outcome.err.splitlines() if line.startswith("Go on with: ")]
    desk.behaviour = {}
    assert type_in(*said.removeprefix("Go on with: lift-chat ").split()).status == 0
    assert desk.services[-1].worker and desk.services[-1].settings.executor == "ray"
    with Library.read_only(desk.home) as library:
        assert library.jobs(LOCAL)[0].state == "done"


def test_json_is_all_that_stdout_gets(type_in: Type, tale: Path) -> None:
    (entry,) = type_in("absorb", str(tale), "--wait", "--json").json
    assert entry["state"] == "done"
    assert entry["adapter"]["id"] == entry["adapter_id"]
    (queued,) = type_in("absorb", str(tale), "--set", "epochs=3", "--json").json
    assert queued["state"] == "queued"
    assert queued["document_id"] == entry["document_id"]


def test_the_same_again_gives_the_adapter_that_is_there(type_in: Type, tale: Path) -> None:
    (entry,) = type_in("absorb", str(tale), "--wait", "--json").json
    again = type_in("absorb", str(tale), "--wait")
    assert again.status == 0
    assert "absorbed before" in again.out
    assert entry["adapter_id"] in again.out


def test_flags_reach_the_recipe(type_in: Type, tale: Path, desk: Desk) -> None:
    type_in(
        "absorb", str(tale), "--preset", "skim", "--set", "learning-rate=1e-3",
        "--set", "targets=down-proj", "--chapters", "2",
    )  # fmt: skip
    with Library.read_only(desk.home) as library:
        (job,) = library.jobs(LOCAL)
    assert job.recipe["based_on"] == "skim"
    assert job.recipe["learning_rate"] == 1e-3
    assert job.recipe["targets"] == "down-proj"
    assert job.recipe["chapters"] == [1]


def test_one_bad_file_is_said_and_does_not_keep_the_others(
    type_in: Type, tale: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.txt").touch()
    outcome = type_in("absorb", str(tmp_path / "empty.txt"), str(tmp_path / "no.pdf"), str(tale))
    assert outcome.status == 1
    assert outcome.err.splitlines() == [
        "empty.txt: the file is empty.",
        "no.pdf: there is no such file.",
    ]
    assert "“Tale” is job" in outcome.out


def test_a_failed_job_is_one_sentence_and_status_1(type_in: Type, tale: Path, desk: Desk) -> None:
    desk.behaviour = {"fail": "Even the smallest step does not fit."}
    outcome = type_in("absorb", str(tale), "--wait")
    assert outcome.status == 1
    assert outcome.err.splitlines()[-1] == "Even the smallest step does not fit."
    (entry,) = type_in("absorb", str(tale), "--set", "seed=1", "--wait", "--json").json
    assert entry["error"]["code"] == "out_of_memory"


def test_ctrl_c_leaves_the_job_to_go_on(type_in: Type, tale: Path, desk: Desk) -> None:
    desk.behaviour = {"interrupt_at": 2}
    outcome = type_in("absorb", str(tale), "--wait")
    with Library.read_only(desk.home) as library:
        (job,) = library.jobs(LOCAL)
    assert outcome.status == 130
    assert job.state == "running"
    assert f"lift-chat jobs resume {job.id} --wait" in outcome.err
    desk.behaviour = {}
    assert type_in("jobs", "resume", job.id, "--wait").status == 0
    with Library.read_only(desk.home) as library:
        assert library.job(job.id, LOCAL).state == "done"


def test_dry_run_shows_what_was_read_and_keeps_nothing(
    type_in: Type, tmp_path: Path, desk: Desk
) -> None:
    path = tmp_path / "gap.txt"
    path.write_text("Some words.")
    outcome = type_in("absorb", str(path), "--dry-run")
    assert outcome.status == 0
    for shown in ("Gap", "1 page", WARNING, "  1  Part 1", "2 min 05 s", "does not fit"):
        assert shown in outcome.out
    with Library.read_only(desk.home) as library:
        assert library.documents(LOCAL) == []
        assert library.jobs(LOCAL) == []


def test_dry_run_spares_a_document_that_was_there(type_in: Type, tale: Path, desk: Desk) -> None:
    type_in("absorb", str(tale))
    (entry,) = type_in("absorb", str(tale), "--dry-run", "--json").json
    assert entry["estimate"]["fits"] is False
    assert [chapter["title"] for chapter in entry["chapters"]] == ["Part 1", "Part 2"]
    with Library.read_only(desk.home) as library:
        assert len(library.documents(LOCAL)) == 1


def test_a_library_in_use_is_one_sentence(type_in: Type, tale: Path, desk: Desk) -> None:
    desk.in_use = "The library is in use by process 7."
    outcome = type_in("absorb", str(tale), "--wait")
    assert (outcome.status, outcome.err) == (1, "The library is in use by process 7.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("a", "b", "--name", "x"),
        ("a", "--wait", "--dry-run"),
        ("a", "--executor", "ray", "--dry-run"),
        (),
    ],
)
def test_contradictions_are_wrong_usage(type_in: Type, arguments: tuple[str, ...]) -> None:
    outcome = type_in("absorb", *arguments)
    assert outcome.status == 2
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "indices"), [("1", [0]), ("1-4,7", [0, 1, 2, 3, 6]), (" 3 , 2-3", [1, 2])]
)
def test_chapters_are_counted_as_people_do(text: str, indices: list[int]) -> None:
    assert chapter_indices(text) == indices


@pytest.mark.parametrize("text", ["0", "4-1", "a", "1,,2", "-1", "1-", "", "99999999"])
def test_chapters_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match="1-4,7"):
        chapter_indices(text)


def test_a_chapter_that_is_not_there_is_refused(type_in: Type, tale: Path) -> None:
    outcome = type_in("absorb", str(tale), "--chapters", "2-3")
    assert outcome.status == 1
    assert outcome.err == "There is no chapter 3; chapters of this document: 2.\n"
    check_chapters(config_of("read", (), "1"), [Chapter("One", 1, 1, 0, 1)])


@pytest.mark.parametrize("change", ["epochs", "=3", "epoch=3", "epochs=many", "epochs=0"])
def test_a_setting_that_cannot_be_is_one_sentence(type_in: Type, tale: Path, change: str) -> None:
    outcome = type_in("absorb", str(tale), "--set", change)
    assert outcome.status == 1
    assert len(outcome.err.splitlines()) == 1
