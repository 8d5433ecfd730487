"""Greedy decoding of many prompts at once: for study questions, exams and evaluations.

Chat streams one answer (`reply`); here nobody watches, and throughput counts. Prompts are sorted by
length and left-padded to a batch of at most `batch_tokens` prompt tokens. Knows token ids and
texts, nothing of documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

BATCH_TOKENS = 8192
CPU_BATCH_TOKENS = 3072
"""Prompts are read in one turn of the device: some four seconds of two CPU cores with the embedded
model, after which a chat is let in, and a slice can still leave in time."""

MOST_ROWS = 32


def generate(
    model: Any,
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    turn: Turn,
    batch_tokens: int | None = None,
) -> Iterator[tuple[int, str]]:
    """Yields (index of the prompt, answer) in any order; each answer is that of greedy decoding.

    `model` is the base or a tree with an adapter on it. The device is borrowed for one step at a
    time.
    """
    model.eval()
    for rows in batches(
        [len(prompt) for prompt in prompts], batch_tokens or most_prompt_tokens(loaded)
    ):
        answers = _decode(model, loaded, [prompts[i] for i in rows], max_new_tokens, turn)
        yield from zip(rows, answers, strict=True)


def most_prompt_tokens(loaded: LoadedModel) -> int:
    """How many padded tokens of prompts are read at once."""
    return CPU_BATCH_TOKENS if loaded.device.kind == "cpu" else BATCH_TOKENS


def batches(
    lengths: Sequence[int], most_tokens: int, most_rows: int = MOST_ROWS
) -> list[list[int]]:
    """Indices in groups of similar length; each group, padded, stays within `most_tokens`."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True):
        group = groups[-1] if groups else []
        if group and len(group) < most_rows and lengths[group[0]] * (len(group) + 1) <= most_tokens:
            group.append(index)
        else:
            groups.append([index])
    return groups


@torch.no_grad()
def _decode(
    model: Any, loaded: LoadedModel, prompts: Sequence[Sequence[int]], most: int, turn: Turn
) -> list[str]:
    device, stop = loaded.device.torch, loaded.stop_ids()
    width = max(len(prompt) for prompt in prompts)
    filler = min(stop)
    step = torch.tensor([[filler] * (width - len(p)) + list(p) for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    places = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    # An index, not a count: the rows of a slice do not lie side by side, and a CPU would copy the
    # head's matrix for each of them.
    last = torch.tensor([-1], device=device)
    told: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))  # of `told`, for each row of the batch
    for _ in range(most):
        with turn():
            logits = model(
                input_ids=step,
                attention_mask=mask,
                position_ids=places,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=last,
            ).logits[:, -1]
            chosen = logits.argmax(-1)
        ended = chosen.tolist()
        going = [place for place, token in enumerate(ended) if token not in stop]
        for place in going:
            told[rows[place]].append(ended[place])
        if not going:
            break
        if len(going) < len(rows):  # a row that goes on for long must not carry the others along
            kept = torch.tensor(going, device=device)
            cache.batch_select_indices(kept)
            chosen, places, mask = chosen[kept], places[kept], mask[kept]
            rows = [rows[place] for place in going]
        step, places = chosen[:, None], places[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
    return [loaded.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in told]
