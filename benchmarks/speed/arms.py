"""What is compared: ways to train the same base on the same document.

An arm trains an adapter for a few steps on given windows and can go on with it later; the optimizer
begins anew each time, in every arm. All arms share the base's tensors, the seed, the rate
(constant), AdamW's betas, clipping, the order of the windows and how many of them make a step, all
at once, so that the loss after equally many tokens tells whether a fast arm also learns.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from torch.nn import functional

from benchmarks.speed.bases import Base
from benchmarks.speed.measuring import Watch
from benchmarks.speed.trainers import Train, Windows, hugging_face, trl_missing, trl_sft
from lift_chat.adapters import kinds
from lift_chat.errors import OutOfMemory
from lift_chat.lift.batching import Unit
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.losses import FrozenHead, labelled
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.samples import window
from lift_chat.lift.train import Fit, TrainState, run_slice


@dataclass(frozen=True)
class Arm:
    name: str
    what: str
    attach: Callable[[Base], Any]
    train: Train
    epoch: Callable[[Base, Sequence[int]], Windows]
    """The windows of one pass over a document, in the order of training."""
    missing: str = ""
    """Why it cannot run here, if so."""


def recipe(window_tokens: int, seed: int, **changes: Any) -> LiftConfig:
    """Ours without overlap: rank 32 on all linear layers, one window per step unless said."""
    values: dict[str, Any] = {
        "segment_tokens": window_tokens,
        "stride_tokens": window_tokens,
        "epochs": 1,
        "batch_segments": 1,
        "schedule": "constant",
        "warmup_steps": 0,
        "learning_rate": 1e-3,
        "seed": seed,
    }
    return LiftConfig(**(values | changes))


def all_arms(window_tokens: int, seed: int, batch: int) -> list[Arm]:
    """The arms in the order in which they take turns; `batch` windows a step."""
    own = recipe(window_tokens, seed, batch_segments=batch)
    stride = _stride(window_tokens)
    return [
        reference(window_tokens, seed, batch_segments=batch),
        Arm("B", "PEFT and HF Trainer, no overlap, r=32 on all linear layers",
            _in_fp32(own), hugging_face(own, checkpointing=False), _windows(own)),
        Arm("C", "TRL SFTTrainer as B",
            _in_fp32(own), trl_sft(own, checkpointing=False), _windows(own), trl_missing()),
        Arm("C ckpt", "TRL SFTTrainer as it comes: with checkpointing",
            _in_fp32(own), trl_sft(own, checkpointing=True), _windows(own), trl_missing()),
        _ours("D", "ours", own),
        _ours("D fp32", "ours with the adapter computed in fp32", own, Switches(fp32=True)),
        _ours("D logits", "ours with all logits held", own, Switches(logits=True)),
        _ours("D ckpt", "ours with checkpointing", own, Switches(checkpointing=True)),
        _ours("D overlap", "ours with overlap 8/3", own.with_changes(stride_tokens=stride)),
        _ours("E", "ours with Gated Memory", own.with_changes(adapter="gated-memory")),
    ]  # fmt: skip


def reference(window_tokens: int, seed: int, **changes: Any) -> Arm:
    """LIFT 2502.14644 v1 to v3 as its README has it, at the rate of the other arms."""
    stride = _stride(window_tokens)
    values = {"rank": 128, "alpha": 256, "targets": "attention", "stride_tokens": stride}
    theirs = recipe(window_tokens, seed, **{**values, **changes})
    return Arm(
        "A",
        "reference recipe: overlap 8/3, r=128 on q,k,v,o, checkpointing, HF Trainer",
        _in_fp32(theirs),
        hugging_face(theirs, checkpointing=True),
        _reference_windows(window_tokens, stride, seed),
    )


def _stride(window_tokens: int) -> int:
    """LIFT's: 768 of 2048."""
    return window_tokens * 3 // 8


@dataclass(frozen=True)
class Switches:
    """Ours with one thing undone."""

    fp32: bool = False
    logits: bool = False
    checkpointing: bool = False

    def head(self) -> AbstractContextManager[object]:
        return (
            mock.patch("lift_chat.lift.train.FrozenHead", _Held) if self.logits else nullcontext()
        )


class _Held(FrozenHead):
    """Cross-entropy as transformers computes it: the logits of all positions, and their fp32."""

    def nll(
        self, hidden: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        states, targets, rows = labelled(hidden, labels)
        losses = functional.cross_entropy(self.logits(states), targets, reduction="none")
        return losses.sum() if weights is None else (losses * weights[rows]).sum()


@dataclass(frozen=True)
class Fixed:
    """A plan of given windows, `batch` per step."""

    windows: Windows = field(repr=False)
    batch: int

    @property
    def steps(self) -> int:
        return -(-len(self.windows) // self.batch)

    def units(self, step: int) -> Sequence[Unit]:
        first = step * self.batch
        return [(window(ids),) for ids in self.windows[first : first + self.batch]]


def _ours(name: str, what: str, config: LiftConfig, switches: Switches = Switches()) -> Arm:
    attach = _in_fp32(config) if switches.fp32 else _attached(config)

    def train(base: Base, adapted: Any, windows: Windows, watch: Watch) -> None:
        batch = config.batch_segments
        fit = Fit(windows=batch, recompute=switches.checkpointing)
        state = TrainState.start(adapted, config, Fixed(windows, batch), fit)
        with switches.head(), closing(run_slice(state, nullcontext)) as events:
            for event in events:
                if event.message:  # it goes on with less at once, which is another arm
                    raise OutOfMemory(event.message)
                watch.tick()

    return Arm(name, what, attach, train, _windows(config))


def _attached(config: LiftConfig) -> Callable[[Base], Any]:
    return lambda base: kinds.attach(base.loaded.twin(), config)


def _in_fp32(config: LiftConfig) -> Callable[[Base], Any]:
    """The same adapter, in the dtype that PEFT gives it by default: fp32 over a bf16 base."""

    def attach(base: Base) -> Any:
        adapted = kinds.attach(base.loaded.twin(), config)
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.data = weight.data.float()
        return adapted

    return attach


def _windows(config: LiftConfig) -> Callable[[Base, Sequence[int]], Windows]:
    def epoch(base: Base, ids: Sequence[int]) -> Windows:
        plan = Curriculum(base.loaded, "", ids, config)
        units = (unit for step in range(plan.steps) for unit in plan.units(step))
        return [list(sample.ids) for unit in units for sample in unit]

    return epoch


def _reference_windows(
    length: int, stride: int, seed: int
) -> Callable[[Base, Sequence[int]], Windows]:
    """Windows as the method's own code cuts them: also the ever shorter ends of the last one."""

    def epoch(_: Base, ids: Sequence[int]) -> Windows:
        cut = [list(ids[start : start + length]) for start in range(0, len(ids) - 1, stride)]
        random.Random(seed).shuffle(cut)
        return cut

    return epoch
