from __future__ import annotations

import io
from pathlib import Path

import pytest

from lift_chat.models.context import ChatSettings
from storage.library import Library
from storage.records import LOCAL, Adapter
from tests.cli.conftest import Type
from tests.cli.fakes import Desk

ANSWER = "It was lit by Sable Quist."


@pytest.fixture
def adapter(type_in: Type, tale: Path, desk: Desk) -> Adapter:
    type_in("absorb", str(tale), "--wait")
    with Library.read_only(desk.home) as library:
        return library.adapters(LOCAL)[0]


def test_one_question_prints_the_answer_and_what_was_in_the_window(
    type_in: Type, adapter: Adapter
) -> None:
    outcome = type_in("chat", "tale", "-m", "Who lit it?")
    assert (outcome.status, outcome.out) == (0, f"{ANSWER}\n")
    assert "passages on pages 1, 3 (100 of 8,540 tokens)" in outcome.err


def test_where_nothing_is_chosen_the_command_line_asks_as_a_program_does(
    type_in: Type, adapter: Adapter, desk: Desk
) -> None:
    type_in("chat", "tale", "-m", "Who?")
    assert desk.services[-1].settings_given == [ChatSettings()]
    assert ChatSettings().context == "retrieved"


def test_the_pages_of_an_answer_follow_it_unless_they_are_not_wanted(
    type_in: Type, adapter: Adapter
) -> None:
    quote = "Page 3: “The lamp was lit by a keeper named Sable Quist.”"
    outcome = type_in("chat", "tale", "-m", "Who lit it?")
    assert outcome.err.splitlines()[0] == quote
    assert quote in type_in("chat", "tale", "-m", "Who lit it?", "--compare").err
    outcome = type_in("chat", "tale", "-m", "Who lit it?", "--no-pages")
    assert "Page 3" not in outcome.err and outcome.out == f"{ANSWER}\n"


def test_strength_and_context_reach_the_model(type_in: Type, adapter: Adapter, desk: Desk) -> None:
    type_in("chat", "tale", "-m", "Who?", "--strength", "0.5", "--context", "truncated")
    (given,) = desk.services[-1].settings_given
    assert (given.strength, given.context) == (0.5, "truncated")
    refused = type_in("chat", "tale", "-m", "Who?", "--strength", "2")
    assert (refused.status, refused.err) == (1, "strength must lie in 0..1.5.\n")


def test_context_none_is_said(type_in: Type, adapter: Adapter) -> None:
    outcome = type_in("chat", "tale", "-m", "Who?", "--context", "none")
    assert "from weights alone" in outcome.err


def test_json_has_answer_and_window(type_in: Type, adapter: Adapter) -> None:
    facts = type_in("chat", adapter.id, "-m", "Who?", "--json").json
    assert facts["answer"] == ANSWER
    assert facts["window"]["document_tokens"] == 100
    assert facts["citations"][0]["page"] == 3
    assert "citations" not in type_in("chat", adapter.id, "-m", "Who?", "--json", "--no-pages").json
    both = type_in("chat", adapter.id, "-m", "Who?", "--json", "--compare").json
    assert (both["answer"], both["base_answer"]) == (ANSWER, "I do not know.")


def test_compare_prints_both_answers_once(type_in: Type, adapter: Adapter) -> None:
    outcome = type_in("chat", "tale", "-m", "Who?", "--compare")
    assert outcome.out == (f"With the adapter:\n{ANSWER}\n\nBase model alone:\nI do not know.\n")


def test_a_talk_remembers_what_was_said(
    type_in: Type, adapter: Adapter, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Who lit it?\n\nAnd who else?\n"))
    outcome = type_in("chat", "tale")
    assert outcome.out == f"{ANSWER}\n{ANSWER}\n"
    _, second = desk.services[-1].asked
    assert [message.content for message in second] == ["Who lit it?", ANSWER, "And who else?"]


def test_ctrl_c_stops_the_answer_not_the_talk(
    type_in: Type, adapter: Adapter, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Who lit it?\nAgain?\n"))
    desk.behaviour = {"interrupt_at": 2}
    outcome = type_in("chat", "tale")
    assert outcome.status == 0
    assert outcome.out == f"It was lit by \n{ANSWER}\n"
    assert desk.services[-1].closed_answers == 2
    assert desk.services[-1].asked[1][1].content == "It was lit by "


def test_an_adapter_of_another_base_is_refused_with_its_sentence(
    type_in: Type, adapter: Adapter, desk: Desk
) -> None:
    desk.behaviour = {"mismatch": "“Tale” was made for another base."}
    outcome = type_in("chat", "tale", "-m", "Who?")
    assert (outcome.status, outcome.err) == (1, "“Tale” was made for another base.\n")


def test_a_library_in_use_is_one_sentence(type_in: Type, adapter: Adapter, desk: Desk) -> None:
    desk.in_use = "The library is in use by process 7."
    outcome = type_in("chat", "tale", "-m", "Who?")
    assert (outcome.status, outcome.err) == (1, "The library is in use by process 7.\n")


def test_wrong_flags_are_refused(type_in: Type, adapter: Adapter) -> None:
    assert type_in("chat", "tale", "--json").status == 2
    refused = type_in("chat", "tale", "-m", "Who?", "--context", "all")
    assert (refused.status, refused.err) == (1, "context must be retrieved, truncated or none.\n")
