"""Questions whose first word is put into the writer's mouth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study.openings import OPENINGS, begun
from lift_chat.lift.study.request import Request
from lift_chat.lift.study.writer import BaseWriter
from lift_chat.lift.study.writing import Written, write_items
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import prompt_ids, user
from tests.conftest import drained, no_turn
from tests.lift.study.conftest import Write
from tests.lift.study.script import CHRONICLE, FACTS, NAMES, TITLE, facts, named

WORDS = LiftConfig(study="question-words", questions=3, passage_tokens=80)


def written_by(writer: BaseWriter, language: str = "en", config: LiftConfig = WORDS) -> Written:
    writing = write_items(
        writer.loaded, TITLE, CHRONICLE, config, language=language, turn=no_turn, writer=writer
    )
    return drained(writing)[1]


def going_on(begun_with: list[str]) -> Any:
    """A model that goes on after what was put into its mouth, each word with its own question."""

    def generate(
        model: Any, loaded: LoadedModel, prompts: Sequence[Sequence[int]], **options: Any
    ) -> Iterator[tuple[int, str]]:
        for index, prompt in enumerate(prompts):
            told = loaded.tokenizer.decode(prompt)
            name, word = named(told)[0], told.rpartition("Question: ")[2].split()[-1]
            begun_with.append(word)
            yield index, f"of all things did {name} burn {word}-wise?\nAnswer: The {FACTS[name]}"

    return generate


@pytest.mark.usefixtures("trusting")
def test_each_question_begins_with_a_word_of_its_own(tiny: LoadedModel) -> None:
    words: list[str] = []
    written = written_by(BaseWriter(tiny, no_turn, going_on(words)))
    passages = written.asked // 3
    assert written.asked == len(words) == 3 * passages > 3
    assert words == ["What", "Who", "Why"] * passages
    assert [item.question.split()[0] for item in written.items] == words
    assert all(item.answer == f"The {FACTS[named(item.question)[0]]}" for item in written.items)


@pytest.mark.usefixtures("trusting")
def test_no_more_is_asked_than_there_are_words(tiny: LoadedModel) -> None:
    words: list[str] = []
    many = WORDS.with_changes(questions=50)
    written_by(BaseWriter(tiny, no_turn, going_on(words)), config=many)
    assert tuple(words[: len(OPENINGS["en"])]) == OPENINGS["en"]
    assert words.count("What") == len(words) // len(OPENINGS["en"])


@pytest.mark.usefixtures("trusting")
def test_a_language_without_words_is_asked_for_several_questions_at_once(
    tiny: LoadedModel,
) -> None:
    asked: list[str] = []

    def generate(model: Any, loaded: LoadedModel, prompts: Any, **options: Any) -> Iterator[Any]:
        for index, prompt in enumerate(prompts):
            asked.append(loaded.tokenizer.decode(prompt))
            yield index, facts(asked[-1])

    written = written_by(BaseWriter(tiny, no_turn, generate), language="fi")
    assert {named(item.question)[0] for item in written.items} == set(NAMES)
    assert all("Write 3 questions" in prompt for prompt in asked)


@pytest.mark.usefixtures("trusting")
def test_a_writer_that_cannot_be_begun_for_is_asked_for_several_at_once(
    tiny: LoadedModel,
) -> None:
    class Distant(BaseWriter):
        origin = "endpoint"

        def write(self, requests: Sequence[Request]) -> Any:
            for index, request in enumerate(requests):
                assert (request.opening, request.count) == ("", 3)
                yield index, facts(request.prompt)

    written = written_by(Distant(tiny, no_turn))
    assert {named(item.question)[0] for item in written.items} == set(NAMES)


def test_the_word_stands_where_the_model_begins_to_speak(tiny: LoadedModel) -> None:
    seen: list[list[int]] = []

    def generate(model: Any, loaded: LoadedModel, prompts: Any, **options: Any) -> Iterator[Any]:
        seen.extend(prompts)
        yield from ((index, "did?") for index in range(len(prompts)))

    request = Request("Ask.", (), "fact", opening="Question: Who")
    replies = dict(BaseWriter(tiny, no_turn, generate).write([request]))
    asked = prompt_ids(tiny, [user("Ask.")])
    opening = tiny.tokenizer("Question: Who", add_special_tokens=False)["input_ids"]
    assert seen == [asked + opening]
    assert replies == {0: "Question: Who did?"}


@pytest.mark.parametrize(
    ("reply", "whole"),
    [("did it?", "Who did it?"), ("'s there?", "Who's there?"), ("’s there?", "Who’s there?")],
)
def test_what_was_begun_reads_as_one_sentence(reply: str, whole: str) -> None:
    assert begun("Who", reply) == whole


@pytest.mark.usefixtures("trusting")
def test_nothing_to_ask_about_asks_nothing(write: Write) -> None:
    assert write(facts, WORDS, "")[1].asked == 0
