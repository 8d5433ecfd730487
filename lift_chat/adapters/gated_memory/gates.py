"""Gate values of what a model computes meanwhile: for the loss, and to show what was remembered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from lift_chat.adapters.gated_memory.injection import memories_of


@dataclass
class GateRecord:
    """Filled by every forward call within `record_gates`. Empty for a model without memories."""

    layers: tuple[int, ...]
    """The decoder's layers that have a memory, from the first to the last."""
    _taken: list[torch.Tensor] = field(default_factory=list)

    def mean(self, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Mean gate over all layers, heads and positions, a scalar in fp32, differentiable.

        With `weights` (batch, tokens), of every forward call alike, it is the sum over positions
        of weight times mean gate, so that padding can be left out.
        """
        if not self._taken:
            return torch.zeros(())
        if weights is None:
            return torch.stack([gates.float().mean() for gates in self._taken]).mean()
        sums = [(gates.float().mean(1) * weights).sum() for gates in self._taken]
        return torch.stack(sums).mean()

    def forwards(self, row: int = 0) -> list[torch.Tensor]:
        """(layers, heads, tokens) for each forward call, of one row of the batch; fp32, CPU.

        While generating with a cache, the first is of the prompt and each other of one new token.
        """
        count = max(len(self.layers), 1)
        starts = range(0, len(self._taken), count)
        calls = [self._taken[start : start + count] for start in starts]
        return [
            torch.stack([gates[row].detach().float().cpu() for gates in call]) for call in calls
        ]


@contextmanager
def record_gates(model: Any) -> Iterator[GateRecord]:
    """Collects gate values while it is open. The backward pass may come later, outside of it: a
    recomputed forward would otherwise be recorded as one more."""
    memories = memories_of(model)
    record = GateRecord(tuple(memory.shape.index for memory in memories))
    for memory in memories:
        memory.record = record._taken
    try:
        yield record
    finally:
        for memory in memories:
            memory.record = None
