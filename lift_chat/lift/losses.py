"""Losses under a frozen head, without ever holding the logits.

For 2048 tokens and a vocabulary of 150,000 the logits, their fp32 copy and their gradient take
3.7 GB; a chunk of some positions takes a hundredth of it. The head is frozen, so the gradient
to the hidden states is all that backward needs, and it is computed chunk by chunk already in
forward. Positions without a label never reach the head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from lift_chat.models.rows import PADDING

IGNORE = PADDING
CHUNK = {"cpu": 128, "cuda": 256}
"""Positions whose logits are there at a time, by kind of device. On a CPU as few as keeps them
below what the C library asks the system for anew each time (32 MB; SmolLM2's take 25): clearing
those pages takes 6 to 8 % of a training step."""

LEAST = 1e-6
"""Probability of the tokens outside of a teacher's top: below it, rounding decides."""


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
        logits: torch.Tensor = self.projection(hidden).float()
        if self.scale != 1:  # with all logits in hand, even a multiplication by 1 takes its time
            logits = logits * self.scale
        return self.cap * torch.tanh(logits / self.cap) if self.cap else logits

    def nll(
        self, hidden: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Summed negative log likelihood, a scalar in fp32, differentiable in `hidden`.

        hidden (batch, tokens, hidden); labels (batch, tokens), `IGNORE` where there is none.
        Position t predicts label t + 1. `weights` (batch,) multiplies each row's sum.
        """
        states, targets, rows = labelled(hidden, labels)
        weight = None if weights is None else weights[rows]
        total: torch.Tensor = _Chunked.apply(states, self, weight, _hard(targets))  # type: ignore[no-untyped-call]
        return total

    def distance(
        self, hidden: torch.Tensor, labels: torch.Tensor, soft: Soft, weights: torch.Tensor
    ) -> torch.Tensor:
        """Summed KL divergence from a teacher's top tokens, like `nll` otherwise.

        `soft` has a row for each labelled position of the batch, in order (prompt distillation,
        arXiv 2412.14964; top 20 tokens as in Cartridges, arXiv 2506.06266). All other tokens
        together count as one more: a student that says what its teacher says has nothing to learn.
        """
        states, _, rows = labelled(hidden, labels)
        total: torch.Tensor = _Chunked.apply(states, self, weights[rows], _soft(soft))  # type: ignore[no-untyped-call]
        return total


@dataclass(frozen=True)
class Soft:
    """A teacher's distribution: tokens (positions, k), log-probabilities (positions, k)."""

    tokens: torch.Tensor
    logprobs: torch.Tensor

    @classmethod
    def joined(cls, parts: Sequence[Soft], device: torch.device) -> Soft:
        return cls(
            torch.cat([part.tokens for part in parts]).to(device),
            torch.cat([part.logprobs for part in parts]).to(device),
        )


PieceLoss = Callable[[torch.Tensor, slice], torch.Tensor]
"""(logits (positions, vocabulary), which positions) -> loss of each position."""


def labelled(
    hidden: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states, targets and row numbers of the positions that have a label."""
    known = labels[:, 1:] != IGNORE
    rows = known.nonzero()[:, 0]
    return hidden[:, :-1][known], labels[:, 1:][known], rows


def pieces(states: torch.Tensor) -> Iterator[slice]:
    """Of hidden states (positions, hidden), those that go through the head together."""
    size = CHUNK[states.device.type]
    return (slice(start, start + size) for start in range(0, len(states), size))


def _hard(targets: torch.Tensor) -> PieceLoss:
    return lambda logits, piece: functional.cross_entropy(logits, targets[piece], reduction="none")


def _soft(soft: Soft) -> PieceLoss:
    teacher = _with_others(soft.logprobs.float())

    def loss(logits: torch.Tensor, piece: slice) -> torch.Tensor:
        student = _with_others(logits.log_softmax(-1).gather(-1, soft.tokens[piece]))
        return (teacher[piece].exp() * (teacher[piece] - student)).sum(-1)

    return loss


def _with_others(logprobs: torch.Tensor) -> torch.Tensor:
    """(positions, k) -> (positions, k + 1): behind the tokens, all others together."""
    others = (1 - logprobs.exp().sum(-1, keepdim=True)).clamp(min=LEAST)
    return torch.cat([logprobs, others.log()], dim=-1)


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        head: FrozenHead,
        weight: torch.Tensor | None,
        loss_of: PieceLoss,
    ) -> torch.Tensor:
        total = states.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        for piece in pieces(states):
            part = states[piece].detach()
            with torch.set_grad_enabled(gradient is not None):
                part.requires_grad_(gradient is not None)
                losses = loss_of(head.logits(part), piece)
                loss = losses.sum() if weight is None else (losses * weight[piece]).sum()
                if gradient is not None:
                    gradient[piece] = torch.autograd.grad(loss, part)[0]
            total += loss.detach()
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0].to(gradient.dtype), None, None, None
