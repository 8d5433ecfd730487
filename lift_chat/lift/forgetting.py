"""What a lesson costs outside its document: a control text and a quiz, before and after.

Both are the package's own (`general.json`): plain prose about everyday things, and questions whose
answers are beyond doubt. They find an adapter that has bent the model as a whole; they do not
measure how good a model is, and a small loss of rare knowledge goes past them. Knows nothing of
documents and adapters.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import torch

from lift_chat.lift.absorption import row_sums
from lift_chat.lift.load import Load
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.train import decoder_of, mean_loss
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import prompt_ids, user
from lift_chat.models.rows import PADDING, Rows, batches, padded_left, padded_right
from lift_chat.models.stems import common_length

WINDOW = 512

MOST_LOSS_GROWTH = 0.35
"""Nats per token. e ** 0.35 = 1.42: each token of ordinary prose has become 1.4 times less
likely. A judgement: taking on a document's tone costs some of this and is what was asked for."""

MOST_QUIZ_FALL = 10.0
"""Points. One of 32 questions is 3.1 points; up to three of them may turn over by chance, where two
choices were about as likely before."""

QUIZ_TOKENS = 1024
"""Prompt tokens in one turn of the quiz; the choices behind them add about half as many."""


@dataclass(frozen=True)
class Question:
    """One quiz question; an answer is `begin` and a choice, `correct` the right one's index."""

    question: str
    begin: str
    choices: tuple[str, ...]
    correct: int


@dataclass(frozen=True)
class General:
    """`loss` in nats per token of the control text; `quiz` in percent right."""

    loss: float
    quiz: float


@dataclass(frozen=True)
class Forgetting:
    """The same probe with the untouched base and with the adapter."""

    before: General
    after: General

    @property
    def warning(self) -> str:
        """One sentence for the reader, or '' when all is well."""
        signs = []
        # Negated: a loss that is no number any more is no sign of health.
        if not self.after.loss - self.before.loss <= MOST_LOSS_GROWTH:
            signs.append(
                f"ordinary prose costs it {self.after.loss:.2f} nats per token "
                f"instead of {self.before.loss:.2f}"
            )
        if self.before.quiz - self.after.quiz > MOST_QUIZ_FALL:
            signs.append(
                f"it gets {self.after.quiz:.0f} % of a general quiz right "
                f"instead of {self.before.quiz:.0f} %"
            )
        if not signs:
            return ""
        return f"The model has lost general ability with this adapter: {' and '.join(signs)}."

    def to_json(self) -> dict[str, Any]:
        """Losses in nats per token, quiz in percent."""
        return {
            "loss_before": round(self.before.loss, 3),
            "loss_after": round(self.after.loss, 3),
            "quiz_before": round(self.before.quiz, 1),
            "quiz_after": round(self.after.quiz, 1),
            "warning": self.warning,
        }


def probe(model: Any, loaded: LoadedModel, turn: Turn) -> General:
    """Measures the base or a tree with an adapter on it: some three seconds of two CPU cores
    with the embedded model. The device is borrowed for one batch at a time."""
    model.eval()
    *_, loss = mean_loss(model, _windows(loaded), turn)
    questions = quiz()
    likely = choice_logprobs(model, loaded, questions, turn)
    right = sum(
        max(range(len(chances)), key=chances.__getitem__) == question.correct
        for question, chances in zip(questions, likely, strict=True)
    )
    return General(loss, 100 * right / len(questions))


def reading(loaded: LoadedModel) -> Load:
    """What `probe` sends through a model; of the quiz, what its prompts share is read once."""
    load = Load()
    for window in _windows(loaded):
        load += Load.of(1, window.shape[1], window.shape[1])
    rows = [_row(loaded, question) for question in quiz()]
    shared = common_length([row.prompt for row in rows])
    for row in rows:
        load += Load.of(1, len(row.prompt) - shared + sum(map(len, row.ends)))
        load += Load(labelled=sum(map(len, row.ends)))
    return load


def quiz() -> list[Question]:
    return [
        Question(item["question"], item["begin"], tuple(item["choices"]), item["correct"])
        for item in _general()["quiz"]
    ]


def control_text() -> str:
    text: str = _general()["text"]
    return text


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
    for group in batches([len(row.prompt) for row in rows], QUIZ_TOKENS):
        with turn():
            scored = _score(model, loaded, [rows[i] for i in group])
        for index, chances in zip(group, scored, strict=True):
            results[index] = chances
    return results


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


def _windows(loaded: LoadedModel) -> list[torch.Tensor]:
    ids = torch.tensor([_ids(loaded, control_text())], device=loaded.device.torch)
    # A window of one token has nothing to predict.
    return [ids[:, start : start + WINDOW] for start in range(0, ids.shape[1] - 1, WINDOW)]


def _ids(loaded: LoadedModel, text: str) -> list[int]:
    ids: list[int] = loaded.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


@cache
def _general() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("general.json").read_text(encoding="utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed
