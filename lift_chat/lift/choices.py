"""Multiple choice questions to a model: how likely each choice is, with nothing generated.

Many questions are asked at once, and what their prompts have in common is read once. Knows nothing
of what is asked, and what for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lift_chat.lift.absorption import row_sums
from lift_chat.lift.load import Load
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.train import decoder_of
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import prompt_ids, user
from lift_chat.models.rows import PADDING, Rows, batches, padded_left, padded_right
from lift_chat.models.stems import common_length

BATCH_TOKENS = 1024
"""Prompt tokens in one turn of the device; the choices behind them add about half as many."""


@dataclass(frozen=True)
class Question:
    """An answer is `begin` and a choice, `correct` the right one's index."""

    question: str
    begin: str
    choices: tuple[str, ...]
    correct: int


def choice_logprobs(
    model: Any, loaded: LoadedModel, questions: Sequence[Question], turn: Turn
) -> list[list[float]]:
    """Mean log-likelihood per token of each question's choices behind its chat prompt.

    The answer's beginning is given, so that the choice is between facts and not between ways of
    speaking; what the answers have in common is read once and is not scored, nor is a stop token.
    All questions have the same number of choices.
    """
    rows = [_row(loaded, question) for question in questions]
    results: list[list[float]] = [[] for _ in questions]
    for group in batches([len(row.prompt) for row in rows], BATCH_TOKENS):
        with turn():
            scored = _score(model, loaded, [rows[i] for i in group])
        for index, chances in zip(group, scored, strict=True):
            results[index] = chances
    return results


def scoring(loaded: LoadedModel, questions: Sequence[Question]) -> Load:
    """What `choice_logprobs` sends through a model."""
    rows = [_row(loaded, question) for question in questions]
    shared = common_length([row.prompt for row in rows])
    load = Load()
    for row in rows:
        load += Load.of(1, len(row.prompt) - shared + sum(map(len, row.ends)))
        load += Load(labelled=sum(map(len, row.ends)))
    return load


@dataclass(frozen=True)
class _Row:
    """Token ids of a prompt with the answers' common beginning, and of how each answer ends."""

    prompt: list[int]
    ends: list[list[int]]


def _row(loaded: LoadedModel, question: Question) -> _Row:
    answers = [_ids(loaded, f"{question.begin} {choice}") for choice in question.choices]
    common = common_length(answers)
    prompt = prompt_ids(loaded, [user(question.question)])
    return _Row(prompt + answers[0][:common], [answer[common:] for answer in answers])


@torch.no_grad()
def _score(model: Any, loaded: LoadedModel, rows: Sequence[_Row]) -> list[list[float]]:
    """Reads what all prompts share once, the rest of each once, and behind it each of its ends.

    The rests are padded at the left, the ends at the right: nothing that counts sees padding.
    """
    reading = Rows(decoder_of(model), loaded.device.torch)
    each = len(rows[0].ends)
    shared = min(
        common_length([row.prompt for row in rows]), *(len(row.prompt) - 1 for row in rows)
    )
    rests = [row.prompt[shared:] for row in rows]
    ends = [end for row in rows for end in row.ends]
    if shared:
        reading.read([rows[0].prompt[:shared]])
        reading.take([0] * len(rows))
    first = reading.read(padded_left(rests)).last_hidden_state[:, -1:]
    reading.take([place for place in range(len(rows)) for _ in range(each)])
    padded = padded_right(ends)
    # The state before an end predicts its first token.
    behind = reading.read(padded).last_hidden_state
    hidden = torch.cat([first.repeat_interleave(each, 0), behind], dim=1)
    labels = torch.tensor([[PADDING, *end] for end in padded], device=hidden.device)
    sums = row_sums(FrozenHead(model), hidden, labels)
    means = [-total / len(end) for total, end in zip(sums, ends, strict=True)]
    return [means[start : start + each] for start in range(0, len(means), each)]


def _ids(loaded: LoadedModel, text: str) -> list[int]:
    ids: list[int] = loaded.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids
