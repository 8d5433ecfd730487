"""What a lesson costs outside its document: a control text and a quiz, before and after.

Both are the package's own (`general.json`): plain prose about everyday things, and questions whose
answers are beyond doubt. They find an adapter that has bent the model as a whole; they do not
measure how good a model is, and a small loss of rare knowledge goes past them. Knows nothing of
documents and adapters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import torch

from lift_chat.lift.choices import Question, choice_logprobs, scoring
from lift_chat.lift.load import Load
from lift_chat.lift.tokens import tokenize
from lift_chat.lift.train import mean_loss
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

WINDOW = 512

MOST_LOSS_GROWTH = 0.35
"""Nats per token. e ** 0.35 = 1.42: each token of ordinary prose has become 1.4 times less
likely. A judgement: taking on a document's tone costs some of this and is what was asked for."""

MOST_QUIZ_FALL = 10.0
"""Points. One of 32 questions is 3.1 points; up to three of them may turn over by chance, where two
choices were about as likely before."""


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
    """What `probe` sends through a model."""
    load = scoring(loaded, quiz())
    for window in _windows(loaded):
        load += Load.of(1, window.shape[1], window.shape[1])
    return load


def quiz() -> list[Question]:
    return [
        Question(item["question"], item["begin"], tuple(item["choices"]), item["correct"])
        for item in _general()["quiz"]
    ]


def control_text() -> str:
    text: str = _general()["text"]
    return text


def _windows(loaded: LoadedModel) -> list[torch.Tensor]:
    ids = tokenize(loaded, control_text())
    # A window of one token has nothing to predict.
    return [ids[:, start : start + WINDOW] for start in range(0, ids.shape[1] - 1, WINDOW)]


@cache
def _general() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("general.json").read_text(encoding="utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed
