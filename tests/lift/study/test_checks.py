from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from lift_chat.lift.passages import Span
from lift_chat.lift.study.checks import (
    NEAR,
    Questions,
    answered_at,
    find_verbatim,
    grounded,
    near_duplicate,
    question_fault,
    terms,
)
from storage.records import StudyItem
from tests.conftest import TALE

WHOLE = Span(0, len(TALE))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Who lit the lamp of Orrin Vale?", "who lit a lamp of Orrin Vale", True),
        ("Who was it that lit the lamp?", "Who lit the lamp?", False),
        ("What did Sable Quist burn to keep light?", "What did Sable Quist burn to keep?", True),
        ("Who lit the lamp?", "Who froze the oil?", False),
        ("How many ships came into port in 1901?", "How many ships came into port in 1902?", False),
        ("灯塔的守护者是谁？", "灯塔的守护者是谁?", True),
        ("灯塔的守护者是谁？", "船长送来了什么东西？", False),
    ],
)
def test_near_duplicates_share_four_fifths_of_their_words(
    first: str, second: str, same: bool
) -> None:
    assert near_duplicate(first, second) is same
    assert near_duplicate(second, first) is same


def test_the_index_finds_what_comparing_all_would_find() -> None:
    draw = random.Random(1)
    vocabulary = [f"w{'abcdefghij'[i % 10] * (i // 3 + 1)}" for i in range(14)]
    asked = [" ".join(draw.choices(vocabulary, k=draw.randint(1, 9))) for _ in range(200)]
    kept, known, found = [], Questions(), 0
    for question in asked:
        held = any(near_duplicate(question, other) for other in kept)
        assert (question in known) is held
        found += held
        if not held:
            kept.append(question)
            known.add(question)
    assert 20 < found < 180


@pytest.mark.parametrize(
    ("question", "answer", "fault"),
    [
        ("Who lit the lamp of Orrin Vale?", "Sable Quist", ""),
        ("Wer zündete die Lampe an?", "Sable Quist", ""),
        ("灯塔的守护者是谁？", "塔恩", ""),
        ("What is the text of the treaty of Vale?", "Peace for ever", ""),
        ("How long did the passage to Vale take?", "Four days", ""),
        ("Sable Quist lit the lamp", "Sable Quist", "no question mark"),
        ("Who sailed?", "Ilse Tarn", "length of the question"),
        ("Who " + "so " * 60 + "lit it?", "Sable Quist", "length of the question"),
        ("Who lit the lamp?", "—", "length of the answer"),
        ("Who lit the lamp?", "very " * 61, "length of the answer"),
        ("What did he do to them?", "He hit them", "names nothing"),
        ("According to the text, who lit the lamp?", "Sable", "refers to the text"),
        ("Who lit the lamp in this passage?", "Sable", "refers to the text"),
        ("Who lit the lamp, based on the given story?", "Sable", "refers to the text"),
        ("What does the text say about Sable?", "Nothing", "refers to the text"),
        ("Was machte Sable laut dem Text?", "Feuer", "refers to the text"),
        ("Did Sable Quist light the lamp?", "Sable quist.", "contains its answer"),
    ],
)
def test_the_form_of_a_question(question: str, answer: str, fault: str) -> None:
    assert question_fault(question, answer) == fault


def test_an_answer_inside_another_word_is_not_given_away() -> None:
    assert question_fault("Who climbed 211 steps each evening?", "11") == ""


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        ("The ship Gannet saw it from four leagues away and turned.", True),
        ("  The ship\n Gannet   saw it ", True),
        ("“The ship Gannet saw it”", True),
        ("The ship Gannet saw him", False),
        ("the ship Gannet saw it", False),
        ("ship Gannet", False),
        ("The ship.Gannet saw it", False),
        ("", False),
    ],
)
def test_evidence_stands_in_the_text_word_for_word(evidence: str, found: bool) -> None:
    span = find_verbatim(TALE, evidence, WHOLE)
    assert (span is not None) is found


def test_evidence_comes_back_as_offsets_of_the_text_with_its_own_whitespace_and_quotes() -> None:
    text = "First. “Keep\n  the lamp lit”, said Quist’s\taunt. Keep the lamp lit"
    span = find_verbatim(text, '"Keep the lamp lit", said Quist\'s aunt', Span(0, len(text)))
    assert span is not None
    assert text[span.start : span.end] == "“Keep\n  the lamp lit”, said Quist’s\taunt"


def test_evidence_from_elsewhere_in_the_text_does_not_count() -> None:
    evidence = "The ship Gannet saw it"
    start = TALE.index(evidence)
    assert find_verbatim(TALE, evidence, Span(0, start + 5)) is None
    assert find_verbatim(TALE, evidence, Span(start, len(TALE))) == Span(
        start, start + len(evidence)
    )


def test_an_answer_is_placed_at_its_evidence_and_else_in_its_passage() -> None:
    evidence = "The ship Gannet saw it"
    start = TALE.index(evidence)
    proven = StudyItem("Who saw it?", "The Gannet", 0, len(TALE), evidence)
    assert answered_at(TALE, proven) == Span(start, start + len(evidence))
    assert answered_at(TALE, replace(proven, evidence="")) == WHOLE
    assert answered_at(TALE, replace(proven, end=start)) == Span(0, start)


@pytest.mark.parametrize(
    ("answer", "stands"),
    [
        ("Sable Quist", True),
        ("It was Sable Quist of the lamp", True),
        ("Sable Quist and Peter Meyer", True),
        ("Sable Meyer Jones", False),
        ("yes", False),
        ("A cask of honey.", True),
    ],
)
def test_half_of_an_answer_stands_on_its_passage(answer: str, stands: bool) -> None:
    assert grounded(answer, TALE) is stands


def test_the_prefix_never_hides_a_pair_at_exactly_the_limit() -> None:
    letters = "abcdefghij"
    for size in range(1, 11):
        whole = " ".join(f"w{letter * 2}" for letter in letters[:size])
        for left_out in itertools.chain.from_iterable(
            itertools.combinations(letters[:size], k) for k in range(size)
        ):
            part = " ".join(f"w{c * 2}" for c in letters[:size] if c not in left_out)
            known = Questions()
            known.add(whole)
            share = len(terms(part)) / size
            assert (part in known) is (share >= NEAR - 1e-9)
