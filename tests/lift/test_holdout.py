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


def own(place: int, kind: str = "exam", **more: Any) -> StudyItem:
    """Words that no question of `item` has."""
    question = f"Which lamp does {NAMES[place]} of the sixteen keepers light?"
    return item(place, kind=kind, origin="person", **{"question": question, **more})


def test_own_exam_questions_are_asked_and_everything_else_is_learned() -> None:
    asked = [own(place) for place in (2, 5, 11)]
    exam, training = split([*asked, *ITEMS], TEXT, SPANS, 3)
    assert exam == asked and training == ITEMS


def test_an_exam_is_in_the_order_of_the_document() -> None:
    asked = [own(11), own(2, "pinned"), own(5)]
    exam, _ = split([*ITEMS, *asked], TEXT, SPANS, 6)
    starts = [one.start for one in exam]
    assert len(exam) == 6 and set(asked) <= set(exam) and starts == sorted(starts)


def test_of_more_own_questions_than_asked_the_pinned_come_first_and_the_rest_is_spread() -> None:
    asked = [own(place, "pinned" if place in (3, 4) else "exam") for place in range(16)]
    exam, training = split([*asked, *ITEMS], TEXT, SPANS, 6)
    assert training == ITEMS
    assert [one.start for one in exam if one.kind == "pinned"] == [
        SPANS[3].start, SPANS[4].start,
    ]  # fmt: skip
    quarters = {place * 4 // 16 for one in exam if one.kind == "exam" for place in places([one])}
    assert len(exam) == 6 and quarters == {0, 1, 2, 3}
    few, _ = split([own(place, "pinned") for place in range(16)] + [own(0)], TEXT, SPANS, 4)
    assert sorted(places(few)) == [0, 4, 8, 12] and {one.kind for one in few} == {"pinned"}


def test_own_questions_crowded_in_one_passage_do_not_crowd_the_others_out() -> None:
    crowd = [own(0, question=f"What is the {n}th oddity of the first lamp?") for n in range(9)]
    exam, _ = split([*crowd, own(7), own(15)], TEXT, SPANS, 3)
    assert sorted(places(exam)) == [0, 7, 15]


def test_where_own_questions_are_few_written_ones_fill_the_exam_up() -> None:
    asked = [own(2), own(5)]
    exam, training = split([*asked, *ITEMS], TEXT, SPANS, 6)
    filled = [one for one in exam if one not in asked]
    assert len(filled) == 4 and set(asked) < set(exam) and set(filled) < set(ITEMS)
    assert not places(filled) & places(training)
    assert len(training) == len(ITEMS) - 2 * 3  # two passages of three questions are closed
    most, _ = split([*asked, *ITEMS[:20]], TEXT, SPANS, 100)
    assert len(most) == 2 + 5, "a quarter of what there is to learn, at most"


def test_a_written_question_is_not_asked_beside_its_own_twin() -> None:
    asked = own(0, question=ITEMS[0].question)
    exam, training = split([asked, *ITEMS], TEXT, SPANS, 6)
    assert asked in exam and ITEMS[0] not in exam and ITEMS[0] not in training


def test_without_an_exam_own_questions_are_not_learned_either() -> None:
    assert split([own(2), *ITEMS, own(5, "pinned")], TEXT, SPANS, 0) == ([], ITEMS)


def test_own_questions_are_asked_where_nothing_can_be_set_aside() -> None:
    items = [item(0, number) for number in range(12)]
    assert split([own(0), *items], TEXT, SPANS, 2) == ([own(0)], items)
    assert split([own(3)], TEXT, SPANS, 2) == ([own(3)], [])


def test_what_comes_close_to_an_own_exam_question_is_not_learned() -> None:
    asked = own(2)
    twin = item(9, question=asked.question.replace("Which lamp", "Which, lamp"))
    assert near_duplicate(twin.question, asked.question)
    exam, training = split([asked, *ITEMS, twin], TEXT, SPANS, 1)
    assert exam == [asked] and training == ITEMS


def test_what_a_person_also_wrote_to_be_learned_is_learned_and_not_asked() -> None:
    asked = own(2)
    learned = replace(asked, kind="fact", answer="another lamp")
    exam, training = split([asked, own(5), learned, *ITEMS], TEXT, SPANS, 2)
    assert learned in training and own(5) in exam and asked not in exam
