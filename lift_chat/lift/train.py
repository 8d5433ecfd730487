"""The training loop: a generator of `ProgressEvent`s that can be left and entered at any step.

Which windows a step trains on follows from the seed and the step's number alone, so a state is
the adapter, the optimizer and one integer. The loop knows nothing of jobs, files or threads; the
device is borrowed for one micro-batch at a time through `turn`, so that a chat gets its share.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lift_chat.errors import OutOfMemory
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.optimizer import MasterAdamW, rate
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.device import Turn


@dataclass(frozen=True)
class Fit:
    """What fits into memory: windows at once, and whether activations are recomputed."""

    windows: int = 1
    recompute: bool = False


@dataclass
class TrainState:
    """A run in memory. `windows` are token ids (1, tokens) on the device."""

    adapted: Any
    config: LiftConfig
    windows: Sequence[torch.Tensor]
    optimizer: MasterAdamW
    step: int = 0
    micro_batch: int = 1
    checkpointing: bool = False

    @classmethod
    def start(
        cls, adapted: Any, config: LiftConfig, windows: Sequence[torch.Tensor], fit: Fit
    ) -> TrainState:
        trainable = [weight for weight in adapted.parameters() if weight.requires_grad]
        state = cls(adapted, config, windows, MasterAdamW(trainable), micro_batch=fit.windows)
        if fit.recompute:
            state.recompute()
        return state

    def recompute(self) -> None:
        """Keeps only the layers' inputs from here on: less memory, about 1.4 times the work."""
        self.adapted.activation_checkpointing_enable()
        self.checkpointing = True

    @property
    def total(self) -> int:
        return steps_per_epoch(self.config, len(self.windows)) * self.config.epochs


def steps_per_epoch(config: LiftConfig, windows: int) -> int:
    return -(-windows // config.batch_segments)


def batch_of(config: LiftConfig, windows: int, step: int) -> list[int]:
    """Indices of the windows of a step: each epoch is a fresh permutation, seeded by its number."""
    per_epoch = steps_per_epoch(config, windows)
    epoch, position = divmod(step, per_epoch)
    shuffler = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    order: list[int] = torch.randperm(windows, generator=shuffler).tolist()
    return order[position * config.batch_segments : (position + 1) * config.batch_segments]


def run_slice(
    state: TrainState, turn: Turn, *, budget_seconds: float | None = None
) -> Generator[ProgressEvent, None, None]:
    """Trains until the plan is done or the budget is spent; yields once per optimizer step.

    Closing the generator stops between two steps; `state` is then as after the last event.
    Raises `OutOfMemory` when a single window does not fit even with checkpointed activations.
    """
    head = FrozenHead(state.adapted)
    state.adapted.train()
    started, tokens, first = time.monotonic(), 0, state.step
    while state.step < state.total:
        batch = batch_of(state.config, len(state.windows), state.step)
        loss, message = _step(state, head, [state.windows[i] for i in batch], turn)
        state.step += 1
        tokens += sum(state.windows[i].shape[1] for i in batch)
        seconds = time.monotonic() - started
        yield ProgressEvent(
            stage="training",
            step=state.step,
            total=state.total,
            loss=loss,
            tokens=tokens,
            tokens_per_second=tokens / seconds if seconds > 0 else 0.0,
            seconds=seconds,
            eta_seconds=seconds / (state.step - first) * (state.total - state.step),
            message=message,
        )
        if budget_seconds is not None and seconds >= budget_seconds:
            return


def _step(
    state: TrainState, head: FrozenHead, windows: list[torch.Tensor], turn: Turn
) -> tuple[float, str]:
    """One optimizer step; halves the micro-batch and starts over when memory runs out."""
    message = ""
    while True:
        try:
            loss = _accumulate(state, head, windows, turn)
            break
        except torch.OutOfMemoryError as error:
            state.optimizer.clear()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            message = _shrink(state, error)
    with turn():
        state.optimizer.step(rate(state.config, state.step, state.total))
    return loss, message


def _shrink(state: TrainState, error: torch.OutOfMemoryError) -> str:
    if state.micro_batch > 1:
        state.micro_batch //= 2
        return f"Memory ran out; going on with {state.micro_batch} window(s) at a time."
    if not state.checkpointing:
        state.recompute()
        return "Memory ran out; going on with recomputed activations (slower)."
    raise OutOfMemory(
        f"A window of {state.config.segment_tokens} tokens does not fit into memory; "
        f"use shorter segments, a lower rank or a smaller base model."
    ) from error


def _accumulate(
    state: TrainState, head: FrozenHead, windows: list[torch.Tensor], turn: Turn
) -> float:
    """Gradients of the mean loss over all labelled tokens of the step; returns that loss."""
    labelled = sum(window.shape[1] - 1 for window in windows)
    decoder = decoder_of(state.adapted)
    total = 0.0
    for ids in micro_batches(windows, state.micro_batch):
        with turn():
            hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state
            nll = head.nll(hidden, ids)
            torch.autograd.backward(nll / labelled)
            total += float(nll.detach())
    return total / labelled


def micro_batches(windows: list[torch.Tensor], size: int) -> Iterator[torch.Tensor]:
    """Windows of equal length stacked to (batch, tokens), at most `size` each; no padding."""
    by_length: dict[int, list[torch.Tensor]] = {}
    for window in windows:
        by_length.setdefault(window.shape[1], []).append(window)
    for group in by_length.values():
        for start in range(0, len(group), size):
            yield torch.cat(group[start : start + size])


def decoder_of(model: Any) -> Any:
    """The layers without the head, of a bare or an adapted model."""
    return model.get_decoder()


@torch.no_grad()
def mean_loss(model: Any, windows: Sequence[torch.Tensor], turn: Turn) -> Iterator[float]:
    """Yields the running mean loss in nats per token after each window (1, tokens)."""
    head, decoder = FrozenHead(model), decoder_of(model)
    model.eval()
    total, count = 0.0, 0
    for ids in windows:
        with turn():
            hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state
            total += float(head.nll(hidden, ids))
        count += ids.shape[1] - 1
        yield total / count
