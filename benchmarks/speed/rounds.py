"""All arms in turns, a few windows each, round after round: what a busy machine does to one of
them, it does to its neighbours too."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch

from benchmarks.speed.arms import Arm
from benchmarks.speed.bases import Base
from benchmarks.speed.measuring import Stopwatch, matmul_peak, peak_memory
from lift_chat.errors import OutOfMemory
from lift_chat.lift.train import mean_loss

MEMORY_STEPS = 3
RAN_OUT = "memory ran out"


@dataclass(frozen=True)
class Plan:
    """`warm` steps of each arm's turn are not measured, `steps` are; each of `batch` windows."""

    rounds: int
    steps: int
    batch: int
    warm: int = 1

    @property
    def a_turn(self) -> int:
        return self.warm + self.steps

    @property
    def windows(self) -> int:
        """Of a turn."""
        return self.a_turn * self.batch


@dataclass
class Runner:
    """One arm through all rounds. Trained tokens per second, by round."""

    arm: Arm
    passes: float
    """Tokens trained per token of the document, in one epoch."""
    windows: list[list[int]] = field(repr=False)
    adapted: Any = field(repr=False)
    rates: list[float] = field(default_factory=list)
    wall_rates: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    memory: float | None = None
    loss: float = float("nan")

    @property
    def document_rates(self) -> list[float]:
        return [rate / self.passes for rate in self.rates]

    def turn(self, base: Base, plan: Plan, number: int, peak: float) -> None:
        chosen = _around(self.windows, number * plan.windows, plan.windows)
        watch = Stopwatch(base.device, plan.warm, plan.a_turn)
        self.arm.train(base, self.adapted, chosen, watch)
        tokens = sum(len(ids) for ids in chosen[plan.warm * plan.batch :])
        self.rates.append(tokens / watch.seconds)
        self.wall_rates.append(tokens / watch.wall)
        self.shares.append(base.operations * self.rates[-1] / peak)


def runners(base: Base, arms: Sequence[Arm], ids: Sequence[int]) -> list[Runner]:
    made = []
    for arm in arms:
        windows = arm.epoch(base, ids)
        passes = sum(map(len, windows)) / len(ids)
        made.append(Runner(arm, passes, windows, None))
    return made


def _around(windows: Sequence[list[int]], first: int, count: int) -> list[list[int]]:
    """A document may be shorter than all turns together: it begins again."""
    return [windows[place % len(windows)] for place in range(first, first + count)]


def measure_memory(base: Base, runner: Runner, plan: Plan) -> str:
    """Peak of adapter, optimizer and training on top of the base, in a run of its own; returns
    why the arm cannot run here, or ''."""
    arm, longest = runner.arm, sorted(runner.windows, key=len, reverse=True)

    def prepare() -> Callable[[], None]:
        short = Stopwatch(base.device, 0, 0)
        arm.train(base, arm.attach(base), [runner.windows[0][:16]], short)  # imports and caches
        full = _around(longest[: MEMORY_STEPS * plan.batch], 0, MEMORY_STEPS * plan.batch)
        return lambda: arm.train(base, arm.attach(base), full, Stopwatch(base.device, 0, 0))

    try:
        runner.memory = peak_memory(base.device, prepare)
    except (OutOfMemory, torch.OutOfMemoryError):
        return RAN_OUT
    return ""


def take_turns(base: Base, runners: list[Runner], plan: Plan) -> tuple[list[float], dict[str, str]]:
    """Fills the runners' figures; returns the matrix peaks of the rounds, in FLOP per second, and
    why an arm is missing. One that fits alone, and not beside the adapters of all, is taken out."""
    peaks, missing = [], {}
    for runner in runners:
        runner.adapted = runner.arm.attach(base)
    for number in range(plan.rounds):
        peaks.append(matmul_peak(base.device, base.loaded.device.dtype))
        for runner in list(runners):
            name = runner.arm.name
            gc.collect()
            torch.cuda.empty_cache()  # what the arm before held would not be free for this one
            try:
                runner.turn(base, plan, number, peaks[-1])
            except (OutOfMemory, torch.OutOfMemoryError):
                missing[name] = RAN_OUT
                runners.remove(runner)
                continue
            print(f"round {number + 1} {name}: {runner.rates[-1]:.0f} trained tokens/s",
                  file=sys.stderr, flush=True)  # fmt: skip
    return peaks, missing


def measure_losses(base: Base, runners: Sequence[Runner], own: Runner, plan: Plan) -> float:
    """Loss of every arm on the windows that `own` was trained on; returns the untrained base's."""
    seen = own.windows[: plan.rounds * plan.windows]
    probe = [torch.tensor([ids], device=base.device) for ids in seen[:: max(1, len(seen) // 4)]]
    for runner in runners:
        *_, runner.loss = mean_loss(runner.adapted, probe, nullcontext)
        runner.adapted = None
    *_, untrained = mean_loss(base.loaded.model, probe, nullcontext)
    return untrained


def ratio(runner: Runner, other: Runner) -> float:
    """Median over the rounds of how many times faster it reads a document; pairs of one round."""
    pairs = zip(runner.document_rates, other.document_rates, strict=True)
    return median(mine / theirs for mine, theirs in pairs)
