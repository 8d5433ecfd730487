from __future__ import annotations

from collections.abc import Callable

import pytest

from lift_chat.models import prompts
from lift_chat.models.context import ChatSettings, Source, assemble
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import assistant, frame, prompt_ids, question_ids, told_ids, user
from storage.records import Message, Page
from tests.conftest import ASKED, TALE, templated

TITLE = "The Lamp of Orrin Vale"
SOURCE = Source(TITLE, [Page(1, "1", 0, len(TALE), TALE)])


@pytest.mark.parametrize("question", [question for question, _ in ASKED])
def test_what_is_trained_from_weights_alone_is_what_a_chat_asks_without_context(
    tiny: LoadedModel, question: str
) -> None:
    settings = ChatSettings(context="none", max_new_tokens=32)
    asked = assemble(tiny, SOURCE, [Message("user", question)], settings).ids
    assert question_ids(tiny, TITLE, question) == asked


def test_what_is_trained_with_the_text_open_is_what_a_chat_shows(tiny: LoadedModel) -> None:
    settings = ChatSettings(context="truncated", max_new_tokens=32)
    shown = assemble(tiny, SOURCE, [Message("user", "Who?")], settings)
    assert shown.facts.document_tokens == shown.facts.document_total_tokens
    assert question_ids(tiny, TITLE, "Who?", TALE) == shown.ids


def test_the_question_is_asked_in_the_same_words_with_and_without_a_text() -> None:
    bare, opened = frame(TITLE, "Who?"), frame(TITLE, "Who?", TALE)
    assert opened.startswith(TALE) and opened.endswith(bare) and opened != bare
    assert TITLE in bare and "Who?" in bare


def test_a_conversation_goes_on_from_the_prompt_of_its_question(tiny: LoadedModel) -> None:
    question, answer = user("Who lit the lamp?"), assistant("Sable Quist")
    asked, told = prompt_ids(tiny, [question]), told_ids(tiny, [question, answer])
    assert told[: len(asked)] == asked
    assert tiny.tokenizer.decode(told[len(asked) :]) == "Sable Quist<end>"


def test_reciting_names_the_document_behind_its_head_and_tail() -> None:
    told = prompts.recite(TITLE, "The lamp was lit. ", " The oil froze.")
    assert told.startswith("The lamp was lit.") and TITLE in told.split(prompts.GAP)[-1]
    assert "lit." + prompts.MARKER + "The oil" in told


PASSAGE = "On the ninth of Marrow the oil froze."
REQUESTS: dict[str, Callable[[], str]] = {
    "questions": lambda: prompts.write_questions(PASSAGE, 7),
    "evidence": lambda: prompts.write_with_evidence(PASSAGE),
    "end": lambda: prompts.write_about_end("Before.", PASSAGE, 7),
    "end-alone": lambda: prompts.write_about_end("", PASSAGE, 7),
    "across": lambda: prompts.write_across("Before.", PASSAGE),
    "order": lambda: prompts.write_order(PASSAGE),
    "list": lambda: prompts.write_list(PASSAGE),
    "summary": lambda: prompts.write_summary(PASSAGE),
    "digest": lambda: prompts.write_digest(TITLE, PASSAGE),
    "reversed": lambda: prompts.write_reversed(PASSAGE, "When did it freeze?", "the ninth"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_shows_its_passage_and_names_the_form_of_the_reply(name: str) -> None:
    asked = REQUESTS[name]()
    text, request = asked.split(PASSAGE)
    assert "Write nothing else than" in request or "as three lines" in request
    assert "Question: ..." in request and "Answer: ..." in request
    assert ("Write 7 questions" in request) == (name in ("questions", "end", "end-alone"))
    assert ("Before." in text) == (name in ("end", "across"))


def test_a_model_that_can_think_is_asked_not_to(tiny: LoadedModel) -> None:
    thinking = templated(
        tiny,
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>"
        "{% if enable_thinking is defined and not enable_thinking %}No thoughts.{% endif %}"
        "{% endif %}",
    )
    asked = thinking.tokenizer.decode(question_ids(thinking, TITLE, "Who?", TALE))
    assert asked.endswith("<assistant>No thoughts.")


def test_nothing_is_said_in_a_system_turn(tiny: LoadedModel) -> None:
    strict = templated(
        tiny,
        "{% for m in messages %}{% if m['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
        "<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}",
    )  # as Gemma's does
    talk = [Message("user", "Who?"), Message("assistant", "Sable."), Message("user", "When?")]
    shown = assemble(strict, SOURCE, talk, ChatSettings(context="truncated", max_new_tokens=32))
    told = strict.tokenizer.decode(shown.ids)
    assert told.startswith("<user>") and "lamp of Orrin Vale" in told
