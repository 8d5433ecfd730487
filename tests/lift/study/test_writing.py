from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from lift_chat.lift.passages import sentences
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study import writer as writer_module
from lift_chat.lift.study import writing as writing_module
from lift_chat.lift.study.request import (
    CONTEXT_CHARACTERS,
    RUN,
    Runs,
    about_passages,
    about_sentences,
)
from lift_chat.lift.study.writer import BaseWriter
from lift_chat.lift.study.writing import Written, write_items
from lift_chat.models.loading import LoadedModel
from tests.conftest import no_turn
from tests.lift.study.conftest import Write
from tests.lift.study.script import (
    CHRONICLE,
    FACTS,
    NAMES,
    TITLE,
    fact,
    facts,
    named,
    proven,
    scripted,
)

PASSAGES = LiftConfig(study="passages", questions=4, passage_tokens=80)
EVIDENCE = LiftConfig(study="evidence")
SENTENCES = LiftConfig(study="sentences", questions=1)


def consistent(written: Written) -> bool:
    return written.written == len(written.items) + sum(written.dropped.values())


@pytest.mark.usefixtures("trusting")
def test_every_passage_gives_its_questions_with_their_places(write: Write) -> None:
    events, written = write(facts, PASSAGES)
    assert len(written.items) == len(NAMES)
    for item in written.items:
        (name,) = named(item.question)
        assert item.answer == f"The {FACTS[name]}"
        assert f"{name} burned the {FACTS[name]}" in CHRONICLE[item.start : item.end]
        assert (item.kind, item.origin, item.evidence) == ("fact", "model", "")
    assert [item.start for item in written.items] == sorted(item.start for item in written.items)
    assert written.metrics() == {
        "asked": 4 * events[-1].total, "written": 24, "kept": 24,
        "dropped": {"format": 0, "duplicate": 0, "evidence": 0, "check": 0},
    }  # fmt: skip
    assert written.message == ""


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> int:
    """Prompts of a round, less than there are sentences."""
    for module in (writer_module, writing_module):
        monkeypatch.setattr(module, "ROUND", 16)
    return 16


@pytest.mark.usefixtures("trusting")
def test_items_come_while_others_are_still_unwritten(rounds: int, tiny: LoadedModel) -> None:
    answered = 0

    def counted(model: Any, loaded: LoadedModel, prompts: Any, **options: Any) -> Iterator[Any]:
        nonlocal answered
        answered += len(prompts)
        yield from scripted(lambda prompt: fact(named(prompt)[-1]))(model, loaded, prompts)

    writer = BaseWriter(tiny, no_turn, counted)
    writing = write_items(tiny, TITLE, CHRONICLE, SENTENCES, turn=no_turn, writer=writer)
    first = next(writing)
    assert (first.done, first.total, answered) == (rounds, len(NAMES), rounds)
    assert [named(checked.item.question) for checked in first.items] == [
        [n] for n in NAMES[:rounds]
    ]
    assert all(checked.soft is not None for checked in first.items)
    last = next(writing)
    assert (last.done, last.total, len(last.items)) == (24, 24, len(NAMES) - rounds)


def test_answers_that_a_reader_would_not_give_are_dropped_and_counted(write: Write) -> None:
    events, written = write(facts, PASSAGES)
    assert written.dropped == {"format": 0, "duplicate": 0, "evidence": 0, "check": 24}
    assert written.items == []
    assert [event.items for event in events] == [()] * len(events)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    ("reply", "reason", "number"),
    [
        ("", "format", 0),
        ("I cannot do that.", "format", 1),
        ("Question: What burned?\nAnswer: The letters", "format", 1),
        ("Question: According to the text, who burned letters?\nAnswer: Sable", "format", 1),
        ("Question: What did Sable Quist burn?\nAnswer: forty golden doubloons", "evidence", 1),
        ("Question: What did Sable burn?\nAnswer: letters\n" * 3, "duplicate", 2),
    ],
)
def test_a_bad_reply_costs_its_own_place_alone(
    write: Write, reply: str, reason: str, number: int
) -> None:
    def say(prompt: str) -> str:
        return reply if NAMES[0] in prompt else facts(prompt)

    _, written = write(say, PASSAGES)
    assert consistent(written)
    assert Counter(written.dropped) == Counter({reason: number})
    assert len(written.items) >= len(NAMES) - 5
    assert set(NAMES[5:]) <= {
        named(item.question)[0] for item in written.items if named(item.question)
    }


@pytest.mark.usefixtures("trusting")
def test_a_question_is_kept_once_however_often_it_is_written(write: Write) -> None:
    def say(prompt: str) -> str:
        return "Question: What did the people of Orrin do each winter?\nAnswer: They burned it"

    _, written = write(say, PASSAGES)
    assert len(written.items) == 1
    assert written.dropped["duplicate"] == written.written - 1 > 1
    assert consistent(written)


@pytest.mark.usefixtures("trusting")
def test_evidence_is_the_text_s_own_and_lies_inside_the_run(write: Write) -> None:
    _, written = write(proven, EVIDENCE)
    assert len(written.items) == 9  # 24 sentences have nine runs of sixteen
    for item in written.items:
        assert item.kind == "evidence"
        assert item.evidence in CHRONICLE[item.start : item.end]
        assert len(sentences(CHRONICLE[item.start : item.end].strip())) == RUN
        assert FACTS[named(item.question)[0]] in item.evidence


@pytest.mark.usefixtures("trusting")
def test_a_failed_run_is_followed_by_another_and_never_asked_twice(write: Write) -> None:
    text = CHRONICLE + "".join(f"The wind rose on day {day}. " for day in range(12))
    asked: list[str] = []

    def say(prompt: str) -> str:
        asked.append(prompt)
        reply = proven(prompt)
        return reply if len(asked) % 3 else reply.replace("Evidence: In", "Evidence: Then in")

    _, written = write(say, EVIDENCE, text)
    assert len(written.items) == 10
    assert written.asked == len(asked) == 14
    assert len(set(asked)) == len(asked)
    assert written.dropped["evidence"] == 4
    assert consistent(written)


@pytest.mark.usefixtures("trusting")
def test_retries_end(write: Write) -> None:
    text = "".join(f"{CHRONICLE.replace('winter', f'winter {year}')}" for year in range(4))
    _, written = write(lambda prompt: "no", EVIDENCE, text)
    assert written.asked == 4 * 10
    assert written.dropped["format"] == 40


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_short_document_uses_the_sentences_it_has(write: Write, count: int) -> None:
    text = "".join(piece + ". " for piece in CHRONICLE.split(". ")[:count])
    _, written = write(proven, EVIDENCE, text)
    assert len(written.items) == count - (count + 1) // 2 + 1


def test_a_long_document_gets_a_question_per_sixteen_sentences() -> None:
    text = CHRONICLE * 20
    runs = Runs.of(text, EVIDENCE, "en")
    assert runs.wanted == 24 * 20 // RUN
    starts = [request.start for request in runs.requests]
    assert len(set(starts)) == len(starts) == 24 * 20 - RUN + 1
    assert starts != sorted(starts)
    other = Runs.of(text, replace(EVIDENCE, seed=1), "en")
    assert [request.start for request in other.requests] != starts


def test_a_sentence_is_shown_behind_the_whole_sentences_that_fit_before_it() -> None:
    text = CHRONICLE * 4
    requests = about_sentences(text, SENTENCES, "en")
    assert len(requests) == 24 * 4
    for request in requests:
        shown = text[request.start : request.end]
        assert len(shown) <= CONTEXT_CHARACTERS
        assert shown.startswith("In winter")
        assert shown.split(". ")[-2].strip() in request.prompt
    assert requests[0].start == requests[5].start == 0
    assert len(requests[-1].passage(text)) > CONTEXT_CHARACTERS - 60


@pytest.mark.usefixtures("trusting")
def test_a_question_about_a_sentence_has_the_sentence_as_its_evidence(write: Write) -> None:
    def say(prompt: str) -> str:
        shown = named(prompt)
        return fact(shown[-1]) + "\n" + fact(shown[0]).replace("in winter", "once")

    _, written = write(say, replace(SENTENCES, questions=2))
    assert [item.evidence for item in written.items] == [
        f"In winter {named(item.question)[0]} burned the {FACTS[named(item.question)[0]]}."
        for item in written.items
    ]
    assert {named(item.question)[0] for item in written.items} == set(NAMES)
    assert written.dropped["format"] > 0


def test_what_says_nothing_is_not_asked_about() -> None:
    requests = about_sentences(f"{CHRONICLE}Page 7. 12. {CHRONICLE}", SENTENCES, "en")
    assert len(requests) == 48


def test_a_text_without_sentences_is_cut_between_words(tiny: LoadedModel) -> None:
    text = " ".join(f"lamp{number}" for number in range(400))
    requests = about_passages(tiny, text, PASSAGES, "en")
    assert "".join(text[request.start : request.end] for request in requests) == text
    assert len(requests) > 3
    assert all(request.end - request.start <= 8 * 80 for request in requests)
    assert all(text[request.end - 1] == " " for request in requests[:-1])


@pytest.mark.usefixtures("trusting")
def test_a_prompt_longer_than_the_model_costs_its_place_alone(write: Write) -> None:
    endless = "and so it went on " * 400

    def say(prompt: str) -> str:
        return fact(named(prompt)[-1])

    events, written = write(say, SENTENCES, f"{CHRONICLE}{endless}. {CHRONICLE}")
    assert len(written.items) == len(NAMES)
    assert events[-1].done == events[-1].total == 49
    assert "1 of 49 requests failed" in written.message


@pytest.mark.usefixtures("trusting")
def test_a_reply_that_ran_out_of_tokens_loses_its_last_line(write: Write) -> None:
    tail = (
        "Question: What did they all burn in winter?\nAnswer: The letters " + "and letters " * 120
    )

    _, written = write(lambda prompt: f"{facts(prompt)}\n{tail}", PASSAGES)
    assert all(named(item.question) for item in written.items)
    assert written.dropped["format"] > 0


def test_the_same_document_recipe_and_base_give_the_same_items(tiny: LoadedModel) -> None:
    def run() -> list[Any]:
        config = LiftConfig(study="passages", questions=1, passage_tokens=400)
        events = list(write_items(tiny, TITLE, CHRONICLE, config, turn=no_turn))
        return [asdict(event) for event in events]

    first = run()
    assert first == run()
    assert first[-1]["done"] == first[-1]["total"] > 0


@pytest.mark.usefixtures("trusting")
def test_the_order_of_replies_makes_no_difference(tiny: LoadedModel, write: Write) -> None:
    def in_order(model: Any, loaded: LoadedModel, prompts: Any, **options: Any) -> Iterator[Any]:
        yield from sorted(scripted(facts)(model, loaded, prompts))

    writer = BaseWriter(tiny, no_turn, in_order)
    events = list(write_items(tiny, TITLE, CHRONICLE, PASSAGES, turn=no_turn, writer=writer))
    items = [checked.item for event in events for checked in event.items]
    assert items == write(facts, PASSAGES)[1].items


@pytest.mark.usefixtures("rounds")
def test_leaving_early_closes_the_writer(tiny: LoadedModel) -> None:
    closed = []

    class Watched(BaseWriter):
        def write(self, requests: Any) -> Any:
            try:
                yield from super().write(requests)
            finally:
                closed.append(True)

    writer = Watched(tiny, no_turn, scripted(facts))
    writing = write_items(tiny, TITLE, CHRONICLE, SENTENCES, turn=no_turn, writer=writer)
    next(writing)
    assert not closed
    writing.close()
    assert closed


@pytest.mark.parametrize("study", ["none", "passages", "question-words", "evidence", "sentences"])
def test_no_study_and_no_text_ask_nothing(write: Write, study: Any) -> None:
    config = LiftConfig(study=study, mixed_kinds=study != "none")
    events, written = write(facts, config, "" if study != "none" else CHRONICLE)
    assert (events, written.asked, written.items) == ([], 0, [])
