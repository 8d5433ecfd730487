from __future__ import annotations

from typing import Any

import pytest

from lift_chat.errors import InvalidConfig
from lift_chat.models.context import ChatSettings, Source, Window, assemble, frame
from lift_chat.models.loading import LoadedModel
from storage.records import Message, Page

WORDS = [f"word{n:04d}" for n in range(400)]


def source(pages: int = 8) -> Source:
    size = len(WORDS) // pages
    made, start = [], 0
    for number in range(pages):
        text = " ".join(WORDS[number * size : (number + 1) * size])
        made.append(Page(number + 1, str(number + 1), start, start + len(text), text))
        start += len(text) + 2
    return Source("Four Hundred Words", made)


def prompt(tiny: LoadedModel, window: Window) -> str:
    return str(tiny.tokenizer.decode(window.ids))


def ask(tiny: LoadedModel, messages: list[Message], **settings: Any) -> Window:
    return assemble(tiny, source(), messages, ChatSettings(**{"max_new_tokens": 20, **settings}))


QUESTION = [Message("user", "Which word?")]


def test_head_and_tail_survive_around_the_marker_within_the_window(tiny: LoadedModel) -> None:
    window = ask(tiny, QUESTION, window_tokens=400)
    text = prompt(tiny, window)
    assert len(window.ids) <= 400
    assert "word0000 word0001" in text and "word0398 word0399" in text
    assert text.count(" ... ") == 1 and "word0200" not in text
    head, tail = text.split(" ... ")
    assert abs(head.count("word") - tail.count("word")) <= 6
    assert window.facts.pages == "1, 8"
    assert 0 < window.facts.document_tokens < window.facts.document_total_tokens
    assert "pages 1, 8" in window.facts.sentence()


def test_a_document_that_fits_is_given_whole(tiny: LoadedModel) -> None:
    short = Source("Short", [Page(1, "1", 0, 12, "One two six.")])
    window = assemble(tiny, short, QUESTION, ChatSettings(max_new_tokens=20))
    assert "One two six." in prompt(tiny, window) and " ... " not in prompt(tiny, window)
    assert "the whole document" in window.facts.sentence()


def test_without_context_no_word_of_the_document_is_in_the_prompt(tiny: LoadedModel) -> None:
    window = ask(tiny, QUESTION, context="none")
    assert "word0" not in prompt(tiny, window)
    assert "Four Hundred Words" in prompt(tiny, window)
    assert window.facts.document_tokens == 0
    assert "from weights alone" in window.facts.sentence()


def test_the_document_is_part_of_the_first_user_turn(tiny: LoadedModel) -> None:
    history = [Message("user", "First?"), Message("assistant", "Yes."), Message("user", "Second?")]
    text = prompt(tiny, ask(tiny, history, window_tokens=600))
    assert text.startswith("<user>word0000")
    assert text.index("word0399") < text.index("First?") < text.index("<assistant>Yes.")
    assert text.endswith("Second?<end><assistant>")


def test_the_oldest_messages_go_first_and_turns_stay_paired(tiny: LoadedModel) -> None:
    history = []
    for number in range(30):
        history += [
            Message("user", f"Question {number:02d}?"),
            Message("assistant", f"Answer {number:02d} of some length to fill the window."),
        ]
    window = ask(tiny, [*history, Message("user", "Last?")], context="none", window_tokens=300)
    text = prompt(tiny, window)
    assert len(window.ids) <= 300
    assert "Question 00" not in text and "Last?" in text and "Question 29" in text
    assert window.facts.dropped_messages > 0 and window.facts.dropped_messages % 2 == 0
    first = text.index("Question 2")
    assert text.index("Answer 2") > first


def test_a_message_longer_than_the_model_is_refused(tiny: LoadedModel) -> None:
    with pytest.raises(InvalidConfig, match="too long"):
        ask(tiny, [Message("user", "very " * 1200)])


def test_prompts_with_and_without_document_use_the_same_words() -> None:
    assert frame("T", "Q?", "TEXT") == "TEXT\n\n" + frame("T", "Q?", "")


@pytest.mark.parametrize(
    "values",
    [
        {"context": "all"},
        {"max_new_tokens": 0},
        {"temperature": -1},
        {"temperature": "hot"},
        {"top_p": 0},
        {"seed": 1.5},
        {"seed": -1},
        {"window_tokens": 10},
        {"window_tokens": "big"},
        {"style": "rude"},
    ],
)
def test_settings_from_outside_are_checked(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        ChatSettings.from_dict(values)


def test_settings_survive_the_way_through_json() -> None:
    settings = ChatSettings(temperature=1, window_tokens=100, context="none")
    assert ChatSettings.from_dict(settings.to_dict()) == settings
