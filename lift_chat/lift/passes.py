"""A training pass through the decoder: eager, or replayed from a graph where that is faster.

A shape that comes for the second time is captured, if the device waits for launches and memory
allows; all other passes are eager, and after any failure all of them are. The result is the same
either way. Gradients are summed up in memory of their own, so an optimizer need not know.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch

from lift_chat.adapters.gated_memory.injection import memories_of
from lift_chat.models.graphs import CudaGraphs, Graphs, Pair, Sight, Way
from lift_chat.models.unmasked import is_plain, without_mask

log = logging.getLogger(__name__)

WIDTH = 64
"""Tokens that the width of a batch is a multiple of, so that questions of many lengths have few
shapes. With 150 questions about the shipped example nine of ten passes can then be replayed."""

MOST = 16
"""Shapes that are captured at most."""

ROOM = 2.5
"""Times what the largest pass keeps: once in the graphs, once in an eager pass beside them, and the
loss."""


class Passes:
    """Of one run. `weights` are trained, in place; without `graphs` every pass is eager."""

    def __init__(
        self, decoder: Any, weights: Sequence[torch.Tensor], graphs: Graphs | None = None
    ) -> None:
        self._decoder, self._weights, self._graphs = decoder, list(weights), graphs
        self._pairs: dict[tuple[int, ...], Pair] = {}
        self._seen: dict[tuple[int, ...], Sight] = {}
        self._sums: list[torch.Tensor] = []
        self._anchor = torch.zeros((), requires_grad=True)

    @classmethod
    def of(cls, adapted: Any, decoder: Any) -> Passes:
        """With graphs on a CUDA device, for what can be captured."""
        weights = [weight for weight in adapted.parameters() if weight.requires_grad]
        devices = {weight.device for weight in decoder.parameters()}
        fits = {device.type for device in devices} == {"cuda"} and len(devices) == 1
        captures = fits and is_plain(decoder) and not memories_of(adapted)
        return cls(decoder, weights, CudaGraphs() if captures else None)

    @property
    def multiple(self) -> int:
        """What the width of a batch should be a multiple of."""
        return WIDTH if self._graphs is not None else 1

    def hidden(self, ids: torch.Tensor, *, capture: bool = True) -> torch.Tensor:
        """(batch, tokens) -> (batch, tokens, hidden), differentiable, to be gone back through
        before the next call. Without `capture` nobody has to wait for one."""
        if self._graphs is None:
            return self._decode(ids)
        shape = tuple(ids.shape)
        if shape in self._pairs:
            told: torch.Tensor = _Replay.apply(self._anchor, self, self._pairs[shape], ids)  # type: ignore[no-untyped-call]
            return told
        if capture and self._pays(self._graphs, shape):
            self._capture(self._graphs, ids)
            return self.hidden(ids, capture=False)
        if shape in self._seen:
            return self._unmasked(ids)
        hidden, self._seen[shape] = self._graphs.watch(lambda: self._unmasked(ids))
        return hidden

    def drop(self) -> None:
        """Gives the graphs' memory back; gradients stay. Shapes are to be seen anew: what a device
        prepares for one belongs to a thread, and the next pass may be another's."""
        self._pairs.clear()
        self._seen.clear()
        self._sums = []
        if self._graphs is not None:
            self._graphs.drop()

    def stop(self) -> bool:
        """Every pass is eager from here on. Says whether memory was given back."""
        held = bool(self._pairs)
        self.drop()
        self._graphs = None
        return held

    def add(self, pair: Pair, gradient: torch.Tensor) -> None:
        """Goes backward through a replayed pass, and adds to the gradients there are."""
        pairs = zip(self._weights, self._sums, strict=True)
        fresh = [(weight, own) for weight, own in pairs if weight.grad is not own]
        if fresh:
            torch._foreach_zero_([own for _, own in fresh])
        for weight, own in fresh:
            if weight.grad is not None:  # of an eager pass of this step
                own.copy_(weight.grad)
            weight.grad = own
        pair.backward(gradient)

    def _decode(self, ids: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self._decoder(input_ids=ids, use_cache=False).last_hidden_state
        return hidden

    def _unmasked(self, ids: torch.Tensor) -> torch.Tensor:
        with without_mask(self._decoder.config):
            return self._decode(ids)

    def _pays(self, graphs: Graphs, shape: tuple[int, ...]) -> bool:
        if shape not in self._seen or len(self._pairs) >= MOST or not self._seen[shape].waits():
            return False
        return graphs.room() >= ROOM * max(sight.kept for sight in self._seen.values())

    def _capture(self, graphs: Graphs, ids: torch.Tensor) -> None:
        if not self._sums:
            self._sums = [torch.zeros_like(weight) for weight in self._weights]
        try:
            way = Way(self._unmasked, self._weights, self._sums)
            self._pairs[tuple(ids.shape)] = graphs.capture(way, ids)
            return
        except Exception as error:  # whatever it is, a slow run is better than none
            log.warning("training goes on without graphs: %s", str(error).partition("\n")[0])
        self.stop()  # not before the error is gone, and what was computed until then with it


class _Replay(torch.autograd.Function):
    """What autograd sees of a replayed pass. `anchor` only says that there is a gradient."""

    @staticmethod
    def forward(
        ctx: Any, anchor: torch.Tensor, passes: Passes, pair: Pair, ids: torch.Tensor
    ) -> torch.Tensor:
        ctx.passes, ctx.pair = passes, pair
        return pair.forward(ids)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[None, None, None, None]:
        ctx.passes.add(ctx.pair, grads[0])
        return None, None, None, None
