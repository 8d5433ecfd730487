from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from lift_chat.errors import InvalidConfig
from lift_chat.lift.progress import ProgressEvent
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import GAP, MARKER, frame, prompt_ids, question_ids, user
from lift_chat.reader import scores
from lift_chat.reader.lessons import Asked, ReadingDocument, Section
from lift_chat.reader.scores import WINDOWS, chosen, score
from tests.conftest import drained, no_turn
from tests.reader.conftest import DOCUMENTS, LAMP

QUESTIONS = 7

LONG = ReadingDocument(
    "The Chronicle of Marrow",
    tuple(
        Section(f"In winter {n} the keeper {name} burned the {thing} and kept the light.", asked)
        for n, (name, thing, asked) in enumerate(
            (name, thing, (Asked(f"What did {name} burn?", f"the {thing}"),))
            for name in ("Quist", "Tarn", "Oster", "Vance", "Farrow", "Lind", "Pell", "Crane")
            for thing in (f"{name.lower()[::-1]}s",)
        )
    ),
)


def finish(
    loaded: LoadedModel, documents: list[ReadingDocument], *sizes: int
) -> tuple[list[ProgressEvent], dict[str, Any]]:
    return drained(score(loaded, documents, no_turn, *sizes, stage="before"))


def answers_with(
    monkeypatch: pytest.MonkeyPatch, tiny: LoadedModel, said: dict[str, str]
) -> list[str]:
    """Answers are what `said` has for the question of a prompt; gives the prompts, as texts."""
    prompts: list[str] = []

    def generate(model: Any, loaded: LoadedModel, asked: list[list[int]], **_: Any) -> Any:
        for index in reversed(range(len(asked))):
            prompts.append(loaded.tokenizer.decode(asked[index]))
            question = prompts[-1].removesuffix("<end><assistant>").rpartition(GAP)[2]
            yield index, said.get(question, "nothing")

    monkeypatch.setattr(scores, "generate", generate)
    return prompts


def test_a_base_is_measured_in_every_window(tiny: LoadedModel) -> None:
    events, found = finish(tiny, DOCUMENTS, 100, 1)
    assert found["questions"] == QUESTIONS
    for window in WINDOWS:
        assert 0 <= found[window]["exact"] <= found[window]["f1"] <= 100
    assert found["writing"]["asked"] > 0 and 0 <= found["writing"]["kept_of_asked"] <= 100
    assert found["general"]["loss"] > 0 and 0 <= found["general"]["quiz"] <= 100
    assert {event.stage for event in events} == {"before"}
    steps = [event.step for event in events]
    assert steps == sorted(steps) and steps[-1] == events[-1].total == 4 * QUESTIONS + 2


def test_answers_are_compared_with_their_own_gold(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    golds = {a.question: a.answer for d in DOCUMENTS for s in d.sections for a in s.questions}
    answers_with(monkeypatch, tiny, golds)
    _, found = finish(tiny, DOCUMENTS, 100, 0)
    assert [found[window] for window in WINDOWS] == [{"f1": 100.0, "exact": 100.0}] * 4
    answers_with(monkeypatch, tiny, {**golds, "Who lit the lamp?": "Sable Quist did"})
    _, found = finish(tiny, DOCUMENTS, 100, 0)
    assert found["open"] == {"f1": round(100 * (6 + 0.8) / 7, 1), "exact": round(100 * 6 / 7, 1)}
    assert found["writing"] == {
        "asked": 0, "written": 0, "kept": 0, "kept_of_written": 0.0, "kept_of_asked": 0.0
    }  # fmt: skip


def test_each_window_shows_what_it_says(tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "PASSAGE_TOKENS", 64)
    monkeypatch.setattr(scores, "SHORT_WINDOW", 256)
    whole = GAP.join(section.text for section in LONG.sections)
    for question in chosen(tiny, [LONG], 100):
        asked = question.asked.question
        opened, found, short, closed = (question.desk.prompt(question, w) for w in WINDOWS)
        assert opened == prompt_ids(tiny, [user(frame(LONG.title, asked, question.section))])
        assert closed == question_ids(tiny, LONG.title, asked)
        assert len(closed) < len(short) <= 256
        head, _, tail = tiny.tokenizer.decode(short).removeprefix("<user>").partition(MARKER)
        assert whole.startswith(head.strip()) and tail.partition(GAP + "Answer the")[0] in whole
        shown = tiny.tokenizer.decode(found).removeprefix("<user>").partition(GAP + "Answer")[0]
        places = [whole.index(passage) for passage in shown.split(MARKER)]
        assert places == sorted(places) and 1 <= len(places) <= 3
        assert question.asked.answer in shown


def test_questions_are_spread_evenly_and_of_short_sections(tiny: LoadedModel) -> None:
    long = Section("It rained. " * 200, (Asked("Did it rain?", "Yes"),))
    documents = [LAMP, LONG, ReadingDocument("Rain", (long,))]
    assert len(chosen(tiny, documents, 100)) == 5 + 8
    few = chosen(tiny, documents, 6)
    assert Counter(question.desk.title for question in few) == {LAMP.title: 3, LONG.title: 3}
    assert [q.asked for q in few] == [q.asked for q in chosen(tiny, documents, 6)]
    assert "Did it rain?" not in {question.asked.question for question in few}


def test_questions_are_written_about_the_beginning_of_a_document(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_with(monkeypatch, tiny, {})
    monkeypatch.setattr(scores, "WRITING_CHARACTERS", 150)
    seen = []

    def write_items(loaded: LoadedModel, title: str, text: str, *_: Any, **__: Any) -> Any:
        seen.append((title, text))
        yield from ()
        return Counts()

    monkeypatch.setattr(scores, "write_items", write_items)
    huge = replace(LAMP, sections=(Section("word " * 100, LAMP.sections[0].questions),))
    _, found = finish(tiny, [LONG, huge], 1, 5)
    assert seen == [
        (LONG.title, GAP.join(section.text for section in LONG.sections[:2])),
        (LAMP.title, ("word " * 100)[:150]),
    ]
    assert found["writing"] == {
        "asked": 20, "written": 16, "kept": 6, "kept_of_written": 37.5, "kept_of_asked": 30.0
    }  # fmt: skip


class Counts:
    def metrics(self) -> dict[str, Any]:
        return {"asked": 10, "written": 8, "kept": 3, "dropped": {"format": 5}}


def test_without_a_question_there_is_nothing_to_measure(tiny: LoadedModel) -> None:
    silent = [ReadingDocument("Silence", (Section("Nothing.", ()),))]
    with pytest.raises(InvalidConfig, match="no short section with a question"):
        finish(tiny, silent)
