from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from lift_chat.lift.losses import IGNORE
from lift_chat.lift.preparation import STUDY, Sources, Studies, Text, is_written, keep, prepare
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study import teacher
from lift_chat.lift.study.request import Request
from lift_chat.lift.study.teacher import ask_back
from lift_chat.lift.study.writer import Replies, Usage
from lift_chat.models.loading import LoadedModel
from storage.records import StudyItem
from tests.conftest import STUDIED, TALE, drained, facts, no_turn, taken

TEXT = Text("Orrin Vale", TALE)


class Scribe:
    """Writes the questions of `facts` about whatever passage it is shown."""

    origin: Literal["model", "endpoint"] = "model"
    note = ""

    def __init__(self) -> None:
        self.usage, self.asked = Usage(), 0

    def write(self, requests: Sequence[Request]) -> Replies:
        for index, request in enumerate(requests):
            self.asked += 1
            pairs = [
                f"Question: {item.question}\nAnswer: {item.answer}"
                for item in facts()
                if item.answer in request.prompt
            ]
            yield index, "\n".join(pairs)


def prepared(
    tiny: LoadedModel, folder: Path, config: LiftConfig = STUDIED, **sources: Any
) -> tuple[list[ProgressEvent], Studies]:
    preparing = prepare(tiny, TEXT, config, sources=Sources(**sources), folder=folder, turn=no_turn)
    return drained(preparing)


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer passes the reader: a random model would agree with none."""
    monkeypatch.setattr(teacher, "AGREEMENT", 0.0)


def questions(items: Sequence[StudyItem]) -> list[str]:
    return [item.question for item in items]


def test_without_study_nothing_is_prepared(tiny: LoadedModel, tmp_path: Path) -> None:
    scribe = Scribe()
    config = STUDIED.with_changes(study="none")
    events, studies = prepared(tiny, tmp_path, config, given=facts(), writer=scribe)
    assert events == [] and studies == Studies() and scribe.asked == 0
    assert studies.samples(tiny, TEXT, config) is None


def test_items_kept_with_the_document_are_taken_as_they_are(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    scribe = Scribe()
    events, studies = prepared(tiny, tmp_path, given=facts(), writer=scribe)
    assert studies.items == facts() and scribe.asked == 0
    assert studies.counts == taken(8) and not studies.fresh
    assert {event.stage for event in events} == {"writing"}
    assert (events[-1].step, events[-1].total) == (8, 8)
    assert len(studies.exam) == 2
    assert [c.item for c in studies.training] == facts()[2:] and studies.exam == facts()[:2]


@pytest.mark.usefixtures("trusting")
def test_where_there_are_none_they_are_written_and_split(tiny: LoadedModel, tmp_path: Path) -> None:
    scribe = Scribe()
    events, studies = prepared(tiny, tmp_path, writer=scribe)
    assert questions(studies.items) == questions(facts()) and studies.fresh
    assert studies.counts is not None and studies.counts["kept"] == 8
    assert scribe.asked == events[-1].total == 4
    assert len(studies.exam) == 2 and len(studies.training) == 6


def test_what_a_person_wrote_is_learned_as_it_stands(tiny: LoadedModel, tmp_path: Path) -> None:
    given = [replace(item, origin="person") if n % 2 else item for n, item in enumerate(facts())]
    config = STUDIED.with_changes(distill=True)
    _, studies = prepared(tiny, tmp_path, config, given=given)
    samples = studies.samples(tiny, TEXT, config)
    assert samples is not None
    taught = [samples.closed(index).soft is not None for index in range(len(samples))]
    assert taught == [one.item.origin == "model" for one in studies.training]
    assert set(taught) == {True, False}


def own_exam() -> list[StudyItem]:
    """What a person asks about the tale, in other words than `facts` does; never to be learned."""
    place = facts()[0]
    asked = [("Whose lamp stood above the sea?", "exam"), ("Was honey ever sent there?", "pinned")]
    return [
        replace(place, question=question, answer="Orrin Vale", kind=kind, origin="person")
        for question, kind in asked
    ]


@pytest.mark.usefixtures("trusting")
def test_own_exam_questions_are_asked_and_the_rest_is_written_all_the_same(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    scribe = Scribe()
    _, studies = prepared(tiny, tmp_path, given=own_exam(), writer=scribe)
    assert scribe.asked == 4 and studies.fresh
    assert studies.exam == studies.own == own_exam()
    assert questions([one.item for one in studies.training]) == questions(facts())
    assert studies.counts is not None and studies.counts["kept"] == 8
    assert studies.items == [*own_exam(), *(one.item for one in studies.checked)]


def test_own_exam_questions_beside_known_ones_are_not_counted_and_need_no_teacher(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    scribe = Scribe()
    first, *rest = facts()
    given = [first, own_exam()[0], *rest, own_exam()[1]]
    events, studies = prepared(tiny, tmp_path, given=given, writer=scribe)
    assert scribe.asked == 0 and studies.counts == taken(8) and not studies.fresh
    assert (events[-1].step, events[-1].total) == (8, 8)
    assert studies.exam == own_exam() and [c.item for c in studies.training] == facts()


@pytest.mark.usefixtures("trusting")
def test_without_an_exam_own_exam_questions_are_kept_and_not_learned(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    config = STUDIED.with_changes(exam_questions=0)
    _, studies = prepared(tiny, tmp_path, config, given=own_exam(), writer=Scribe())
    assert studies.exam == [] and len(studies.training) == 8
    assert studies.items[:2] == own_exam()


@pytest.mark.usefixtures("trusting")
def test_a_resumed_run_asks_the_own_exam_questions_that_it_began_with(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    _, first = prepared(tiny, tmp_path, given=own_exam(), writer=Scribe())
    keep(tmp_path, first)
    assert is_written(tmp_path)
    idle = Scribe()
    _, again = prepared(tiny, tmp_path, given=own_exam()[:1], writer=idle)
    assert idle.asked == 0 and not again.fresh
    assert (again.items, again.exam, again.counts) == (first.items, first.exam, first.counts)
    assert [one.item for one in again.training] == [one.item for one in first.training]


@pytest.mark.usefixtures("trusting")
def test_a_resumed_run_studies_the_very_same_questions(tiny: LoadedModel, tmp_path: Path) -> None:
    _, first = prepared(tiny, tmp_path, writer=Scribe())
    assert not is_written(tmp_path)
    keep(tmp_path, first)
    assert is_written(tmp_path)
    idle = Scribe()
    _, again = prepared(tiny, tmp_path, given=facts()[:1], writer=idle)
    assert idle.asked == 0 and not again.fresh
    assert again.items == first.items and again.exam == first.exam
    assert again.counts == first.counts
    told = [studies.samples(tiny, TEXT, STUDIED) for studies in (first, again)]
    assert told[0] is not None and told[1] is not None and len(told[0]) == len(told[1]) == 6
    for index in range(6):
        one, other = told[0].closed(index), told[1].closed(index)
        assert one.ids == other.ids and one.soft is not None and other.soft is not None
        assert one.soft.tokens.equal(other.soft.tokens)
        assert one.soft.logprobs.equal(other.soft.logprobs)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("content", [b"", b'{"counts": {}', b'{"items": [{"question": 1}]}', b"[]"])
def test_questions_that_a_kill_left_half_written_are_written_anew(
    tiny: LoadedModel, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / STUDY).write_bytes(content)
    scribe = Scribe()
    _, studies = prepared(tiny, tmp_path, writer=scribe)
    assert scribe.asked == 4 and len(studies.items) == 8


def test_what_was_taken_over_counts_as_not_written(tiny: LoadedModel, tmp_path: Path) -> None:
    _, studies = prepared(tiny, tmp_path, given=facts())
    keep(tmp_path, studies)
    assert not is_written(tmp_path)


@pytest.mark.usefixtures("trusting")
def test_who_wants_fresh_questions_at_once_gets_each_of_them_once(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    came: list[str] = []
    _, studies = prepared(
        tiny,
        tmp_path,
        writer=Scribe(),
        first_epoch=lambda fresh: came.extend(checked.item.question for checked in fresh),
    )
    assert came == questions(studies.items)


def test_samples_learn_from_a_teacher_only_when_the_recipe_says_so(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    _, studies = prepared(tiny, tmp_path, given=facts())
    soft = studies.samples(tiny, TEXT, STUDIED)
    hard = studies.samples(tiny, TEXT, STUDIED.with_changes(distill=False))
    assert soft is not None and hard is not None
    heard = {
        checked.item.question: checked.soft
        for checked in ask_back(tiny.model, tiny, TEXT.title, TALE, facts(), no_turn)
    }
    for index, checked in enumerate(studies.training):
        sample, plain = soft.closed(index), hard.closed(index)
        expected = heard[checked.item.question]
        assert plain.soft is None and plain.ids == sample.ids
        assert sample.soft is not None and expected is not None
        assert sample.soft.tokens.equal(expected.tokens)
        assert len(sample.soft.tokens) == sum(label != IGNORE for label in sample.labels)


@pytest.mark.usefixtures("trusting")
def test_a_writer_that_writes_nothing_leaves_nothing_to_study(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    class Silent(Scribe):
        def write(self, requests: Sequence[Request]) -> Replies:
            yield from ((index, "") for index in range(len(requests)))

    _, studies = prepared(tiny, tmp_path, writer=Silent())
    assert studies.items == [] == studies.exam
    assert studies.samples(tiny, TEXT, STUDIED) is None
