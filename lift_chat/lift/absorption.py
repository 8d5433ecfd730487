"""How far an adapter stands between having read nothing and having the passage open.

The measure is the likelihood of the gold answers under teacher forcing, so that a near miss
counts for something, unlike in an exam. Knows prompts and answers as they are given; neither how
the questions were made nor where the model comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import torch
from torch.nn import functional

from lift_chat.lift.batching import MicroBatch
from lift_chat.lift.losses import FrozenHead, labelled, pieces
from lift_chat.lift.samples import Sample, answer
from lift_chat.lift.train import decoder_of
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.rows import batches

BATCH_TOKENS = 2048
"""Tokens that go through the device in one turn: some three seconds of two CPU cores
with the embedded model, after which a chat is let in."""

LEAST_GAIN = 0.05
"""Nats per token that the open passage must be worth. Below that the question can be answered
without the document, and absorption would be a quotient of two noises."""


@torch.no_grad()
def sample_losses(
    model: Any, loaded: LoadedModel, samples: Sequence[Sample], turn: Turn
) -> Iterator[tuple[int, float]]:
    """Yields (index of the sample, mean nats per labelled token), longest samples first.

    `model` is the base or a tree with an adapter on it. Each sample has a label behind its first
    token. The device is borrowed for one batch at a time.
    """
    model.eval()
    head, decoder = FrozenHead(model), decoder_of(model)
    for rows in batches([len(sample.ids) for sample in samples], BATCH_TOKENS):
        chosen = [samples[i] for i in rows]
        with turn():
            ids, labels, _ = MicroBatch(chosen, [1.0] * len(rows)).tensors(loaded.device.torch)
            hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state
            sums = row_sums(head, hidden, labels)
        for index, sample, total in zip(rows, chosen, sums, strict=True):
            yield index, total / sample.labelled


@torch.no_grad()
def row_sums(head: FrozenHead, hidden: torch.Tensor, labels: torch.Tensor) -> list[float]:
    """Summed nats of each row; shapes as in `FrozenHead.nll`.

    The rows go through the head together: short answers one by one would read its whole matrix
    for a token or two each.
    """
    states, targets, rows = labelled(hidden, labels)
    sums = torch.zeros(len(labels), device=hidden.device)
    for piece in pieces(states):
        logits = head.logits(states[piece])
        losses = functional.cross_entropy(logits, targets[piece], reduction="none")
        sums.index_add_(0, rows[piece], losses)
    totals: list[float] = sums.tolist()
    return totals


def answer_nll(
    model: Any,
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[str],
    turn: Turn,
) -> list[float]:
    """Mean nats per token of each answer, its stop token included, behind its prompt."""
    samples = [answer(loaded, *asked) for asked in zip(prompts, answers, strict=True)]
    losses = dict(sample_losses(model, loaded, samples, turn))
    return [losses[index] for index in range(len(samples))]


def absorption(
    without: Sequence[float], adapted: Sequence[float], with_passage: Sequence[float]
) -> float | None:
    """Share of the open passage's gain that the adapter brings from weights alone.

    The arguments are nats per token of the same answers: from the base without the document,
    from the adapted model without it, from the base with the passage in the window. 0: learned
    nothing; 1: as good as the passage open; below 0: worse than the base. None when there are no
    answers, or when the passage itself brings less than `LEAST_GAIN`.
    """
    if not (without and adapted and with_passage):
        return None
    gain = fmean(without) - fmean(with_passage)
    return (fmean(without) - fmean(adapted)) / gain if gain >= LEAST_GAIN else None
