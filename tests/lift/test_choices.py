from __future__ import annotations

import pytest
import torch

from lift_chat.lift.choices import choice_logprobs
from lift_chat.lift.forgetting import quiz
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import prompt_ids, user
from tests.conftest import no_turn


def by_hand(tiny: LoadedModel, question: str, choices: list[str]) -> list[float]:
    """Each whole answer alone, without cache or padding; scored where the answers differ."""
    prompt = prompt_ids(tiny, [user(question)])
    answers = [tiny.tokenizer(text, add_special_tokens=False)["input_ids"] for text in choices]
    alike = 0
    while len({tuple(ids[: alike + 1]) for ids in answers}) == 1:
        alike += 1
    means = []
    for ids in answers:
        with torch.no_grad():
            logits = tiny.model(input_ids=torch.tensor([prompt + ids])).logits[0].float()
        chances = logits.log_softmax(-1)
        places = range(len(prompt) + alike, len(prompt) + len(ids))
        told = [float(chances[place - 1, ids[place - len(prompt)]]) for place in places]
        means.append(sum(told) / len(told))
    return means


def test_choices_are_as_likely_as_a_plain_forward_says(tiny: LoadedModel) -> None:
    questions = quiz()[::4]
    measured = choice_logprobs(tiny.model, tiny, questions, no_turn)
    for question, chances in zip(questions, measured, strict=True):
        answers = [f"{question.begin} {choice}" for choice in question.choices]
        assert chances == pytest.approx(by_hand(tiny, question.question, answers), rel=1e-3)


def test_a_question_alone_scores_as_among_others(tiny: LoadedModel) -> None:
    questions = quiz()[:6]
    together = choice_logprobs(tiny.model, tiny, questions, no_turn)
    for question, chances in zip(questions, together, strict=True):
        (alone,) = choice_logprobs(tiny.model, tiny, [question], no_turn)
        assert chances == pytest.approx(alone, rel=1e-3)
