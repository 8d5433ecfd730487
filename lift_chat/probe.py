"""A short measured warm-up: how fast this device does a recipe's operations, and what it keeps.

One window of at most 512 tokens goes forward and backward twice, on a twin with the adapter of the
recipe, and twice again where training replays what it captured; one optimizer step is done, and a
few tokens are decoded. What autograd keeps is counted, not measured. What other recipes, windows
and stages take follows from counted operations; that a shape is captured is not counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import DynamicCache

from lift_chat.adapters import kinds
from lift_chat.lift.load import Load
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.optimizer import MasterAdamW
from lift_chat.lift.passes import Passes
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.train import decoder_of
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.shape import Shape

WARMUP_TOKENS = 512
ROWS = 16
"""Of the larger of two batches that are decoded."""


@dataclass(frozen=True)
class Probe:
    """Seconds of an operation of training, and of one of reading, which no graph makes faster; of
    an optimizer step, of decoding a token in a batch of its own, and of each further row of that
    batch; `saved_bytes` per token without recomputation. `basis` is one sentence: what was
    measured."""

    operation_seconds: float
    reading_seconds: float
    step_seconds: float
    decoding_seconds: float
    row_seconds: float
    saved_bytes: float
    basis: str

    def corrected(self, factor: float, basis: str) -> Probe:
        """Everything takes `factor` times as long."""
        return replace(
            self,
            operation_seconds=self.operation_seconds * factor,
            reading_seconds=self.reading_seconds * factor,
            step_seconds=self.step_seconds * factor,
            decoding_seconds=self.decoding_seconds * factor,
            row_seconds=self.row_seconds * factor,
            basis=basis,
        )


Clock = Callable[[], float]


def measure(
    loaded: LoadedModel, config: LiftConfig, turn: Turn, clock: Clock = time.monotonic
) -> Probe:
    """Takes the device for one measurement at a time. Seconds are those of `clock`."""
    adapted: Any = kinds.attach(loaded.twin(), config)
    adapted.train()
    optimizer = MasterAdamW([weight for weight in adapted.parameters() if weight.requires_grad])
    head, passes = FrozenHead(adapted), Passes.of(adapted, decoder_of(adapted))
    window = min(WARMUP_TOKENS, config.segment_tokens)
    ids = torch.arange(window, device=loaded.device.torch)[None] % 1000 % head.vocabulary
    saved = _Saved([*loaded.model.parameters(), *adapted.parameters()])

    def seconds(work: Callable[[], None]) -> float:
        with turn():
            started = clock()
            work()
            if loaded.device.kind == "cuda":
                torch.cuda.synchronize()
            return clock() - started

    def train(hooks: Any, capture: bool = False) -> None:
        with hooks:
            hidden = passes.hidden(ids, capture=capture)
        torch.autograd.backward(head.nll(hidden, ids))

    # The first of each is slower than all that follow, and is for counting.
    seconds(lambda: train(torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda t: t)))
    eager = seconds(lambda: train(nullcontext()))
    trained = min(eager, _replayed(passes, lambda: seconds(lambda: train(nullcontext(), True))))
    seconds(lambda: optimizer.step(0.0))
    operations = Shape.of(loaded, config).training(Load.of(1, window, window - 1), recompute=False)
    one, many = (_decoding(loaded, ids[:, :1], rows, seconds) for rows in (1, ROWS))
    row = max(many - one, 0.0) / (ROWS - 1)
    return Probe(
        operation_seconds=trained / operations,
        reading_seconds=eager / operations,
        step_seconds=_step(optimizer, seconds),
        decoding_seconds=one - row,
        row_seconds=row,
        saved_bytes=saved.bytes / window,
        basis=f"Measured on {window} tokens just now.",
    )


def _replayed(passes: Passes, seconds: Callable[[], float]) -> float:
    """Seconds of a pass that was captured by the one before; infinite where none is."""
    if passes.multiple == 1:
        return math.inf
    seconds()
    found = seconds()
    passes.drop()
    return found


def _step(optimizer: MasterAdamW, seconds: Callable[[Callable[[], None]], float]) -> float:
    for parameter in optimizer.parameters:
        parameter.grad = torch.zeros_like(parameter)
    return seconds(lambda: optimizer.step(0.0))


@torch.no_grad()
def _decoding(
    loaded: LoadedModel,
    ids: torch.Tensor,
    rows: int,
    seconds: Callable[[Callable[[], None]], float],
) -> float:
    """Seconds of one token in each of so many rows, by the base."""
    loaded.model.eval()
    past = DynamicCache(config=loaded.model.config)

    def decode() -> None:
        loaded.model(input_ids=ids.expand(rows, 1), past_key_values=past, use_cache=True)

    seconds(decode)
    return min(seconds(decode) for _ in range(3))


class _Saved:
    """Counts what autograd keeps: each storage once, weights not at all."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        self._seen = {weight.untyped_storage().data_ptr() for weight in weights}
        self.bytes = 0

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor
