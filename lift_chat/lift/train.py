"""The training loop: a generator of `ProgressEvent`s that can be left and entered at any step.

What a step trains on follows from the plan and the step's number alone, so a state is the
adapter, the optimizer and one integer. The loop knows nothing of jobs, files or threads; the
device is borrowed for one micro-batch at a time through `turn`, so that a chat gets its share; as
long as somebody chats, micro-batches are as small as they can be.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from lift_chat.adapters.gated_memory.gates import GateRecord, record_gates
from lift_chat.errors import OutOfMemory
from lift_chat.lift.batching import MicroBatch, Unit, micro_batches
from lift_chat.lift.losses import FrozenHead, Soft
from lift_chat.lift.optimizer import MasterAdamW, rate
from lift_chat.lift.passes import Passes
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.device import Turn

SHARED_TOKENS = 256
"""A micro-batch holds no more, or one sample, while somebody else wants the device: each turn of a
chat waits for one."""


class Plan(Protocol):
    """What is trained on, step by step; the same for the same step at every call."""

    @property
    def steps(self) -> int: ...

    def units(self, step: int) -> Sequence[Unit]:
        """The step's units; the step's loss is the mean over them."""
        ...


@dataclass(frozen=True)
class _Nothing:
    steps: int = 0

    def units(self, step: int) -> Sequence[Unit]:
        raise IndexError(step)


NOTHING: Plan = _Nothing()
"""The plan of a run that does not know yet what it will train on."""


@dataclass(frozen=True)
class Fit:
    """What fits into memory: windows at once, and whether activations are recomputed."""

    windows: int = 1
    recompute: bool = False


@dataclass
class TrainState:
    """A run in memory."""

    adapted: Any
    config: LiftConfig
    plan: Plan
    optimizer: MasterAdamW
    passes: Passes
    device: torch.device
    step: int = 0
    micro_batch: int = 1
    checkpointing: bool = False

    @classmethod
    def start(cls, adapted: Any, config: LiftConfig, plan: Plan, fit: Fit) -> TrainState:
        trainable = [weight for weight in adapted.parameters() if weight.requires_grad]
        device = trainable[0].device
        optimizer = MasterAdamW(trainable)
        passes = Passes.of(adapted, decoder_of(adapted))
        state = cls(adapted, config, plan, optimizer, passes, device, micro_batch=fit.windows)
        if fit.recompute:
            state.recompute()
        return state

    def recompute(self) -> None:
        """Keeps only the layers' inputs from here on: less memory, about 1.4 times the work."""
        self.passes.stop()
        self.adapted.activation_checkpointing_enable()
        self.checkpointing = True

    @property
    def total(self) -> int:
        return self.plan.steps


def run_slice(
    state: TrainState, turn: Turn, *, budget_seconds: float | None = None
) -> Generator[ProgressEvent, None, None]:
    """Trains until the plan is done or the budget is spent; yields once per optimizer step.

    Closing the generator stops between two steps; `state` is then as after the last event. Seconds
    are those of the steps alone: whoever iterates examines and saves in between.

    Raises `OutOfMemory` when a single window does not fit even with checkpointed activations.
    """
    head = FrozenHead(state.adapted)
    seconds, tokens, first = 0.0, 0, state.step
    try:
        while state.step < state.total:
            started = time.monotonic()
            # Between two steps somebody may have asked the model something, in eval mode.
            state.adapted.train()
            units = state.plan.units(state.step)
            loss, message = _step(state, head, units, turn)
            state.step += 1
            tokens += sum(len(sample.ids) for unit in units for sample in unit)
            seconds += time.monotonic() - started
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
    finally:
        state.passes.drop()


def study_once(state: TrainState, units: Sequence[Unit], turn: Turn) -> int:
    """One pass over `units` in their order, at the full rate and beside the plan: no step of it
    is counted. Returns the tokens trained."""
    head = FrozenHead(state.adapted)
    state.adapted.train()
    size = state.config.batch_segments
    for start in range(0, len(units), size):
        _accumulate(state, head, units[start : start + size], turn)
        with turn():
            state.optimizer.step(state.config.learning_rate)
    return sum(len(sample.ids) for unit in units for sample in unit)


def _step(
    state: TrainState, head: FrozenHead, units: Sequence[Unit], turn: Turn
) -> tuple[float | None, str]:
    """One optimizer step; halves the micro-batch and starts over when memory runs out."""
    message = ""
    while True:
        try:
            loss = _accumulate(state, head, units, turn)
            break
        except torch.OutOfMemoryError as error:
            state.optimizer.clear()
            spared = state.passes.stop()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if spared:
                message = "Memory ran out; going on without captured graphs (slower)."
            else:
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
    state: TrainState, head: FrozenHead, units: Sequence[Unit], turn: Turn
) -> float | None:
    """Gradients of the mean loss over the step's units.

    Returns the loss of the document's text alone, in nats per token, so that the curve is one
    thing; of everything where a run trains on no text; None for a step without any.
    """
    shown = 0.0, 0.0
    most = state.micro_batch * state.config.segment_tokens
    left = deque(micro_batches(units, most, state.passes.multiple))
    while left:
        with turn() as shared, record_gates(state.adapted) as gates:
            batch = left.popleft()
            if shared:
                batch, *rest = batch.parts(SHARED_TOKENS)
                left.extendleft(reversed(rest))
            loss = _gradients(state, head, batch, gates, capture=not shared)
            if batch.is_text or state.config.segments == "none":
                shown = shown[0] + float(loss), shown[1] + batch.labelled_share
    return shown[0] / shown[1] if shown[1] else None


def _gradients(
    state: TrainState, head: FrozenHead, batch: MicroBatch, gates: GateRecord, *, capture: bool
) -> torch.Tensor:
    """Adds the gradients of a micro-batch to those there are; returns its loss.

    Nothing of a pass outlives it: as long as anything does, autograd holds the weights to the
    stream that it ran on, and a graph of another pass cannot be captured on a stream of its own.
    """
    ids, labels, weights = batch.tensors(state.device)
    hidden = state.passes.hidden(ids, capture=capture)
    if batch.soft:
        soft = Soft.joined(batch.soft, state.device)
        loss = head.distance(hidden, labels, soft, weights)
    else:
        loss = head.nll(hidden, labels, weights)
    told = loss.detach()
    if state.config.gate_penalty:
        loss = loss + state.config.gate_penalty * gates.mean(batch.positions(state.device))
    torch.autograd.backward(loss)
    return told


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
