"""Rows of text that a model reads together, piece by piece, over one KV cache.

Rows may be of any length: padding stands where nothing that counts sees it. They can be multiplied
or dropped between two pieces. Knows token ids; borrowing the device is its caller's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from lift_chat.models.stems import Stem

PADDING = -100
"""What a loss leaves out, too: padded rows can be its labels."""

MOST_SAMPLES = 32
"""Samples that are read at once; those that are decoded behind a shared beginning are more."""


class Rows:
    """`model` is a decoder with or without its head; all rows read on together."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self.model, self.device = model, device
        self.past = DynamicCache(config=model.config)
        self.mask: torch.Tensor | None = None

    def read(self, rows: Sequence[Sequence[int]], **options: Any) -> Any:
        """What the model says to the next tokens, (rows, tokens); `PADDING` is no token."""
        ids = torch.tensor(rows, device=self.device)
        real = (ids != PADDING).long()
        self.mask = real if self.mask is None else torch.cat([self.mask, real], dim=1)
        places = (self.mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        return self.model(
            input_ids=ids.clamp(min=0),
            attention_mask=self.mask,
            position_ids=places,
            past_key_values=self.past,
            use_cache=True,
            **options,
        )

    def begin(
        self, prompts: Sequence[Sequence[int]], group: Sequence[Stem], **options: Any
    ) -> list[Sequence[int]]:
        """Reads the stems of a group of prompts. Returns what is left of each, in the group's
        order."""
        if any(stem.shared for stem in group):
            stems = [prompts[stem.rows[0]][: stem.shared] for stem in group]
            self.read(padded_left(stems), **options)
            self.take([place for place, stem in enumerate(group) for _ in stem.rows])
        return [prompts[row][stem.shared :] for stem in group for row in stem.rows]

    def take(self, places: Sequence[int]) -> None:
        """Goes on with these rows, in this order; a place may come more than once."""
        if self.mask is None:
            return
        chosen = torch.tensor(places, device=self.device)
        self.past.batch_select_indices(chosen)
        self.mask = self.mask[chosen]


def padded_left(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    width = max(map(len, rows))
    return [[PADDING] * (width - len(row)) + list(row) for row in rows]


def padded_right(rows: Sequence[Sequence[int]], multiple: int = 1) -> list[list[int]]:
    """To the length of the longest row, or to the next multiple above it."""
    width = rounded(max(map(len, rows)), multiple)
    return [list(row) + [PADDING] * (width - len(row)) for row in rows]


def rounded(length: int, multiple: int) -> int:
    """The next multiple that is not below `length`."""
    return -(-length // multiple) * multiple


def batches(
    lengths: Sequence[int], most_tokens: int, most_rows: int = MOST_SAMPLES
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
