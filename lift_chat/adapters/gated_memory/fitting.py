"""Fits memories without training the model: attention regression, layer by layer.

The frozen model reads a document and then a probe once. For each layer that gives the queries of
the probe, the attention over the document (what m should say), over the rest, and the true output,
from which the document's share of the softmax (what g should say) follows. Each layer's networks
are then fitted to these on their own: L1 and cosine distance, for the memory and for the gated
combination (an unpublished follow-up by LIFT's authors; the identity is that of arXiv 2502.14644
section 3). Much cheaper than back-propagation through the model, but document and probe have to
fit its window.

Knows token ids and an adapted model, nothing of documents or of jobs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from lift_chat.adapters.gated_memory.injection import memories_of
from lift_chat.adapters.gated_memory.layer import GatedMemory
from lift_chat.errors import InvalidConfig
from lift_chat.models.device import Turn

RATE, DECAY = 3e-3, 0.1
OPEN = 0.125
"""Scale of an open gate: tanh(16 scale) is 0.96."""
PREFIX = 4
"""Tokens of the probe that stand before the document. The first tokens of a text draw attention
whatever they are; without the document they are the probe's own, so they must not count as the
document's."""


@dataclass(frozen=True)
class FitProgress:
    """After pass `done` of `passes` over layer `layer` of `layers`, both counted from 1. `loss` is
    the mean over the pass, `gate_error` the mean distance of g from the true share."""

    layer: int
    layers: int
    done: int
    passes: int
    loss: float
    gate_error: float


@dataclass(frozen=True)
class Observed:
    """One layer's attention for `n` positions: tensors (heads, n, head_dim), `share` (heads, n, 1).

    Where no token of the document is visible (sliding windows), `share` is 0 and `document` is 0.
    """

    query: torch.Tensor
    document: torch.Tensor
    rest: torch.Tensor
    output: torch.Tensor
    share: torch.Tensor


def fit(
    adapted: Any,
    document: torch.Tensor,
    probe: torch.Tensor,
    *,
    passes: int = 100,
    turn: Turn,
    prefix: int = PREFIX,
    positions: int = 1024,
) -> Generator[FitProgress, None, None]:
    """Fits the memories of `adapted` in place; yields once per pass over a layer.

    `document` (1, tokens) is what is to be remembered, `probe` (1, tokens) what is asked or read
    without it later; mini-batches are `positions` of the probe long. Closing the iterator leaves
    the memories as after the last event. Raises `InvalidConfig` when both together do not fit the
    model's window or the probe is not longer than `prefix`.
    """
    memories = memories_of(adapted)
    with turn():
        observed = observe(adapted, document, probe, prefix)
    for number, (memory, seen) in enumerate(zip(memories, observed, strict=True), start=1):
        batches = -(-seen.query.shape[1] // positions)
        for done, (loss, error) in enumerate(
            _fit_layer(memory, seen, passes, batches, turn), start=1
        ):
            yield FitProgress(number, len(memories), done, passes, loss, error)


def _fit_layer(
    memory: GatedMemory,
    seen: Observed,
    passes: int,
    batches: int,
    turn: Turn,
) -> Iterator[tuple[float, float]]:
    """Yields (loss, gate error) of each pass; the update is in fp32, on a copy."""
    local = copy.deepcopy(memory).float().requires_grad_(True)
    optimizer = torch.optim.AdamW(local.parameters(), lr=RATE, weight_decay=DECAY)
    shuffler = torch.Generator().manual_seed(memory.shape.index)
    with turn(), torch.no_grad():
        _match_means(local, seen)
    for done in range(passes):
        optimizer.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * done / passes)) / 2
        order = torch.randperm(seen.query.shape[1], generator=shuffler)
        losses, errors = 0.0, 0.0
        for rows in order.chunk(batches):
            with turn(), torch.enable_grad():
                loss, error = _loss(local, seen, rows.to(seen.query.device))
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                losses += float(loss.detach()) * len(rows)
                errors += float(error) * len(rows)
        with turn(), torch.no_grad():
            for target, source in zip(memory.parameters(), local.parameters(), strict=True):
                target.copy_(source)
        yield losses / len(order), errors / len(order)


def _match_means(local: GatedMemory, seen: Observed) -> None:
    """Starts each head at the mean of what its memory and its gate are to say.

    A fresh memory says the zero vector, where a cosine has no slope worth following, and a fresh
    gate is shut, which most of the passes would go into opening.
    """
    share = seen.share.float() + 1e-6
    memory, _ = local.recall(seen.query.float())
    missing = (share * (seen.document.float() - memory)).sum(1, keepdim=True)
    local.memory.outer.bias.add_(missing / share.sum(1, keepdim=True))
    local.scale.copy_(local.scale.abs().clamp(min=OPEN))
    _, gate = local.recall(seen.query.float())
    wanted, found = (part.mean(1, keepdim=True).clamp(1e-3, 0.9) for part in (share, gate))
    local.gate.outer.bias.add_(torch.logit(wanted) - torch.logit(found))


def _loss(
    local: GatedMemory, seen: Observed, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    query, document, rest, output, share = (
        part[:, rows].float()
        for part in (seen.query, seen.document, seen.rest, seen.output, seen.share)
    )
    memory, gate = local.recall(query)
    visible = (share > 0).squeeze(-1)
    remembered = _distance(memory, document) * visible
    combined = _distance(torch.lerp(rest, memory, gate), output)
    return remembered.mean() + combined.mean(), (gate - share).abs().mean().detach()


def _distance(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """L1 and cosine distance of vectors (..., head_dim) -> (...)."""
    cosine = functional.cosine_similarity(found, wanted, dim=-1, eps=1e-4)
    return (found - wanted).abs().mean(-1) + 1 - cosine


@torch.no_grad()
def observe(
    adapted: Any, document: torch.Tensor, probe: torch.Tensor, prefix: int = PREFIX
) -> list[Observed]:
    """What each layer with a memory attends to in the base model, for the probe after `prefix`.

    The order is: the probe's prefix, the document, the rest of the probe. Positions are shifted so
    that this rest stands where it stands without the document: its queries, which are rotated by
    position, are then those that the memories see later.
    """
    length, tokens = document.shape[1], probe.shape[1]
    limit = getattr(adapted.config.get_text_config(), "max_position_embeddings", None)
    if limit and length + tokens > limit:
        raise InvalidConfig(f"Document and probe ({length + tokens} tokens) exceed {limit} tokens.")
    if not 0 <= prefix < tokens:
        raise InvalidConfig(f"The probe must be longer than its prefix of {prefix} tokens.")
    ids = torch.cat([probe[:, :prefix], document, probe[:, prefix:]], dim=1)
    places = torch.arange(-length, tokens, device=ids.device)[None]
    adapted.eval()
    with _watched(adapted, prefix, prefix + length) as observed:
        adapted.get_decoder()(input_ids=ids, position_ids=places, use_cache=False)
    return observed


@contextmanager
def _watched(adapted: Any, start: int, end: int) -> Iterator[list[Observed]]:
    """Runs the model as the base and splits its attention at the document, keys start..end."""
    memories, observed = memories_of(adapted), list[Observed]()
    strengths = [memory.strength for memory in memories]

    def watch(attend: Any, query: Any, key: Any, value: Any, mask: Any, output: Any) -> None:
        observed.append(_split(attend, (query, key, value), mask, output, slice(start, end)))

    for memory in memories:
        memory.watcher, memory.strength = watch, 0.0
    try:
        yield observed
    finally:
        for memory, strength in zip(memories, strengths, strict=True):
            memory.watcher, memory.strength = None, strength


def _split(
    attend: Any,
    states: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    output: torch.Tensor,
    span: slice,
) -> Observed:
    """The attention over `span` and over the other keys, by the same implementation, so that soft
    caps and grouped keys need no word here. The share of the softmax follows from the three
    outputs: it is where the true one lies between the two others."""
    query, key, value = states
    query, output = query[:, :, span.stop :], output[:, span.stop :]
    mask = _mask(mask, key.shape[2], key.device)[:, :, span.stop :, : key.shape[2]]
    inside = torch.zeros(key.shape[2], dtype=torch.bool, device=key.device)
    inside[span] = True
    document, rest = (
        attend(query, key[:, :, part], value[:, :, part], mask[..., part])[0]
        for part in (inside, ~inside)
    )
    allowed = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    seen = allowed[..., inside].any(-1)[:, 0, :, None, None]
    document = torch.where(seen, document, 0)
    apart, total = (document - rest).float(), (output - rest).float()
    share = (apart * total).sum(-1, keepdim=True) / apart.square().sum(-1, keepdim=True).add(1e-12)
    share = torch.where(seen, share.clamp(0, 1), 0)
    parts = (query.transpose(1, 2), document, rest, output, share)
    return Observed(*(part[0].transpose(0, 1).contiguous() for part in parts))


def _mask(mask: torch.Tensor | None, tokens: int, device: torch.device) -> torch.Tensor:
    """(1, 1, tokens, tokens): the given one, or the causal one that SDPA stands for by None."""
    if mask is None:
        return torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()[None, None]
    if not isinstance(mask, torch.Tensor):
        raise InvalidConfig("Fitting needs a model with SDPA or eager attention.")
    return mask
