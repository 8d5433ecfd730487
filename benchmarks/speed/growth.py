"""How time and memory of one pass of ours grow with the document."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass

from benchmarks.speed.bases import Base, document
from benchmarks.speed.measuring import Stopwatch, peak_memory
from lift_chat.adapters import kinds
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.train import Fit, TrainState, run_slice


@dataclass(frozen=True)
class Growth:
    """Seconds = `a + b` T, the largest residual and the spread of the memory in percent."""

    lengths: Sequence[int]
    seconds: Sequence[float]
    memory: Sequence[float | None]
    a: float
    b: float
    residual: float
    spread: float | None


def measure(base: Base, lengths: Sequence[int], config: LiftConfig, tries: int) -> Growth:
    """One pass over documents of so many tokens; of several tries the shortest time."""
    memory = [peak_memory(base.device, _prepare(base, length, config)) for length in lengths]
    seconds = [float("inf")] * len(lengths)
    for _ in range(tries):
        for place, length in enumerate(lengths):
            seconds[place] = min(seconds[place], _pass(base, length, config))
            print(f"{length} tokens: {seconds[place]:.2f} s", file=sys.stderr, flush=True)
    a, b = _line(lengths, seconds)
    off = [abs(s - a - b * t) / s for t, s in zip(lengths, seconds, strict=True)]
    known = [value for value in memory if value is not None]
    spread = 100 * (max(known) - min(known)) / min(known) if known else None
    return Growth(lengths, seconds, memory, a, b, 100 * max(off), spread)


def _prepare(base: Base, length: int, config: LiftConfig) -> Callable[[], Callable[[], None]]:
    def prepare() -> Callable[[], None]:
        _pass(base, 16, config)
        ids = array("i", document(length, config.seed))
        return lambda: void(_absorb(base, ids, config))

    return prepare


def void(_: float) -> None:
    return None


def _pass(base: Base, length: int, config: LiftConfig) -> float:
    return _absorb(base, document(length, config.seed), config)


def _absorb(base: Base, ids: Sequence[int], config: LiftConfig) -> float:
    """Seconds of absorbing, from token ids to the last step."""
    plan = Curriculum(base.loaded, "", ids, config)
    watch = Stopwatch(base.device, 1, plan.steps + 1)
    watch.tick()
    adapted = kinds.attach(base.loaded.twin(), config)
    state = TrainState.start(adapted, config, plan, Fit(windows=config.batch_segments))
    with closing(run_slice(state, nullcontext)) as events:
        for _ in events:
            watch.tick()
    return watch.seconds


def _line(lengths: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Least squares of the relative residuals, which are what is judged."""
    weights = [1 / s**2 for s in seconds]
    total = sum(weights)
    mean_t = sum(w * t for w, t in zip(weights, lengths, strict=True)) / total
    mean_s = sum(w * s for w, s in zip(weights, seconds, strict=True)) / total
    rows = list(zip(weights, lengths, seconds, strict=True))
    slope = sum(w * (t - mean_t) * (s - mean_s) for w, t, s in rows)
    slope /= sum(w * (t - mean_t) ** 2 for w, t, _ in rows)
    return mean_s - slope * mean_t, slope
