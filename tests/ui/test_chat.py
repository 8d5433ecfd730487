from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from lift_chat.examples import EXAMPLE, questions
from tests.ui.fakes import ANSWER, BASE_ANSWER, FakeLiftChat
from ui.chat_handlers import PENDING, ChatHandlers
from ui.compare import CompareHandlers

NO_CHANGES: dict[str, Any] = {}


@pytest.fixture
def chat(fake: FakeLiftChat) -> ChatHandlers:
    return ChatHandlers(cast(Any, fake))


@pytest.fixture
def adapter_id(fake: FakeLiftChat, note: Path) -> str:
    fake.advance(fake.absorb(fake.add_document(note).id).id, 99)
    return fake.adapters()[0].id


@pytest.fixture
def conversation_id(chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str) -> str:
    """One with two turns."""
    list(chat.respond(adapter_id, "", "First?", NO_CHANGES))
    conversation = fake.conversations(adapter_id)[0].id
    list(chat.respond(adapter_id, conversation, "Second?", NO_CHANGES))
    return conversation


def texts(history: list[dict[str, Any]]) -> list[str]:
    return [message["content"][0]["text"].strip() for message in history]


def stored(fake: FakeLiftChat, conversation_id: str) -> list[str]:
    return [message.content.strip() for message in fake.messages(conversation_id)]


def retried(index: int) -> gr.RetryData:
    return gr.RetryData(None, {"index": index, "value": ""})


def test_a_chosen_adapter_is_made_ready_and_one_that_is_gone_is_no_trouble(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str
) -> None:
    for chosen in (None, "gone", adapter_id):
        chat.warm(chosen, {"context": "truncated"})
    assert [(made, used.context) for made, used in fake.warmed] == [(adapter_id, "truncated")]


def test_an_answer_grows_and_begins_a_conversation(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str
) -> None:
    first, *rest = list(chat.respond(adapter_id, "", " Which river? ", NO_CHANGES))
    conversation = fake.conversations(adapter_id)[0]
    assert texts(first[0]) == ["Which river?", PENDING]
    assert first[1]["value"] == conversation.id
    assert (first[2]["value"], first[2]["stop_btn"]) == ("", "Stop")
    grown = [texts(step[0])[1] for step in rest]
    assert [len(text) for text in grown] == sorted({len(text) for text in grown})
    assert grown[-1] == ANSWER
    assert stored(fake, conversation.id) == ["Which river?", ANSWER]


def test_after_a_turn_the_window_stands_under_the_answer(
    chat: ChatHandlers, adapter_id: str, conversation_id: str
) -> None:
    history, choices, box = chat.settle(adapter_id, conversation_id)
    assert "In the window: passages on pages 1, 3" in history[-1]["content"][1]["text"]
    assert ("First?", conversation_id) in choices["choices"]
    assert (box["submit_btn"], box["stop_btn"]) == ("Ask", False)


def test_the_pages_of_an_answer_stand_under_it(
    chat: ChatHandlers, adapter_id: str, conversation_id: str
) -> None:
    history, *_ = chat.settle(adapter_id, conversation_id)
    below = [part["text"] for part in history[-1]["content"][2:]]
    assert len(below) == 1 and "<summary>Pages 3, 17</summary>" in below[0]
    assert "&lt;" in below[0] and "<b>one" not in below[0]
    assert len(history[-2]["content"]) == 1, "a question has no pages"


def test_weights_only_says_that_nothing_was_in_the_window(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str
) -> None:
    list(chat.respond(adapter_id, "", "Which river?", {"context": "none"}))
    history, *_ = chat.settle(adapter_id, fake.conversations(adapter_id)[0].id)
    assert "weights alone" in history[-1]["content"][1]["text"]


def test_stop_closes_the_generation_and_keeps_what_was_said(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str
) -> None:
    turn = chat.respond(adapter_id, "", "Which river?", NO_CHANGES)
    conversation = next(turn)[1]["value"]
    next(turn)
    chat.stop(conversation)
    assert len(list(turn)) <= 1
    assert fake.closed_early == 1
    assert stored(fake, conversation)[1].startswith("The")
    assert len(stored(fake, conversation)[1]) < len(ANSWER)


def test_nobody_stops_somebody_elses_answer(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = chat.respond(adapter_id, "", "Which river?", NO_CHANGES)
    conversation = next(turn)[1]["value"]
    with monkeypatch.context() as stranger, pytest.raises(gr.Error):
        stranger.setattr("ui.chat_handlers.owner_of", lambda _: "hf:bob")
        chat.stop(conversation)
    assert len(list(turn)) > 1 and fake.closed_early == 0


def test_a_closed_page_closes_the_generation(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str
) -> None:
    turn = cast(Any, chat.respond(adapter_id, "", "Which river?", NO_CHANGES))
    next(turn), next(turn)
    turn.close()
    assert fake.closed_early == 1


def test_stopping_a_conversation_that_is_silent_does_nothing(chat: ChatHandlers) -> None:
    chat.stop("")


def test_an_empty_question_is_refused_before_anything_is_stored(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str
) -> None:
    with pytest.raises(gr.Error, match="Type a question"):
        list(chat.respond(adapter_id, "", "  ", NO_CHANGES))
    assert fake.conversations(adapter_id) == []


def test_without_an_adapter_one_is_asked_for(chat: ChatHandlers) -> None:
    with pytest.raises(gr.Error, match="Choose something absorbed"):
        list(chat.respond(None, "", "Hello?", NO_CHANGES))


def test_retry_asks_the_same_again_from_there(
    chat: ChatHandlers, fake: FakeLiftChat, conversation_id: str
) -> None:
    list(chat.retry(conversation_id, NO_CHANGES, retried(2)))
    assert stored(fake, conversation_id) == ["First?", ANSWER, "Second?", ANSWER]
    list(chat.retry(conversation_id, NO_CHANGES, retried(1)))
    assert stored(fake, conversation_id) == ["First?", ANSWER], "an answer's own index works too"


def test_retry_of_a_question_that_is_gone_is_one_sentence(
    chat: ChatHandlers, fake: FakeLiftChat, conversation_id: str
) -> None:
    fake.rewind(conversation_id, 0)
    with pytest.raises(gr.Error, match="no longer in the conversation"):
        list(chat.retry(conversation_id, NO_CHANGES, retried(0)))


def test_an_edited_question_replaces_the_rest(
    chat: ChatHandlers, fake: FakeLiftChat, conversation_id: str
) -> None:
    edit = gr.EditData(None, {"index": 0, "value": "Other?", "previous_value": "First?"})
    list(chat.edit(conversation_id, NO_CHANGES, edit))
    assert stored(fake, conversation_id) == ["Other?", ANSWER]


def test_a_question_edited_to_nothing_changes_nothing(
    chat: ChatHandlers, fake: FakeLiftChat, conversation_id: str
) -> None:
    edit = gr.EditData(None, {"index": 0, "value": " ", "previous_value": "First?"})
    with pytest.raises(gr.Error, match="Type a question"):
        list(chat.edit(conversation_id, NO_CHANGES, edit))
    assert len(stored(fake, conversation_id)) == 4


def test_undo_takes_the_question_back_into_the_box(
    chat: ChatHandlers, fake: FakeLiftChat, conversation_id: str
) -> None:
    undo = gr.UndoData(None, {"index": 2, "value": ""})
    history, box = chat.undo(conversation_id, undo)
    assert box == "Second?"
    assert texts(history) == stored(fake, conversation_id) == ["First?", ANSWER]


def test_opening_an_adapter_continues_its_newest_conversation(
    chat: ChatHandlers, adapter_id: str, conversation_id: str
) -> None:
    trouble, chatbot, conversation, box = chat.open(adapter_id)
    assert trouble["visible"] is False
    assert texts(chatbot["value"])[0] == "First?"
    assert conversation["value"] == conversation_id
    assert box["interactive"] is True


def test_an_adapter_that_does_not_fit_says_why_and_takes_no_question(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str
) -> None:
    fake.mismatch = "Made for another model."
    trouble, _, _, box = chat.open(adapter_id)
    assert "Made for another model." in trouble["value"]
    assert box["interactive"] is False
    assert chat.refresh(None)[0]["choices"] == [("A Note (cannot be used now)", adapter_id)]


def test_an_empty_library_says_what_to_do(chat: ChatHandlers) -> None:
    adapter, room, nothing = chat.refresh(None)
    assert adapter == gr.update(choices=[], value=None)
    assert (room["visible"], nothing["visible"]) == (False, True)
    assert chat.open(None) == (gr.skip(),) * 4


def test_the_chosen_adapter_stays_chosen_unless_it_is_gone(
    chat: ChatHandlers, adapter_id: str
) -> None:
    assert chat.refresh(adapter_id)[0]["value"] == adapter_id
    assert chat.refresh("gone")[0]["value"] == adapter_id


def test_the_example_comes_with_its_pinned_questions(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str
) -> None:
    fake.advance(fake.absorb(fake.add_document(EXAMPLE.pdf).id).id, 99)
    examples = chat.open(fake.adapters()[0].id)[1]["examples"]
    assert [e["text"] for e in examples] == [q.question for q in questions() if q.pinned]
    general = chat.open(adapter_id)[1]["examples"]
    assert general and general != examples


def test_a_suggested_question_is_asked(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str
) -> None:
    data = gr.SelectData(None, {"index": 0, "value": {"text": "Which river?"}})
    list(chat.suggested(adapter_id, "", NO_CHANGES, data))
    assert stored(fake, fake.conversations(adapter_id)[0].id)[0] == "Which river?"


def test_a_deleted_conversation_is_gone_and_the_next_one_opens(
    chat: ChatHandlers, fake: FakeLiftChat, adapter_id: str, conversation_id: str
) -> None:
    _, chatbot, conversation, _ = chat.forget(adapter_id, conversation_id)
    assert fake.conversations(adapter_id) == []
    assert (chatbot["value"], conversation["value"]) == ([], "")


def test_both_answers_grow_side_by_side(fake: FakeLiftChat, adapter_id: str) -> None:
    compare = CompareHandlers(cast(Any, fake))
    *_, last = list(compare.ask(adapter_id, "Which river?", NO_CHANGES))
    assert [text.strip() for text in last[:2]] == [ANSWER, BASE_ANSWER]
    assert "In the window" in last[2]


def test_stopping_a_comparison_closes_it(fake: FakeLiftChat, adapter_id: str) -> None:
    asked = cast(Any, CompareHandlers(cast(Any, fake)).ask(adapter_id, "River?", NO_CHANGES))
    next(asked), next(asked)
    asked.close()
    assert fake.closed_early == 1


def test_a_comparison_needs_an_adapter_and_a_question(fake: FakeLiftChat, adapter_id: str) -> None:
    compare = CompareHandlers(cast(Any, fake))
    for chosen, question in ((None, "River?"), (adapter_id, " ")):
        with pytest.raises(gr.Error):
            list(compare.ask(chosen, question, NO_CHANGES))
