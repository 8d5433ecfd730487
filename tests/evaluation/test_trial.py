"""Arms end to end with the tiny model on two made-up documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lift_chat.errors import OutOfMemory
from lift_chat.evaluation import trial
from lift_chat.evaluation.answering import answer_all
from lift_chat.evaluation.arms import Room
from lift_chat.evaluation.ledger import Ledger
from lift_chat.evaluation.questions import EvalDocument
from lift_chat.evaluation.trial import Course, Sign, Trial
from lift_chat.lift.lesson import Lesson
from lift_chat.models.loading import LoadedModel
from tests.conftest import QUICK, no_turn

RAW = QUICK.with_changes(study="none", exam_questions=0, exams=0, epochs=2)
ROOM = Room(window=300, answer=6)


@pytest.fixture
def course(lamp: EvalDocument, ship: EvalDocument) -> Course:
    return Course("made-up", [lamp, ship], {"raw": RAW}, ["closed", "truncated", "retrieved"], ROOM)


def run(tiny: LoadedModel, course: Course, path: Path) -> tuple[Trial, list[Sign]]:
    made = Trial(tiny, course, Ledger(path), no_turn)
    return made, list(made.run())


def finished(signs: list[Sign]) -> list[str]:
    return [f"{sign.line['document']} {sign.line['arm']}" for sign in signs if sign.line]


def by_arm(lines: list[dict[str, Any]], document: str) -> dict[str, dict[str, Any]]:
    return {line["arm"]: line for line in lines if line["document"] == document}


def texts(line: dict[str, Any]) -> list[str]:
    return [answer["answer"] for answer in line["answers"]]


def test_every_arm_answers_every_question(
    tiny: LoadedModel, course: Course, tmp_path: Path
) -> None:
    made, _ = run(tiny, course, tmp_path / "answers.jsonl")
    lines = made.lines()
    arms = {"base/closed", "base/truncated", "base/retrieved"}
    arms |= {"raw/closed", "raw/truncated", "raw/retrieved", "raw/wrong"}
    for document in course.documents:
        of_document = by_arm(lines, document.id)
        assert set(of_document) == arms
        for line in of_document.values():
            assert [row["question"] for row in line["answers"]] == [
                question.question for question in document.questions
            ]
            assert all(row["scores"]["nll"] > 0 for row in line["answers"])
            trained = line["arm"].startswith("raw/")
            assert ("train_seconds" in line) is trained
            visible = [row["document_tokens"] for row in line["answers"]]
            assert any(visible) is not line["arm"].endswith(("closed", "wrong"))
    choice = by_arm(lines, "ship")["base/closed"]["answers"][1]
    assert choice["answer"] in course.documents[1].questions[1].choices
    assert choice["scores"]["choice"] == float(choice["answer"] == "a bell of green glass")


def test_the_adapter_answers_and_the_control_is_another_documents(
    tiny: LoadedModel, course: Course, tmp_path: Path
) -> None:
    made, _ = run(tiny, course, tmp_path / "answers.jsonl")
    lamp, ship = course.documents
    lesson = Lesson(tiny, lamp.text, RAW, title=lamp.title, folder=tmp_path, turn=no_turn)
    list(lesson.run())

    def told(document: EvalDocument) -> list[dict[str, Any]]:
        return answer_all(lesson.adapted, tiny, document, "closed", ROOM, no_turn)

    of_lamp, of_ship = by_arm(made.lines(), "lamp"), by_arm(made.lines(), "ship")
    assert of_lamp["raw/closed"]["answers"] == told(lamp)
    assert of_ship["raw/wrong"]["answers"] == told(ship)
    assert of_ship["raw/closed"]["answers"] != told(ship)
    assert of_lamp["base/closed"]["answers"] != told(lamp)


def test_a_second_run_does_nothing_again(tiny: LoadedModel, course: Course, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    first, signs = run(tiny, course, path)
    assert len(finished(signs)) == 14
    before = path.read_bytes()
    second, signs = run(tiny, course, path)
    assert signs == []
    assert path.read_bytes() == before
    assert second.lines() == first.lines()


def test_a_run_that_was_left_goes_on_with_what_is_missing(
    tiny: LoadedModel, course: Course, tmp_path: Path
) -> None:
    path = tmp_path / "answers.jsonl"
    done = []
    with closing(Trial(tiny, course, Ledger(path), no_turn).run()) as signs:  # type: ignore[type-var]
        for sign in signs:
            done += finished([sign])
            if len(done) == 5:
                break
    with path.open("a") as file:
        file.write('{"key": "torn')
    _, rest = run(tiny, course, path)
    assert sorted(done + finished(rest)) == sorted(
        finished(run(tiny, course, tmp_path / "whole.jsonl")[1])
    )
    # the lamp's adapter had answered two arms; it is trained once more for the other two
    assert finished(rest)[:2] == ["lamp raw/retrieved", "ship raw/wrong"]


def test_what_answers_depend_on_is_measured_anew(
    tiny: LoadedModel, course: Course, tmp_path: Path
) -> None:
    path = tmp_path / "answers.jsonl"
    small = replace(course, windows=["closed"])
    run(tiny, small, path)
    longer = {"raw": RAW.with_changes(epochs=3)}
    again = finished(run(tiny, replace(small, recipes=longer), path)[1])
    assert again == ["lamp raw/closed", "ship raw/wrong", "ship raw/closed", "lamp raw/wrong"]
    label = {"raw": RAW.with_changes(based_on="skim", checkpoint_seconds=7.0)}
    assert finished(run(tiny, replace(small, recipes=label), path)[1]) == []
    room = replace(small, recipes={}, room=replace(ROOM, answer=7))
    assert finished(run(tiny, room, path)[1]) == ["lamp base/closed", "ship base/closed"]
    lamp, ship = course.documents
    other = replace(small, documents=[replace(lamp, text=lamp.text + "It rained."), ship])
    assert finished(run(tiny, other, path)[1]) == [
        "lamp base/closed",
        "lamp raw/closed",
        "ship raw/wrong",
        "lamp raw/wrong",
    ]


def test_one_document_has_no_control(tiny: LoadedModel, course: Course, tmp_path: Path) -> None:
    alone = replace(course, documents=course.documents[:1], windows=["closed"])
    _, signs = run(tiny, alone, tmp_path / "answers.jsonl")
    assert finished(signs) == ["lamp base/closed", "lamp raw/closed"]


def test_the_whole_document_is_shown_where_it_fits(
    tiny: LoadedModel, course: Course, tmp_path: Path
) -> None:
    lamp, ship = course.documents
    long = replace(ship, text=ship.text * 8)
    whole = replace(course, documents=[lamp, long], recipes={}, windows=["full"])
    made, signs = run(tiny, whole, tmp_path / "answers.jsonl")
    assert finished(signs) == ["lamp base/closed", "lamp base/full", "ship base/closed"]
    full = by_arm(made.lines(), "lamp")["base/full"]
    assert full["window_tokens"] == tiny.limit - ROOM.answer


class Failing(Lesson):
    """A lesson that runs out of memory on one document."""

    def run(self) -> Iterator[Any]:  # type: ignore[override]
        if "Gannet carried" in self.text.text:
            raise OutOfMemory("Even one window does not fit.")
        yield from super().run()


def test_a_recipe_that_fails_on_a_document_does_not_keep_the_others(
    tiny: LoadedModel, course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(course, windows=["closed"])
    path = tmp_path / "answers.jsonl"
    monkeypatch.setattr(trial, "Lesson", Failing)
    _, signs = run(tiny, small, path)
    assert [(sign.document.id, sign.error) for sign in signs if sign.error] == [
        ("ship", "Even one window does not fit.")
    ]
    assert "lamp raw/closed" in finished(signs)
    monkeypatch.undo()
    assert finished(run(tiny, small, path)[1]) == ["ship raw/closed", "lamp raw/wrong"]


def test_likelihoods_can_be_left_out(tiny: LoadedModel, course: Course, tmp_path: Path) -> None:
    bare = replace(course, recipes={}, windows=["closed"], gold_nll=False)
    made, _ = run(tiny, bare, tmp_path / "answers.jsonl")
    assert all("nll" not in row["scores"] for line in made.lines() for row in line["answers"])
