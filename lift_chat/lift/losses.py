"""Next-token cross-entropy under a frozen head, without ever holding the logits.

For 2048 tokens and a vocabulary of 150,000 the logits, their fp32 copy and their gradient take
3.7 GB; a chunk of 256 positions takes a hundredth of it. The head is frozen, so the gradient
to the hidden states is all that backward needs, and it is computed chunk by chunk already in
forward. Positions without a label never reach the head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

IGNORE = -100
CHUNK = 256


class FrozenHead:
    """The output projection of a decoder, with what its model does to the logits afterwards.

    Covers the plain head, Gemma 2's soft cap, and the scales of Cohere and Granite.
    """

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        values = config.to_dict()
        self.projection: nn.Module = model.get_output_embeddings()
        self.vocabulary = int(config.vocab_size)
        self.cap: float | None = values.get("final_logit_softcapping")
        self.scale: float = (values.get("logit_scale") or 1.0) / (values.get("logits_scaling") or 1)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(positions, hidden) -> (positions, vocabulary), fp32."""
        logits: torch.Tensor = self.projection(hidden).float() * self.scale
        return self.cap * torch.tanh(logits / self.cap) if self.cap else logits

    def nll(self, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Summed negative log likelihood, a scalar in fp32, differentiable in `hidden`.

        hidden (batch, tokens, hidden); labels (batch, tokens), `IGNORE` where there is none.
        Position t predicts label t + 1.
        """
        targets = labels[:, 1:].reshape(-1)
        known = targets != IGNORE
        states = hidden[:, :-1].reshape(-1, hidden.shape[-1])[known]
        total: torch.Tensor = _ChunkedNll.apply(states, targets[known], self)  # type: ignore[no-untyped-call]
        return total


class _ChunkedNll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, targets: torch.Tensor, head: FrozenHead
    ) -> torch.Tensor:
        total = states.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        for start in range(0, len(states), CHUNK):
            piece = slice(start, start + CHUNK)
            part = states[piece].detach()
            with torch.set_grad_enabled(gradient is not None):
                part.requires_grad_(gradient is not None)
                loss = functional.cross_entropy(head.logits(part), targets[piece], reduction="sum")
                if gradient is not None:
                    gradient[piece] = torch.autograd.grad(loss, part)[0]
            total += loss.detach()
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0].to(gradient.dtype), None, None
