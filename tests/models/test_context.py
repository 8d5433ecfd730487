from __future__ import annotations

from typing import Any

import pytest

from lift_chat.errors import InvalidConfig
from lift_chat.models.context import ChatSettings, Source, Window, assemble, frame
from lift_chat.models.context_mode import CONTEXT_MODES, DEFAULT_CONTEXT
from lift_chat.models.excerpt import Place, TokenPlaces
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
    chosen = ChatSettings(**{"context": "truncated", "max_new_tokens": 20, **settings})
    return assemble(tiny, source(), messages, chosen)


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


def test_head_and_tail_stay_as_they_are_while_little_is_said(tiny: LoadedModel) -> None:
    said = [*QUESTION, Message("assistant", "That one."), Message("user", "Why?")]
    first, second = (ask(tiny, messages, window_tokens=400) for messages in (QUESTION, said))
    assert second.facts.document_tokens == first.facts.document_tokens
    asked = prompt(tiny, first).index("Answer the question")
    assert prompt(tiny, second)[:asked] == prompt(tiny, first)[:asked]
    said[1:2] = [Message("assistant", "That one, " * 8)]
    grown = ask(tiny, said, window_tokens=400)
    assert grown.facts.document_tokens < first.facts.document_tokens and len(grown.ids) <= 400


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


def places_of(*words: int) -> list[Place]:
    """Ten words each, from these on."""
    text = source().text
    return [
        (text.index(WORDS[word]), text.index(WORDS[word + 9]) + len(WORDS[0])) for word in words
    ]


def retrieve(tiny: LoadedModel, found: list[Place], **settings: Any) -> Window:
    given = Source(source().title, source().pages, lambda question: found)
    chosen = ChatSettings(**{"max_new_tokens": 20, "context": "retrieved", **settings})
    return assemble(tiny, given, QUESTION, chosen)


def test_passages_stand_in_the_order_of_the_document(tiny: LoadedModel) -> None:
    window = retrieve(tiny, places_of(300, 60, 210), window_tokens=900)
    text = prompt(tiny, window)
    assert [text.index(WORDS[n]) for n in (60, 210, 300)] == sorted(
        text.index(WORDS[n]) for n in (60, 210, 300)
    )
    assert text.count(" ... ") == 2
    assert WORDS[0] not in text and WORDS[399] not in text
    assert window.facts.pages == "2, 5, 7" and not window.facts.fell_back
    assert "passages on pages 2, 5, 7" in window.facts.sentence()


def test_the_best_passages_are_kept_when_not_all_fit(tiny: LoadedModel) -> None:
    window = retrieve(tiny, places_of(300, 60, 210), window_tokens=290)
    text = prompt(tiny, window)
    assert len(window.ids) <= 290
    assert WORDS[300] in text and WORDS[60] in text and WORDS[210] not in text
    shown = [" ".join(WORDS[first : first + 10]) for first in (60, 300)]
    tokens = sum(len(tiny.tokenizer(piece)["input_ids"]) for piece in shown)
    assert window.facts.document_tokens == tokens


def test_neighbouring_passages_are_one_piece_again(tiny: LoadedModel) -> None:
    (start, middle), (_, end) = places_of(110, 120)
    text = prompt(tiny, retrieve(tiny, [(middle, end), (start, middle)], window_tokens=600))
    assert " ".join(WORDS[110:130]) in text and " ... " not in text


def test_a_best_passage_that_is_too_long_is_cut(tiny: LoadedModel) -> None:
    (start, _), (_, end) = places_of(100, 300)
    window = retrieve(tiny, [(start, end)], window_tokens=300)
    text = prompt(tiny, window)
    assert len(window.ids) <= 300 and WORDS[100] in text and WORDS[309] not in text


def test_where_no_passage_is_found_head_and_tail_are_shown_and_it_is_said(
    tiny: LoadedModel,
) -> None:
    window = retrieve(tiny, [], window_tokens=400)
    assert window.ids == ask(tiny, QUESTION, window_tokens=400).ids
    assert (window.facts.mode, window.facts.fell_back) == ("retrieved", True)
    assert "pages 1, 8" in window.facts.sentence()
    assert "No passage has words of the question" in window.facts.sentence()


def test_passages_are_looked_for_with_the_last_question(tiny: LoadedModel) -> None:
    asked: list[str] = []

    def retriever(question: str) -> list[Place]:
        asked.append(question)
        return places_of(60)

    given = Source("T", source().pages, retriever)
    history = [Message("user", "First?"), Message("assistant", "Yes."), Message("user", "Second?")]
    settings = ChatSettings(max_new_tokens=20, context="retrieved", window_tokens=600)
    assemble(tiny, given, history, settings)
    assert asked == ["Second?"]


def test_where_nobody_chose_passages_are_shown(tiny: LoadedModel) -> None:
    given = Source(source().title, source().pages, lambda question: places_of(60))
    settings = ChatSettings(max_new_tokens=20, window_tokens=400)
    text = prompt(tiny, assemble(tiny, given, QUESTION, settings))
    assert WORDS[60] in text and WORDS[0] not in text and WORDS[399] not in text
    assert settings.context == DEFAULT_CONTEXT == CONTEXT_MODES[0]


@pytest.mark.parametrize("found", [[(0, 3)], [(0, 3), (8, 12)], []])
def test_a_document_that_fits_is_given_whole_whatever_is_found(
    tiny: LoadedModel, found: list[Place]
) -> None:
    short = Source("Short", [Page(1, "1", 0, 12, "One two six.")], lambda question: found)
    window = assemble(tiny, short, QUESTION, ChatSettings(max_new_tokens=20))
    assert "One two six." in prompt(tiny, window) and " ... " not in prompt(tiny, window)
    assert "the whole document" in window.facts.sentence() and not window.facts.fell_back


def test_known_token_places_change_nothing(tiny: LoadedModel) -> None:
    places = TokenPlaces.of(tiny.tokenizer, source().text)
    known = Source(source().title, source().pages, places=places)
    settings = ChatSettings(context="truncated", max_new_tokens=20, window_tokens=400)
    assert assemble(tiny, known, QUESTION, settings) == ask(tiny, QUESTION, window_tokens=400)


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
        {"strength": 1.6},
        {"strength": -0.1},
        {"strength": float("nan")},
        {"strength": "strong"},
        {"window_tokens": 10},
        {"window_tokens": "big"},
        {"style": "rude"},
    ],
)
def test_settings_from_outside_are_checked(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        ChatSettings.from_dict(values)


def test_settings_survive_the_way_through_json() -> None:
    settings = ChatSettings(temperature=1, window_tokens=100, context="none", strength=0.5)
    assert ChatSettings.from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize(
    ("settings", "applied"),
    [
        (ChatSettings(), 0.5),
        (ChatSettings(context="truncated"), 1.0),
        (ChatSettings(context="none"), 1.0),
        (ChatSettings(strength=1), 1.0),
        (ChatSettings(context="none", strength=0), 0.0),
    ],
)
def test_strength_is_what_was_set_or_what_answers_best_there(
    settings: ChatSettings, applied: float
) -> None:
    assert settings.applied_strength == applied
    assert ChatSettings.from_dict(settings.to_dict()) == settings
