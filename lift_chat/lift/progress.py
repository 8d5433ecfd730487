"""What leaves the training loop, and nothing else does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["loading", "reading", "writing", "before", "training", "exam", "after", "saving"]


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
