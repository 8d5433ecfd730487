"""What leaves the training loop, and nothing else does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Stage = Literal[
    "loading", "reading", "before", "writing", "rehearsing", "training", "exam", "after", "saving"
]


@dataclass(frozen=True)
class PinnedAnswer:
    """What the model says to a pinned question at some point of training, closed book."""

    question: str
    gold: str
    answer: str


@dataclass(frozen=True)
class ProgressEvent:
    """One sign of life of a run. `tokens` and `seconds` count this session only, so that rates and
    the ETA (seconds, None while unknown) stay true after a resume. `loss` is nats per token; `exam`
    is the closed-book token F1 on the held-out questions, in percent, when one was just held."""

    stage: Stage
    step: int
    total: int
    loss: float | None = None
    tokens: int = 0
    tokens_per_second: float = 0.0
    seconds: float = 0.0
    eta_seconds: float | None = None
    message: str = ""
    exam: float | None = None
    pinned: tuple[PinnedAnswer, ...] = ()


def with_answers(
    pinned: list[dict[str, Any]], told: Sequence[PinnedAnswer], step: int
) -> list[dict[str, Any]]:
    """`pinned` with the answers at `step`, which is the last one: what was said later than the
    checkpoint that a job was resumed from is said again."""
    known = {entry["question"]: entry for entry in pinned}
    for said in told:
        before = known.get(said.question, {"answers": []})["answers"]
        answers = [answer for answer in before if answer["step"] < step]
        answers.append({"step": step, "text": said.answer})
        known[said.question] = {"question": said.question, "gold": said.gold, "answers": answers}
    return list(known.values())
