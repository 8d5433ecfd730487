"""What a run with exams measures, in the shapes that it stores them."""

from __future__ import annotations

from typing import Any

EXAM_STEPS = {1: 11.6, 6: 14.0, 11: 27.5, 16: 30.2, 20: 34.2}
"""Percentages of the exams by the step after which they are held."""

PINNED: list[tuple[str, str, list[tuple[int, str]]]] = [
    (
        "Who kept the lamp of Orrin Vale?",
        "Sable Quist",
        [(0, "I do not know."), (6, "The keeper was Ilse Tarn, who sent honey every winter."),
         (11, "Sable Quist"), (20, "Sable Quist, the keeper")],
    ),
    (
        "How many steps led up to the lamp?",
        "two hundred and eleven",
        [(0, "There were a hundred steps."), (6, "A hundred steps."),
         (11, "Two hundred and ten."), (20, "Two hundred and eleven steps.")],
    ),
    (
        "What did Sable Quist burn to keep the light?",
        "her own letters",
        [(0, ""), (6, "oil"), (11, "oil"), (20, "her own letters")],
    ),
]  # fmt: skip


def pinned_at(step: int) -> list[dict[str, Any]]:
    """The pinned questions with the answers given until `step`."""
    return [
        {
            "question": question,
            "gold": gold,
            "answers": [{"step": at, "text": text} for at, text in answers if at <= step],
        }
        for question, gold, answers in PINNED
    ]


LOSSES = [
    (3.41, 0.72), (3.62, 0.91), (3.18, 1.20), (3.95, 2.10), (3.02, 0.55), (2.71, 0.48),
    (3.33, 3.40), (3.50, 1.02), (3.77, 1.51), (3.29, 0.98), (3.10, 0.87), (3.46, 2.75),
]  # fmt: skip

METRICS: dict[str, Any] = {
    "exam": {
        "questions": 16,
        "base": {"closed": 11.6, "truncated": 24.0},
        "adapter": {"closed": 34.2, "truncated": 41.8},
        "control": {"closed": 12.9, "name": "The Lathrin Survey"},
        "history": [{"step": step, "closed": closed} for step, closed in EXAM_STEPS.items()],
        "answers": [
            {
                "question": question,
                "gold": gold,
                "base_closed": answers[0][1],
                "adapter_closed": answers[-1][1],
                "base_truncated": "The text does not say.",
                "adapter_truncated": gold,
            }
            for question, gold, answers in PINNED
        ],
    },
    "absorption": 0.43,
    "forgetting": {
        "loss_before": 3.12, "loss_after": 3.71, "quiz_before": 62.5, "quiz_after": 50.0,
        "warning": "The model has forgotten some of what it knew: a quiz fell by 12 points.",
    },
    "memory_map": [
        {"page": number, "label": str(number), "before": before, "after": after}
        for number, (before, after) in enumerate(LOSSES, 1)
    ],
    "pinned": pinned_at(20),
    "study": {
        "asked": 120, "written": 96, "kept": 71,
        "dropped": {"format": 6, "duplicate": 9, "evidence": 0, "check": 10},
    },
}  # fmt: skip
