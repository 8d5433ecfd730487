"""Memory and gate of one attention layer (LIFT, arXiv 2502.14644 section 3).

Attention of a query q over an absent document and the visible tokens is exactly
`g(q) m(q) + (1 - g(q)) attention(q, visible)`, where m is the attention over the document alone
and g the document's share of the softmax. Both depend on q, as the document does not change; here
they are small networks of q, with weights of their own for each head. Knows queries and attention
outputs, nothing of models.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from lift_chat.adapters.gated_memory.config import LayerShape, MemoryConfig

OPENING = 16.0
"""How much faster than a weight the gate's scale moves: some dozens of steps at 1e-3 must be able
to open a gate that starts shut."""


class HeadLinear(nn.Module):
    """(heads, positions, inputs) -> (heads, positions, outputs); a matrix for each head."""

    def __init__(self, heads: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(heads, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(heads, 1, outputs).uniform_(-bound, bound))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return torch.baddbmm(self.bias, states, self.weight)


class HeadNetwork(nn.Module):
    """For each head one hidden layer of width `hidden`, or none at 0, and an output layer."""

    def __init__(self, heads: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.inner = HeadLinear(heads, inputs, hidden) if hidden else None
        self.outer = HeadLinear(heads, hidden or inputs, outputs)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        if self.inner is not None:
            states = functional.silu(self.inner(states))
        outputs: torch.Tensor = self.outer(states)
        return outputs


class GatedMemory(nn.Module):
    """The networks m and g of one layer.

    At the start the gate is exactly 0, so the layer is the base's. A scale for each head opens
    it: `g = tanh(16 |scale|) sigmoid(net(q))`, in [0, 1). A gate that may not be negative and
    starts at 0 stands on the border of what is allowed, and a head whose first gradient points
    outward would stay shut for good; the absolute value (with slope 1 at 0) opens it either way,
    and its memory then learns to be worth it.
    """

    def __init__(self, shape: LayerShape, config: MemoryConfig) -> None:
        super().__init__()
        heads, width = shape.heads, shape.head_dim
        gate_hidden = width * config.gate_width if config.gate == "mlp" else 0
        self.shape = shape
        self.memory = HeadNetwork(heads, width, width * config.memory_width, width)
        nn.init.zeros_(self.memory.outer.weight)
        nn.init.zeros_(self.memory.outer.bias)
        self.gate = HeadNetwork(heads, width, gate_hidden, 1)
        self.scale = nn.Parameter(torch.zeros(heads, 1, 1))
        self.strength = 1.0
        self.record: list[torch.Tensor] | None = None
        """Where gate values (batch, heads, tokens) go in the order of the forward calls."""
        self.watcher: Callable[..., Any] | None = None
        """Called with the arguments of each attention; see `injection`."""

    def forward(self, query: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """query (batch, heads, tokens, head_dim), as used for scores; attention and result
        (batch, tokens, heads, head_dim)."""
        if self.strength == 0:
            return attention
        batch, _, tokens, _ = query.shape
        states = query.transpose(1, 2).flatten(0, 1).transpose(0, 1)
        memory, gate = self.recall(states)
        if self.strength != 1:
            gate = (gate * self.strength).clamp(max=1)
        rows = (batch, tokens, self.shape.heads, -1)
        memory, gate = (part.transpose(0, 1).reshape(rows) for part in (memory, gate))
        if self.record is not None:
            self.record.append(gate.squeeze(-1).transpose(1, 2))
        return torch.lerp(attention, memory, gate)

    def recall(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Queries (heads, positions, head_dim) -> m (the same shape), g (heads, positions, 1)."""
        opening = OPENING * torch.where(self.scale >= 0, self.scale, -self.scale)
        gate = torch.tanh(opening) * functional.sigmoid(self.gate(states))
        return self.memory(states), gate
