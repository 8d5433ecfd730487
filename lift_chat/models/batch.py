"""Greedy decoding of many prompts at once: for study questions, exams and evaluations.

Chat streams one answer (`reply`); here nobody watches, and throughput counts. What prompts have in
common at their beginning is read once. Knows token ids and texts, nothing of documents.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch

from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.rows import Rows, padded_left
from lift_chat.models.stems import Stem, groups, rows_of

BATCH_TOKENS = 8192
CPU_BATCH_TOKENS = 3072
"""Prompts are read in one turn of the device: some four seconds of two CPU cores with the embedded
model, after which a chat is let in, and a slice can still leave in time."""


def generate(
    model: Any,
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    turn: Turn,
    batch_tokens: int | None = None,
    wanted: Collection[int] | None = None,
) -> Iterator[tuple[int, str]]:
    """Yields (index of the prompt, answer) in any order; each answer is that of greedy decoding.

    Of the `wanted` prompts, or of all: an answer is bit for bit the same either way. `model` is the
    base or a tree with an adapter on it. The device is borrowed for one step at a time.
    """
    model.eval()
    asked = set(range(len(prompts)) if wanted is None else wanted)
    for group in groups(prompts, batch_tokens or most_prompt_tokens(loaded), wanted=asked):
        answers = _decode(model, loaded, prompts, group, max_new_tokens, turn)
        for row, answer in zip(rows_of(group), answers, strict=True):
            if row in asked:
                yield row, answer


def most_prompt_tokens(loaded: LoadedModel) -> int:
    """How many padded tokens of prompts are read at once."""
    return CPU_BATCH_TOKENS if loaded.device.kind == "cpu" else BATCH_TOKENS


@torch.no_grad()
def _decode(  # what is asked of whom, and how long it may take
    model: Any,
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    group: Sequence[Stem],
    most: int,
    turn: Turn,
) -> list[str]:
    stop, reading = loaded.ends.stop, Rows(model, loaded.device.torch)
    # An index, not a count: the rows of a slice do not lie side by side, and a CPU would copy the
    # head's matrix for each of them.
    last = torch.tensor([-1], device=loaded.device.torch)
    with turn():
        step = padded_left(reading.begin(prompts, group, logits_to_keep=last))
    told: list[list[int]] = [[] for _ in step]
    rows = list(range(len(step)))  # of `told`, for each row that is still read
    for _ in range(most):
        with turn():
            logits = reading.read(step, logits_to_keep=last).logits[:, -1]
            chosen = logits.argmax(-1).tolist()
        going = [place for place, token in enumerate(chosen) if token not in stop]
        if not going:
            break
        if len(going) < len(rows):  # a row that goes on for long must not carry the others along
            reading.take(going)
        rows = [rows[place] for place in going]
        step = [[chosen[place]] for place in going]
        for row, (token,) in zip(rows, step, strict=True):
            told[row].append(token)
    return [loaded.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in told]
