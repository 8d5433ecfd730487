"""The presets: values of `LiftConfig` that differ from its defaults, by name.

The values for questions come from two runs of the embedded model on one tale and are still to be
chosen by measurement; what *read* is worth stands in `benchmarks/results/`.
"""

from __future__ import annotations

from typing import Any

_SHORT_WINDOWS: dict[str, Any] = {
    "segment_tokens": 512,
    "batch_segments": 1,
    "learning_rate": 1e-3,
}
"""A document of a few pages is a handful of windows of 2048 tokens: too few optimizer steps per
pass to learn from. Short windows give four times as many for the same work."""

_QUESTIONS: dict[str, Any] = {
    "stride_tokens": 512,
    "study": "passages",
    "passage_tokens": 64,
    "questions": 3,
    "open_share": 1.0,
}
"""Windows side by side, and questions about passages of a few sentences: each pass over them costs
about three passes over the text."""

PRESETS: dict[str, dict[str, Any]] = {
    "skim": {**_SHORT_WINDOWS, "stride_tokens": 512, "epochs": 2, "exam_questions": 0},
    "read": {**_SHORT_WINDOWS, **_QUESTIONS, "epochs": 4},
    "study": {
        **_SHORT_WINDOWS,
        **_QUESTIONS,
        "epochs": 8,
        "exams": 8,
        "patience": 3,
        "distill": True,
        "mixed_kinds": True,
    },
}
