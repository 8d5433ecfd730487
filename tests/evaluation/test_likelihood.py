"""Choices by likelihood against the model's own logits."""

from __future__ import annotations

import pytest
import torch

from lift_chat.evaluation.likelihood import choose, right_choices
from lift_chat.models.loading import LoadedModel
from tests.conftest import no_turn

PROMPT = [5, 9, 30, 7]


def by_hand(tiny: LoadedModel, choice: str) -> float:
    answer = tiny.tokenizer(choice, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = tiny.model(input_ids=torch.tensor([[*PROMPT, *answer]])).logits[0].float()
    logprobs = logits.log_softmax(-1)
    told = [float(logprobs[len(PROMPT) + n - 1, token]) for n, token in enumerate(answer)]
    return sum(told) / len(told)


def test_a_choice_is_weighed_per_token_whatever_is_beside_it(tiny: LoadedModel) -> None:
    choices = ["lamp", "the ship Gannet", "a cask of honey every winter", "l"]
    expected = [by_hand(tiny, choice) for choice in choices]
    assert choose(tiny.model, tiny, PROMPT, choices, no_turn) == pytest.approx(expected, abs=1e-4)


def test_a_choice_without_tokens_is_refused(tiny: LoadedModel) -> None:
    with pytest.raises(ValueError, match="no tokens"):
        choose(tiny.model, tiny, PROMPT, ["lamp", ""], no_turn)


def test_as_many_choices_are_taken_as_there_are_right_ones() -> None:
    likelihoods = [-1.0, -3.0, -2.0, -4.0]  # order 0, 2, 1, 3
    assert right_choices(likelihoods, [0]) == 1
    assert right_choices(likelihoods, [2]) == 0
    assert right_choices(likelihoods, [0, 2]) == 1
    assert right_choices(likelihoods, [0, 1]) == 0.5
    assert right_choices(likelihoods, [1, 2, 3]) == pytest.approx(2 / 3)
