from __future__ import annotations

import re

import pytest

from lift_chat.lift.passages import Span
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study import kinds
from lift_chat.lift.study.parsing import Pair
from lift_chat.models.prompts import MARKER, UNANSWERABLE
from storage.records import StudyItem
from tests.lift.study.conftest import Write
from tests.lift.study.script import CHRONICLE, FACTS, NAMES, TITLE, facts, named

MIXED = LiftConfig(study="passages", questions=4, passage_tokens=80, mixed_kinds=True)
WHOLE = Span(0, len(CHRONICLE))


def say(prompt: str) -> str:
    """A good reply to each kind of prompt."""
    people = named(prompt)
    first, last = people[0], people[-1]
    things = [FACTS[name] for name in people]
    if MARKER in prompt:
        return (
            f"Question: Who burned something like {first} with the {things[0]}?\n"
            f"Answer: {last} burned the {things[-1]}"
        )
    if "order of events" in prompt:
        return f"Question: What burned after the {things[0]}?\nAnswer: {people[1]}'s {things[1]}"
    if "list of all names" in prompt:
        return (
            f"Question: Which two things burned first, by {first} and next?\n"
            f"Answer: {things[0]}, {things[1]}"
        )
    if "asks for a summary" in prompt or "summaries of the parts" in prompt:
        return (
            f"Question: What is told of {first}?\n"
            f"Answer: In winter {first} burned {things[0]}, {last} {things[-1]}."
        )
    if "Turn this around" in prompt:
        name, thing = re.findall(
            r"Question: What did (.+) burn in winter\?\nAnswer: The (\w+)", prompt
        )[0]
        return f"Question: Who was it that burned the {thing}?\nAnswer: {name}"
    return facts(prompt)


@pytest.mark.usefixtures("trusting")
def test_every_kind_is_kept_when_it_is_written(write: Write) -> None:
    _, written = write(say, MIXED)
    found: dict[str, list[StudyItem]] = {}
    for item in written.items:
        found.setdefault(item.kind, []).append(item)
    assert {kind: bool(items) for kind, items in found.items()} == dict.fromkeys(
        ["fact", "two-passages", "order", "list", "summary", "reversed", "unanswerable"], True
    )
    assert len(found["fact"]) == 24
    assert len(found["reversed"]) == 12
    assert len(found["unanswerable"]) == 3
    assert found["summary"][-1].question == f"What is “{TITLE}” about?"
    assert (found["summary"][-1].start, found["summary"][-1].end) == (0, len(CHRONICLE))
    for item in found["two-passages"]:
        first, last = named(item.question)[0], named(item.answer)[0]
        shown = CHRONICLE[item.start : item.end]
        assert first in shown
        assert last in shown
        assert NAMES.index(last) - NAMES.index(first) > 6
    assert written.written == len(written.items) + sum(written.dropped.values())


@pytest.mark.usefixtures("trusting")
def test_a_model_that_can_write_plain_questions_alone_gives_plain_questions(write: Write) -> None:
    _, written = write(facts, MIXED)
    assert {item.kind for item in written.items} == {"fact", "unanswerable"}
    assert written.dropped["format"] > 0


def suits(request: kinds.Request | None, question: str, answer: str) -> bool:
    assert request is not None
    return request.suits(Pair(question, answer))


def test_a_question_over_two_passages_uses_something_of_each() -> None:
    text = "The lamp was lit by Sable Quist. The ship was led by Ilse Tarn. "
    middle = text.index("The ship")
    first, second = Span(0, middle), Span(middle, len(text))
    (request,) = kinds.across("", [], 0) or [kinds._across(text, first, second)]
    assert suits(request, "Who led the ship that saw the lamp?", "Ilse Tarn")
    assert not suits(request, "Who led the ship?", "Ilse Tarn")
    assert not suits(request, "Who lit the lamp?", "Sable Quist")


def test_partners_of_passages_are_distant_and_share_rare_words() -> None:
    parts = [f"Common words stand in part {number} here. " for number in range(12)]
    parts[0] = "The amber lantern stands in a part here. "
    parts[9] = "Some amber lantern stands in another part. "
    spans, start = [], 0
    for part in parts:
        spans.append(Span(start, start + len(part)))
        start += len(part)
    requests = kinds.across("".join(parts), spans, 0)
    assert requests[0].spans == (spans[0], spans[9])
    assert all(spans.index(r.spans[1]) - spans.index(r.spans[0]) >= 4 for r in requests)
    assert kinds.across("".join(parts), spans[:3], 0) == []


def test_an_order_question_speaks_of_order() -> None:
    request = kinds.order(CHRONICLE, WHOLE)
    assert suits(request, "What burned right after the letters?", "The ropes")
    assert not suits(request, "What did Sable Quist burn?", "The letters")


def test_a_list_has_parts_and_each_stands_in_the_passage() -> None:
    request = kinds.listing(CHRONICLE, WHOLE)
    assert suits(request, "Which things burned?", "letters, ropes and barrels")
    assert suits(request, "Which things burned?", "The letters; the ropes")
    assert not suits(request, "Which things burned?", "letters")
    assert not suits(request, "Which things burned?", "letters, elephants")


def test_a_reversed_question_asks_for_what_the_other_names() -> None:
    item = StudyItem("What did Sable Quist burn in winter?", "The letters", 0, 60)
    request = kinds.turned(CHRONICLE, item)
    assert suits(request, "Who burned the letters?", "Sable Quist")
    assert not suits(request, "Who burned the ropes?", "Sable Quist")
    assert not suits(request, "Who burned the letters?", "Ilse Tarn")
    long = StudyItem(item.question, "The letters and " * 5, 0, 60)
    assert kinds.turned(CHRONICLE, long) is None


def test_a_summary_is_a_sentence() -> None:
    request = kinds.summary(CHRONICLE, WHOLE)
    answer = "In winter people burned letters, ropes, barrels and much else."
    assert suits(request, "What is told of winter?", answer)
    assert not suits(request, "What is told of winter?", "People burned things")


def test_a_digest_shows_an_even_choice_of_summaries_and_needs_one() -> None:
    items = [StudyItem("?", f"Part {number} is told.", 0, 1, kind="summary") for number in range(9)]
    (request,) = kinds.digest(TITLE, CHRONICLE, items, 3 * 64)
    assert re.findall(r"Part (\d)", request.prompt) == ["0", "3", "6"]
    assert kinds.digest(TITLE, CHRONICLE, [], 1000) == []


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("What did Sable Quist burn?", "What did {} burn?"),
        ("Where lies Sable's friend of Anne-Marie Vale?", "Where lies Sable's friend of {}?"),
        ("Sable Quist, who met Ilse, burned what?", "Sable Quist, who met {}, burned what?"),
        ("What happened in winter 1843?", "What happened in winter {}?"),
        ("what burned in the lamp?", None),
        ("Who other than Ilse Tarn burned things?", None),
        ("灯塔的守护者是谁？", None),
    ],
)  # fmt: skip
def test_an_unanswerable_question_names_what_stands_nowhere(
    question: str, kept: str | None
) -> None:
    text = f"{CHRONICLE} {question} 1843"
    made = kinds.unanswerable(text, [StudyItem(question, "The letters", 3, 9)], seed=1)
    if kept is None:
        assert made == []
        return
    (item,) = made
    match = re.fullmatch(re.escape(kept).replace(r"\{\}", "(.+)"), item.question)
    assert match is not None
    assert match[1].lower() not in text.lower()
    assert (item.answer, item.kind) == (UNANSWERABLE, "unanswerable")
    assert (item.start, item.end, item.origin) == (3, 9, "model")


def test_invented_names_differ_and_follow_the_seed() -> None:
    items = [StudyItem(f"What did Sable Quist burn on day {n}?", "x", 0, 1) for n in range(80)]

    def questions(seed: int) -> list[str]:
        made = kinds.unanswerable(CHRONICLE, items, seed)
        return [item.question.split()[2] for item in made]

    assert len(set(questions(0))) == 10
    assert questions(0) == questions(0) != questions(1)
