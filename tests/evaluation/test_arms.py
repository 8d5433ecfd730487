"""What stands in the window of each arm, and which arms are compared."""

from __future__ import annotations

import pytest

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.arms import (
    Room,
    WindowName,
    base_arms,
    check_windows,
    differences,
    fits,
    prompt,
    source_of,
    trained_arms,
)
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion
from lift_chat.models.context import ChatSettings, assemble
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import MARKER, question_ids
from storage.records import Message
from tests.conftest import QUICK

LONG = " ".join(
    f"The lamp of number {n} burned for {n} hours and was then put out." for n in range(30)
)
NINETEEN = EvalQuestion("How long did number nineteen, 19, burn?", ("19 hours",))
ROOM = Room(window=300, answer=16)


def document(text: str = LONG, *questions: EvalQuestion) -> EvalDocument:
    return EvalDocument("lamps", "Lamps", text, questions or (NINETEEN,))


def shown(tiny: LoadedModel, window: WindowName, room: Room = ROOM) -> str:
    source = source_of(tiny, document())
    return str(tiny.tokenizer.decode(prompt(tiny, source, NINETEEN, window, room).ids))


@pytest.mark.parametrize("window", ["closed", "wrong"])
def test_closed_book_is_the_question_of_training_and_exam(
    tiny: LoadedModel, window: WindowName
) -> None:
    made = prompt(tiny, source_of(tiny, document()), NINETEEN, window, ROOM)
    assert made.ids == question_ids(tiny, "Lamps", NINETEEN.question)


def test_truncated_is_chats_own_window(tiny: LoadedModel) -> None:
    source = source_of(tiny, document())
    asked = [Message("user", NINETEEN.question)]
    settings = ChatSettings(context="truncated", max_new_tokens=16, window_tokens=300)
    made = prompt(tiny, source, NINETEEN, "truncated", ROOM)
    assert made == assemble(tiny, source, asked, settings)
    assert len(made.ids) <= 300
    text = shown(tiny, "truncated")
    assert "number 0 burned" in text
    assert MARKER in text
    assert "number 19 burned" not in text


def test_retrieved_fills_the_same_window_with_what_the_question_is_about(tiny: LoadedModel) -> None:
    text = shown(tiny, "retrieved")
    assert "number 19 burned" in text
    made = prompt(tiny, source_of(tiny, document()), NINETEEN, "retrieved", ROOM)
    assert 150 < len(made.ids) <= 300


def test_full_is_the_whole_document_only_where_it_fits(tiny: LoadedModel) -> None:
    short = LONG[:1200]
    assert fits(tiny, document(short), ROOM)
    made = prompt(tiny, source_of(tiny, document(short)), NINETEEN, "full", ROOM)
    assert short in tiny.tokenizer.decode(made.ids)
    assert not fits(tiny, document(LONG * 3), ROOM)


def test_a_collections_own_prompt_stands_around_the_document(tiny: LoadedModel) -> None:
    own = EvalQuestion(
        "19?", ("x",), prompt="READ\n{context}\nNOW: 19? {context}", max_new_tokens=8
    )
    source = source_of(tiny, document())
    for window in ("truncated", "retrieved"):
        made = prompt(tiny, source, own, window, ROOM)
        text = tiny.tokenizer.decode(made.ids)
        assert "READ\n" in text and text.count("burned") > 1 and "based on" not in text
        assert text.endswith("NOW: 19? {context}<end><assistant>")  # the place is filled once
        assert made.facts.prompt_tokens == len(made.ids) <= 300
    assert "number 19 burned" in text
    closed = prompt(tiny, source, own, "closed", ROOM)
    assert closed.ids == question_ids(tiny, "Lamps", "19?")


def test_the_base_always_answers_closed_book() -> None:
    assert [arm.name for arm in base_arms(["retrieved"])] == ["base/closed", "base/retrieved"]
    names = [arm.name for arm in base_arms(check_windows(["full", "closed", "full"]))]
    assert names == ["base/closed", "base/full"]


def test_no_adapter_answers_with_the_whole_document() -> None:
    arms = trained_arms({"raw": QUICK, "ours": QUICK}, ["closed", "full"])
    assert [arm.name for arm in arms] == ["raw/closed", "ours/closed"]


def test_an_unknown_window_is_one_sentence() -> None:
    with pytest.raises(InvalidConfig, match="no window 'wrong'; there are closed"):
        check_windows(["wrong"])


def test_arms_are_compared_with_the_base_the_control_and_earlier_recipes() -> None:
    names = ["base/closed", "base/retrieved", "raw/closed", "raw/wrong", "ours/closed"]
    names += ["ours/retrieved", "ours/wrong"]
    assert list(differences(names)) == [
        ("raw/closed", "base/closed"),
        ("raw/closed", "raw/wrong"),
        ("ours/closed", "base/closed"),
        ("ours/closed", "ours/wrong"),
        ("ours/closed", "raw/closed"),
        ("ours/retrieved", "base/retrieved"),
    ]
    whole = list(differences([*names, "base/full"]))
    assert ("ours/retrieved", "base/full") in whole and len(whole) == 7
