"""The presets: values of `LiftConfig` that differ from its defaults, by name.

*skim* is what evaluations call “raw”: the text alone, no questions. *read* is chosen from the
tables of `benchmarks/results/recipes.md`: the embedded model on the first pages of some tales.
Three things decide there. Study by distillation: the words of self-written answers, learned as
they stand, cost the model its reading. Passes over the text alone before the questions come (two
stages, LIFT 2502.14644): they are the cheapest of all. And the MLPs alone. *study* is *read* with
twice the passes over the questions and a watch on its exam.
"""

from __future__ import annotations

from typing import Any

_SHORT_WINDOWS: dict[str, Any] = {
    "segment_tokens": 512,
    "stride_tokens": 512,
    "batch_segments": 1,
}
"""A document of a few pages is a handful of windows of 2048 tokens: too few optimizer steps per
pass to learn from. Short windows give four times as many for the same work."""

_QUESTIONS: dict[str, Any] = {
    "study": "question-words",
    "passage_tokens": 64,
    "questions": 5,
    "open_share": 1.0,
    "distill": True,
}
"""About three questions are kept of each passage of a few sentences: a pass over them costs nine
passes over the text."""

_MLP: dict[str, Any] = {"targets": "mlp"}
"""Attention left alone reads what stands in the window as before and bends less towards the
document, and a step costs an eighth less; from weights alone it answers as well."""

PRESETS: dict[str, dict[str, Any]] = {
    "skim": {
        **_SHORT_WINDOWS,
        "stride_tokens": 384,
        "epochs": 5,
        "learning_rate": 1e-3,
        "exam_questions": 0,
    },
    "read": {
        **_SHORT_WINDOWS,
        **_QUESTIONS,
        **_MLP,
        "segment_epochs": 6,
        "epochs": 2,
        "learning_rate": 1.2e-3,
    },
    "study": {
        **_SHORT_WINDOWS,
        **_QUESTIONS,
        **_MLP,
        "segment_epochs": 6,
        "epochs": 4,
        "learning_rate": 1.2e-3,
        "exams": 8,
        "patience": 3,
    },
}
