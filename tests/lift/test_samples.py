from __future__ import annotations

import pytest

from lift_chat.lift.losses import IGNORE
from lift_chat.lift.samples import (
    Sample,
    answer,
    answer_ids,
    behind,
    conversation,
    one_turn,
    window,
)
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import assistant, prompt_ids, question_ids, user
from tests.conftest import ASKED, templated

TURNS = [
    user("Who was the keeper?"),
    assistant("Sable Quist."),
    user("What froze?"),
    assistant("The oil."),
]


def labelled(tiny: LoadedModel, sample: Sample) -> str:
    """What is learned, as text; labels must be the ids that stand there."""
    for token, label in zip(sample.ids, sample.labels, strict=True):
        assert label in (token, IGNORE)
    return str(tiny.tokenizer.decode([label for label in sample.labels if label != IGNORE]))


def test_a_window_predicts_each_token_from_those_before_it() -> None:
    sample = window([5, 6, 7, 8])
    assert sample.labels == sample.ids == (5, 6, 7, 8)
    assert sample.labelled == 3 and sample.is_text


def test_a_prefix_has_no_loss_and_what_stands_behind_it_has_all() -> None:
    sample = behind([1, 2, 3], [5, 6, 7])
    assert sample.ids == (1, 2, 3, 5, 6, 7)
    assert sample.labels == (IGNORE, IGNORE, IGNORE, 5, 6, 7)
    assert sample.labelled == 3 and not sample.is_text


@pytest.mark.parametrize(("question", "told"), ASKED)
def test_only_an_answer_and_the_end_of_its_turn_are_learned(
    tiny: LoadedModel, question: str, told: str
) -> None:
    prompt = question_ids(tiny, "Orrin Vale", question)
    sample = answer(tiny, prompt, told)
    assert labelled(tiny, sample) == told + "<end>"
    assert list(sample.ids[: len(prompt)]) == prompt


def test_in_a_conversation_all_that_the_assistant_says_is_learned_and_nothing_else(
    tiny: LoadedModel,
) -> None:
    sample = conversation(tiny, TURNS)
    assert sample is not None
    assert labelled(tiny, sample) == "Sable Quist.<end>The oil.<end>"
    assert "What froze?" in tiny.tokenizer.decode(sample.ids)


def test_what_a_template_puts_behind_the_end_of_a_turn_is_not_learned(tiny: LoadedModel) -> None:
    airy = templated(
        tiny,
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>\n{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}",
    )
    sample = conversation(airy, TURNS)
    assert sample is not None and "<end>\n" in airy.tokenizer.decode(sample.ids)
    assert labelled(airy, sample) == "Sable Quist.<end>The oil.<end>"


FORGETFUL = (
    "{% for m in messages %}<{{ m['role'] }}>"
    "{% if m['role'] == 'user' or loop.last %}{{ m['content'] }}{% endif %}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""Drops earlier answers, as some templates drop earlier thoughts."""

THINKING = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>No thoughts. {% endif %}"
)


ENDLESS = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
"""Ends no turn with a token of its own."""


def test_of_a_template_that_ends_no_turn_nothing_of_the_next_one_is_learned(
    tiny: LoadedModel,
) -> None:
    turns = [user("Who?"), assistant("Sable."), user("What froze?"), assistant("The oil.")]
    template = ENDLESS + "{% if add_generation_prompt %}assistant: {% endif %}"
    sample = conversation(templated(tiny, template), turns)
    assert sample is not None
    assert labelled(tiny, sample) == "Sable.\nThe oil.\n"


def test_a_template_that_rewrites_earlier_turns_gives_no_conversation(tiny: LoadedModel) -> None:
    assert conversation(templated(tiny, FORGETFUL), TURNS[:2]) is not None
    assert conversation(templated(tiny, FORGETFUL), TURNS) is None
    assert conversation(templated(tiny, THINKING), TURNS[:2]) is None


TURN_ENDED = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}<turn ends>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""Ends a turn with a token that is not the end of a text, as Gemma's does."""

CHANNELLED = (
    "{% for m in messages %}<{{ m['role'] }}>"
    "{% if m['role'] == 'assistant' %}<user>final<user>{% endif %}{{ m['content'] }}<turn ends>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""Puts special tokens before an answer."""


@pytest.mark.parametrize("template", [TURN_ENDED, CHANNELLED])
def test_an_answer_ends_with_what_the_template_ends_a_turn_with(
    tiny: LoadedModel, template: str
) -> None:
    ended = templated(tiny, template)
    ended.tokenizer.add_tokens(["<turn ends>"], special_tokens=True)
    assert ended.tokenizer.eos_token == "<end>"
    for _, told in ASKED:
        assert ended.tokenizer.decode(answer_ids(ended, told)) == told + "<turn ends>"


def test_a_conversation_ends_its_turns_as_an_answer_alone_does(tiny: LoadedModel) -> None:
    ended = templated(tiny, TURN_ENDED)
    ended.tokenizer.add_tokens(["<turn ends>"], special_tokens=True)
    sample = conversation(ended, TURNS)
    assert sample is not None
    assert labelled(ended, sample) == "Sable Quist.<turn ends>The oil.<turn ends>"


@pytest.mark.parametrize(
    "template",
    [
        ENDLESS,
        "{% for m in messages %}{% if m['role'] == 'user' %}<user>{{ m['content'] }}{% endif %}"
        "{% endfor %}<assistant>",
    ],
)
def test_where_a_template_ends_no_turn_an_answer_ends_as_a_text_does(
    tiny: LoadedModel, template: str
) -> None:
    endless = templated(tiny, template)
    assert endless.tokenizer.decode(answer_ids(endless, "Sable Quist")) == "Sable Quist<end>"


def test_one_turn_is_learned_behind_the_very_prompt_that_is_asked_later(tiny: LoadedModel) -> None:
    for loaded in (tiny, templated(tiny, THINKING)):
        sample = one_turn(loaded, TURNS[0], "Sable Quist.")
        prompt = prompt_ids(loaded, TURNS[:1])
        assert list(sample.ids[: len(prompt)]) == prompt
        assert labelled(loaded, sample) == "Sable Quist.<end>"
