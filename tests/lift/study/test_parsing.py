from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_chat.lift.study.parsing import Pair, Parsed, parse_pairs, parse_proven

LAMP = Pair("Who lit the lamp?", "Sable Quist")
SHIP = Pair("Which ship turned?", "The Gannet")
LAMP_LINES = "Question: Who lit the lamp?\nAnswer: Sable Quist"
SHIP_LINES = "Question: Which ship turned?\nAnswer: The Gannet"


@pytest.mark.parametrize(
    "reply",
    [
        f"{LAMP_LINES}\n{SHIP_LINES}",
        f"\n  {LAMP_LINES}\n\n\n{SHIP_LINES}  \n",
        f"1. {LAMP_LINES}\n2. {SHIP_LINES}",
        f"1) {LAMP_LINES}\n\n(2) {SHIP_LINES}",
        f"1.\n{LAMP_LINES}\n2.\n{SHIP_LINES}",
        "Question 1:Who lit the lamp?\nAnswer 1: Sable Quist\n" + SHIP_LINES,
        f"{LAMP_LINES}\r\n{SHIP_LINES}",
        "Question: Who lit the lamp?\n\nAnswer: Sable Quist\n\n" + SHIP_LINES,
    ],
)
def test_numbering_and_whitespace_are_tolerated(reply: str) -> None:
    assert parse_pairs(reply, 2) == Parsed((LAMP, SHIP), 0)


@pytest.mark.parametrize(
    "broken",
    [
        "Question: Who lit the lamp?",
        "Answer: Sable Quist",
        "Question: Who lit the lamp?\nAnswer:",
        "Question:\nAnswer: Sable Quist",
        "Who lit the lamp?\nSable Quist",
        "**Question:** Who lit the lamp?\n**Answer:** Sable Quist",
        "Q: Who lit the lamp?\nA: Sable Quist",
        "Question: Who lit the lamp? Answer: Sable Quist",
        f"{LAMP_LINES}\nand her sister",
        f"{LAMP_LINES}\nAnswer: Ilse Tarn",
        f"{LAMP_LINES}\nEvidence: Sable Quist lit the lamp.",
    ],
)
def test_another_form_is_dropped_and_counted_and_its_neighbour_kept(broken: str) -> None:
    assert parse_pairs(f"{broken}\n{SHIP_LINES}", 2) == Parsed((SHIP,), 1)


def test_a_remark_costs_no_question() -> None:
    reply = f"Here are two questions:\n{LAMP_LINES}\n\n{SHIP_LINES}\n\nI hope this helps!"
    assert parse_pairs(reply, 2) == Parsed((LAMP, SHIP), 2)


def test_questions_beyond_the_number_asked_for_are_dropped_and_counted() -> None:
    assert parse_pairs(f"{LAMP_LINES}\n{SHIP_LINES}", 1) == Parsed((LAMP,), 1)


def test_three_lines_carry_evidence_and_two_lines_do_not_pass_for_three() -> None:
    evidence = "Sable Quist lit the lamp."
    whole = Parsed((Pair(LAMP.question, LAMP.answer, evidence),), 0)
    assert parse_proven(f"{LAMP_LINES}\nEvidence: {evidence}") == whole
    assert parse_proven(LAMP_LINES) == Parsed((), 1)


lines = st.sampled_from(["Question: ", "Answer:", "Evidence: ", "1. ", "\n", " ", "who?", "Sable"])


@given(st.one_of(st.text(), st.lists(lines).map("".join)), st.integers(0, 3))
def test_no_reply_raises_and_what_comes_out_is_whole(reply: str, most: int) -> None:
    for parse in (parse_pairs, parse_proven):
        parsed = parse(reply, most)
        assert len(parsed.pairs) <= most
        assert all(pair.question and pair.answer for pair in parsed.pairs)
        assert bool(parsed.pairs or parsed.malformed) or not reply.strip(" \n1.") or most == 0
