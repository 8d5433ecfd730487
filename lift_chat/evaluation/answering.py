"""All questions of one document, answered by one model in one window, and scored.

Greedy decoding for every arm. Multiple choice is decided by likelihood and nothing is generated
for it. Knows nothing of training, files or reports.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lift_chat.evaluation.arms import Room, WindowName, prompt, source_of
from lift_chat.evaluation.likelihood import choose, right_choices
from lift_chat.evaluation.metrics import keywords_share, number_share, score
from lift_chat.evaluation.questions import NUMBERED, EvalDocument, EvalQuestion
from lift_chat.lift.absorption import answer_nll
from lift_chat.models.batch import generate
from lift_chat.models.context import Window
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

Row = dict[str, Any]


def answer_all(
    model: Any,
    loaded: LoadedModel,
    document: EvalDocument,
    window: WindowName,
    room: Room,
    turn: Turn,
    *,
    gold_nll: bool = True,
) -> list[Row]:
    """One row per question, in order: question, golds, answer, scores, and what was visible.

    Scores are 0 to 1, but "nll", nats per token of the first gold and its end. `model` is the base
    or a tree with an adapter on it.
    """
    source = source_of(loaded, document)
    questions = document.questions
    windows = [prompt(loaded, source, question, window, room) for question in questions]
    rows = [_row(question, made) for question, made in zip(questions, windows, strict=True)]
    _generate(model, loaded, questions, windows, rows, room, turn)
    for question, made, row in zip(questions, windows, rows, strict=True):
        if question.choices:
            _choose(model, loaded, question, made, row, turn)
        else:
            row["scores"] = _scores(question, row["answer"])
    if gold_nll:
        prompts, golds = [made.ids for made in windows], [_gold(question) for question in questions]
        losses = answer_nll(model, loaded, prompts, golds, turn)
        for row, nll in zip(rows, losses, strict=True):
            row["scores"]["nll"] = round(nll, 4)
    return rows


def _row(question: EvalQuestion, window: Window) -> Row:
    return {
        "question": question.question,
        "kind": question.kind,
        "golds": list(question.answers),
        "answer": "",
        "scores": {},
        "prompt_tokens": window.facts.prompt_tokens,
        "document_tokens": window.facts.document_tokens,
    }


def _generate(
    model: Any,
    loaded: LoadedModel,
    questions: Sequence[EvalQuestion],
    windows: Sequence[Window],
    rows: Sequence[Row],
    room: Room,
    turn: Turn,
) -> None:
    """Answers what is not multiple choice; questions of one limit are decoded together."""
    limits: dict[int, list[int]] = defaultdict(list)
    for place, question in enumerate(questions):
        if not question.choices:
            limits[question.max_new_tokens or room.answer].append(place)
    for limit, places in limits.items():
        prompts = [windows[place].ids for place in places]
        for done, text in generate(model, loaded, prompts, max_new_tokens=limit, turn=turn):
            rows[places[done]]["answer"] = text


def _choose(
    model: Any,
    loaded: LoadedModel,
    question: EvalQuestion,
    window: Window,
    row: Row,
    turn: Turn,
) -> None:
    likelihoods = choose(model, loaded, window.ids, question.choices, turn)
    right = [place for place, text in enumerate(question.choices) if text in question.answers]
    row["answer"] = question.choices[likelihoods.index(max(likelihoods))]
    row["scores"] = {"choice": right_choices(likelihoods, right)}


def _scores(question: EvalQuestion, answer: str) -> dict[str, float]:
    scores = {
        name: round(value, 4) for name, value in asdict(score(answer, question.answers)).items()
    }
    if question.keywords:
        scores["keywords"] = float(keywords_share(answer, question.keywords) == 1)
    if question.kind == NUMBERED:
        scores["number"] = round(number_share(answer, question.answers), 4)
    return scores


def _gold(question: EvalQuestion) -> str:
    return next(answer.strip() for answer in question.answers if answer.strip())
