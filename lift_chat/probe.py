"""A short measured warm-up: how fast this device does a recipe's operations, and what it keeps.

On a twin with the adapter of the recipe one window of at most 512 tokens goes forward and backward
twice, through the layers and through the head by themselves; then a short one through the layers,
and both again where training replays what it captured; two optimizer steps are done, and a few
tokens are decoded. What autograd keeps is counted, not measured. What other recipes, windows and
stages take follows from counted operations; that a shape is captured is not counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from lift_chat.adapters import kinds
from lift_chat.lift.load import Load
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.optimizer import MasterAdamW
from lift_chat.lift.passes import Passes
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.train import decoder_of
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.rows import Rows, padded_left
from lift_chat.shape import Shape

WARMUP_TOKENS = 512
SHORTER = 8
"""So many times shorter is a window that tells what a pass costs without any tokens."""

MOST_FIXED = 0.9
"""Of a window's seconds; by chance a short window may take as long as a whole one."""

ROWS, CONTEXT = 16, 128
"""Of the larger of two batches that are decoded, and how many tokens stand before: about what a
prompt to write questions has."""


@dataclass(frozen=True)
class Probe:
    """Seconds of a training pass through the layers however short it is, and of each operation of
    it; of an operation in reading, which no graph makes faster; of one of the head with its loss;
    of an optimizer step, of decoding a token in a batch of its own, and of each further row of
    that batch; `saved_bytes` per token without recomputation. `basis` is one sentence: what was
    measured."""

    pass_seconds: float
    operation_seconds: float
    reading_seconds: float
    head_seconds: float
    step_seconds: float
    decoding_seconds: float
    row_seconds: float
    saved_bytes: float
    basis: str

    def corrected(self, factor: float, basis: str) -> Probe:
        """Everything takes `factor` times as long."""
        return replace(
            self,
            pass_seconds=self.pass_seconds * factor,
            operation_seconds=self.operation_seconds * factor,
            reading_seconds=self.reading_seconds * factor,
            head_seconds=self.head_seconds * factor,
            step_seconds=self.step_seconds * factor,
            decoding_seconds=self.decoding_seconds * factor,
            row_seconds=self.row_seconds * factor,
            basis=basis,
        )


Clock = Callable[[], float]
Timed = Callable[[Callable[[], object]], float]


def measure(
    loaded: LoadedModel, config: LiftConfig, turn: Turn, clock: Clock = time.monotonic
) -> Probe:
    """Takes the device for one measurement at a time. Seconds are those of `clock`."""

    def seconds(work: Callable[[], object]) -> float:
        with turn():
            started = clock()
            work()
            if loaded.device.kind == "cuda":
                torch.cuda.synchronize()
            return clock() - started

    twin, shape = _Twin(loaded, config, seconds), Shape.of(loaded, config)
    window = twin.window
    short = max(window // SHORTER, 1)
    eager, headed = twin.layers(window), twin.losses()
    trained = min(eager, twin.replayed(window))
    brief = min(twin.layers(short), twin.replayed(short))
    load = Load.of(1, window, window - 1)
    operations, fewer = (
        shape.training(one, recompute=False) for one in (load, Load.of(1, short, short))
    )
    fixed = _fixed(trained, brief, operations, fewer)
    one, row = _decoding(loaded, twin.ids[:, :CONTEXT], seconds)
    return Probe(
        pass_seconds=fixed,
        operation_seconds=(trained - fixed) / operations,
        reading_seconds=eager / operations,
        head_seconds=headed / shape.losses(load),
        step_seconds=twin.step(),
        decoding_seconds=one,
        row_seconds=row,
        saved_bytes=twin.saved_bytes / window,
        basis=f"Measured on {window} tokens just now.",
    )


class _Twin:
    """The base with a fresh adapter of the recipe, at work on windows of up to `window` tokens."""

    def __init__(self, loaded: LoadedModel, config: LiftConfig, seconds: Timed) -> None:
        adapted: Any = kinds.attach(loaded.twin(), config)
        adapted.train()
        self._seconds, self._head = seconds, FrozenHead(adapted)
        self._passes = Passes.of(adapted, decoder_of(adapted))
        weights = [weight for weight in adapted.parameters() if weight.requires_grad]
        self._optimizer = MasterAdamW(weights)
        self.window = min(WARMUP_TOKENS, config.segment_tokens)
        places = torch.arange(self.window, device=loaded.device.torch)
        self.ids = places[None] % 1000 % self._head.vocabulary
        self.saved_bytes = self._begin(_Saved([*loaded.model.parameters(), *weights]))

    def _begin(self, saved: _Saved) -> int:
        """Does everything once, since the first time is slower than all that follow, and counts."""
        hidden: list[torch.Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda t: t):
            self._seconds(lambda: hidden.append(self._passes.hidden(self.ids, capture=False)))
        self._states = hidden[0].detach().requires_grad_()
        self._gradient = torch.zeros_like(self._states)
        self._seconds(lambda: torch.autograd.backward(hidden.pop(), self._gradient))
        self.losses()
        self.step()
        return saved.bytes

    def layers(self, tokens: int, *, capture: bool = False) -> float:
        """Seconds of so many tokens forward and backward, without the head."""
        ids, gradient = self.ids[:, :tokens], self._gradient[:, :tokens]
        return self._seconds(
            lambda: torch.autograd.backward(self._passes.hidden(ids, capture=capture), gradient)
        )

    def replayed(self, tokens: int) -> float:
        """The same for a pass that was captured by the one before; infinite where none is."""
        if self._passes.multiple == 1:
            return math.inf
        self.layers(tokens, capture=True)
        found = self.layers(tokens, capture=True)
        self._passes.drop()
        return found

    def losses(self) -> float:
        """Seconds of the head and its loss, where every token of a window has a label."""
        return self._seconds(
            lambda: torch.autograd.backward(self._head.nll(self._states, self.ids))
        )

    def step(self) -> float:
        for parameter in self._optimizer.parameters:
            parameter.grad = torch.zeros_like(parameter)
        return self._seconds(lambda: self._optimizer.step(0.0))


def _fixed(long: float, short: float, operations: float, fewer: float) -> float:
    """Seconds of no operations at all, where so many and `fewer` of them take these seconds."""
    if operations <= fewer:
        return 0.0
    found = (short * operations - long * fewer) / (operations - fewer)
    return min(max(found, 0.0), MOST_FIXED * long)


@torch.no_grad()
def _decoding(loaded: LoadedModel, ids: torch.Tensor, seconds: Timed) -> tuple[float, float]:
    """Seconds of one token behind `ids` (1, tokens), and of each further row beside it, by the
    base; rows are padded, as those of many prompts are."""
    loaded.model.eval()
    prompt = ids[0].tolist()
    rows = Rows(loaded.model, loaded.device.torch)
    last = torch.tensor([-1], device=loaded.device.torch)
    seconds(lambda: rows.read(padded_left([prompt, prompt[1:]]), logits_to_keep=last))
    rows.take([1])

    def decode(count: int) -> float:
        rows.take([0] * count)
        step = [prompt[:1]] * count
        return min(seconds(lambda: _chosen(rows.read(step, logits_to_keep=last))) for _ in range(3))

    one, many = decode(1), decode(ROWS)
    row = max(many - one, 0.0) / (ROWS - 1)
    return one - row, row


def _chosen(told: Any) -> list[int]:
    chosen: list[int] = told.logits[:, -1].argmax(-1).tolist()
    return chosen


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
