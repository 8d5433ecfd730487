from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from lift_chat.lift.holdout import split
from lift_chat.lift.passages import sentences
from lift_chat.lift.questions import places_of
from lift_chat.lift.study.checks import near_duplicate
from storage.records import StudyItem

NAMES = [f"{a}{b}" for a in ("Bra", "Cor", "Fen", "Gar") for b in ("dor", "lin", "mont", "ric")]
TEXT = "".join(f"The keeper {name} lit lamp {n} at dusk. " for n, name in enumerate(NAMES))
SPANS = sentences(TEXT)


def item(place: int, number: int = 0, **more: Any) -> StudyItem:
    span = SPANS[place]
    question = f"What of {NAMES[place]} is number {number} about?"
    return StudyItem(**{"question": question, "answer": "a lamp", "start": span.start,
                        "end": span.end, **more})  # fmt: skip


def places(items: list[StudyItem]) -> set[int]:
    return {place for one in items for place in places_of(one, TEXT, SPANS)}


ITEMS = [item(place, number) for place in range(len(SPANS)) for number in range(3)]


def test_exam_and_training_share_no_passage_and_lose_no_other_question() -> None:
    exam, training = split(ITEMS, TEXT, SPANS, 6)
    assert len(exam) == 6 and not places(exam) & places(training)
    assert places(exam) | places(training) == set(range(len(SPANS)))
    assert len(training) == len(ITEMS) - 6


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_split_shares_no_passage_and_no_question(seed: int) -> None:
    draw = random.Random(seed)
    items = []
    for number in range(40):
        first, last = sorted(draw.choices(range(len(SPANS)), k=2))
        kind = draw.choice(["fact", "evidence", "order", "two-passages", "unanswerable"])
        one = item(first, number % 7, kind=kind, end=SPANS[last].end)
        proof = SPANS[draw.randint(first, last)].of(TEXT)
        items.append(replace(one, evidence=proof) if kind == "evidence" else one)
    exam, training = split(items, TEXT, SPANS, 8)
    assert 0 < len(exam) <= 8
    narrow = [one for one in training if len(places_of(one, TEXT, SPANS)) <= 6]
    assert not places(exam) & places(narrow)
    assert {one.kind for one in exam} <= {"fact", "evidence"}
    for one in training:
        assert not any(near_duplicate(one.question, other.question) for other in exam)


def test_a_question_is_about_the_sentence_that_proves_it_not_about_its_whole_run() -> None:
    about = {"end": SPANS[11].end, "kind": "evidence", "evidence": SPANS[8].of(TEXT)}
    runs = [item(6, number, **about) for number in (11, 12, 13)]
    others = [one for one in ITEMS if places_of(one, TEXT, SPANS) != (8,)]
    exam, training = split([*others, *runs], TEXT, SPANS, 12)
    assert set(runs) <= set(exam)
    assert {6, 7, 9, 10, 11} <= places(training)
    exam, training = split([*ITEMS, runs[0]], TEXT, SPANS, 6)
    assert 8 in places(exam) and runs[0] not in exam and runs[0] not in training


def test_the_exam_is_spread_evenly_over_the_document() -> None:
    exam, _ = split(ITEMS, TEXT, SPANS, 12)
    assert sorted(places(exam)) == [0, 4, 8, 12]


def test_the_exam_takes_a_quarter_of_the_questions_at_most() -> None:
    exam, training = split(ITEMS[:20], TEXT, SPANS, 100)
    assert len(exam) == 5 and training
    assert split(ITEMS[:3], TEXT, SPANS, 100) == ([], ITEMS[:3])
    assert split(ITEMS, TEXT, SPANS, 0) == ([], ITEMS)


def test_questions_about_one_passage_alone_are_all_learned() -> None:
    items = [item(0, number) for number in range(12)]
    assert split(items, TEXT, SPANS, 2) == ([], items)


def test_a_paraphrase_in_another_passage_is_not_learned() -> None:
    exam, _ = split(ITEMS, TEXT, SPANS, 3)
    twin = item(5, question=exam[0].question.replace("What of", "What, of"))
    assert near_duplicate(twin.question, exam[0].question)
    again, training = split([*ITEMS, twin], TEXT, SPANS, 3)
    assert exam == again and twin not in training


def test_what_a_person_wrote_is_never_in_the_exam_and_never_dropped() -> None:
    own = [item(place, number, origin="person") for place in range(16) for number in (1, 5)]
    exam, training = split([*ITEMS, *own], TEXT, SPANS, 12)
    assert exam and not any(one.origin == "person" for one in exam)
    assert [one for one in training if one.origin == "person"] == own
    for one in own:  # nor is anything in the exam that training asks
        assert not any(near_duplicate(one.question, other.question) for other in exam)


def test_where_a_person_wrote_everything_there_is_no_exam() -> None:
    own = [replace(one, origin="person") for one in ITEMS]
    assert split(own, TEXT, SPANS, 8) == ([], own)


def test_a_question_about_the_whole_document_is_no_reason_to_drop_it() -> None:
    digest = item(0, 9, kind="summary", end=len(TEXT))
    section = item(0, 8, kind="summary", end=SPANS[3].end)
    exam, training = split([*ITEMS, digest, section], TEXT, SPANS, 3)
    assert 0 in places(exam) and digest in training and section not in training
