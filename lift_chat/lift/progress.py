"""What leaves the training loop, and nothing else does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["loading", "reading", "before", "training", "after", "saving"]


@dataclass(frozen=True)
class ProgressEvent:
    """One sign of life of a run. `tokens` and `seconds` count this session only, so that rates and
    the ETA (seconds, None while unknown) stay true after a resume. `loss` is nats per token."""

    stage: Stage
    step: int
    total: int
    loss: float | None = None
    tokens: int = 0
    tokens_per_second: float = 0.0
    seconds: float = 0.0
    eta_seconds: float | None = None
    message: str = ""
