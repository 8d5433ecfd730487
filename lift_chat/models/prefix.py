"""The beginning of a prompt that a chat has read already, kept for its next turn.

A prompt is read in pieces, and where one ends is decided by what stands before it (`cuts`). So two
prompts with a common beginning are read in the same steps up to there, and what is kept of one is
bit for bit what reading the other would give: an answer does not depend on what was kept. Of the
answer itself nothing is kept: its keys and values were computed one token at a time, which rounds
otherwise, and in bf16 that is enough for another answer.

Knows token ids and caches, nothing of documents, conversations or adapters.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

LEAST_PIECE = 64
"""Shorter turns of a conversation are read together with the next one."""

PIECE = 512
CPU_PIECE = 256
"""Large enough to cost little more than reading at once: a sixth with the embedded model."""

TURN_TOKENS = 4096
CPU_TURN_TOKENS = 1024
"""Read in one turn of the device, about as long as a step of a training run: the first token waits
for one step at each turn. On a CPU it is the embedded model's whole window."""

SHARE = 2
"""What is kept may take one part of so many of the memory that is free beside it."""


@dataclass
class Beginning:
    """`cache` holds the keys and values of `ids`, and of what was read or decoded after them."""

    ids: list[int] = field(default_factory=list)
    cache: Any = None

    def crop(self) -> bool:
        """Takes off what comes after `ids`; False if this cache cannot go back."""
        surplus = self.cache.get_seq_length() - len(self.ids)
        if not all(_goes_back(layer) for layer in self.cache.layers):
            return False
        if surplus:
            self.cache.crop(-surplus)
        return True

    def bytes(self) -> int:
        """Of the device's memory; what was cropped counts until the cache grows again."""
        return sum(
            states.untyped_storage().nbytes()
            for layer in self.cache.layers
            for states in (layer.keys, layer.values)
        )


def _goes_back(layer: Any) -> bool:
    """A sliding window that has begun to slide has lost what it would have to go back to."""
    if type(layer) is DynamicSlidingWindowLayer:
        return bool(layer.get_seq_length() < layer.sliding_window)
    return type(layer) is DynamicLayer


class Prefix:
    """Keeps one beginning of what was read through one model tree; from any thread.

    Who reads takes it out and puts back what there is then: two at a time never share a cache, and
    the second one reads anew.
    """

    def __init__(self, loaded: LoadedModel | None = None) -> None:
        """Without a model nothing is ever kept."""
        self._loaded = loaded
        self._lock = threading.Lock()
        self._kept: tuple[float, Beginning] | None = None

    @contextmanager
    def lent(self, strength: float) -> Iterator[Beginning]:
        """What is kept of reading at `strength`, or an empty beginning, to be read on in.

        Kept again at the end and when the reader is closed; after an error it may be half written.
        """
        beginning = self._take(strength)
        try:
            yield beginning
        except GeneratorExit:
            self._put(strength, beginning)
            raise
        self._put(strength, beginning)

    @property
    def is_empty(self) -> bool:
        with self._lock:
            return self._kept is None

    def close(self) -> None:
        """Forgets, and keeps nothing any more: the tree is gone."""
        with self._lock:
            self._loaded = self._kept = None

    def _take(self, strength: float) -> Beginning:
        with self._lock:
            kept, self._kept = self._kept, None
        return kept[1] if kept and kept[0] == strength else Beginning()

    def _put(self, strength: float, beginning: Beginning) -> None:
        if not beginning.ids or not beginning.crop():
            return
        with self._lock:
            if self._loaded and beginning.bytes() * SHARE <= self._loaded.device.free_memory():
                self._kept = strength, beginning


def read(
    model: Any, loaded: LoadedModel, prompt: Sequence[int], beginning: Beginning, turn: Turn
) -> list[list[int]]:
    """Reads on in a prompt from what `beginning` has of it, and leaves the last few pieces to the
    caller, to be read in one turn with the choice of the first token (`step`).

    The device is given back between a few pieces. `beginning` is that of this prompt then.
    """
    on_cpu = loaded.device.kind == "cpu"
    ends = cuts(prompt, loaded.ends.stop, CPU_PIECE if on_cpu else PIECE)
    start = _begin(model, beginning, prompt, ends)
    borders = [start, *(end for end in ends if end > start)]
    pieces = [list(prompt[start:end]) for start, end in pairwise(borders)]
    beginning.ids = list(prompt[: borders[-2]])
    *first, last = _turns(pieces, CPU_TURN_TOKENS if on_cpu else TURN_TOKENS)
    for group in first:
        with turn():
            step(model, loaded, group, beginning)
    return last


def _turns(pieces: Sequence[list[int]], most: int) -> list[list[list[int]]]:
    groups: list[list[list[int]]] = [[]]
    for piece in pieces:
        if groups[-1] and sum(map(len, groups[-1])) + len(piece) > most:
            groups.append([])
        groups[-1].append(piece)
    return groups


@torch.no_grad()
def step(
    model: Any, loaded: LoadedModel, pieces: Sequence[Sequence[int]], beginning: Beginning
) -> torch.Tensor:
    """The logits behind the last token; within the caller's turn."""
    for piece in pieces:
        output = model(
            input_ids=torch.tensor([piece], device=loaded.device.torch),
            past_key_values=beginning.cache,
            use_cache=True,
            logits_to_keep=1,
        )
    logits: torch.Tensor = output.logits[:, -1]
    return logits


def _begin(model: Any, beginning: Beginning, prompt: Sequence[int], ends: Sequence[int]) -> int:
    """Crops the beginning to the last cut within what it shares with `prompt`; its length then."""
    pairs = zip(beginning.ids, prompt, strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    length = max((end for end in ends[:-1] if end <= shared), default=0)
    beginning.ids = beginning.ids[:length]
    if not length or not beginning.crop():
        beginning.ids, beginning.cache, length = [], DynamicCache(config=model.config), 0
    return length


def cuts(prompt: Sequence[int], stop: Collection[int], piece: int) -> list[int]:
    """Where the pieces of a prompt end: behind `piece` tokens, and behind a token that ends a turn
    of the conversation. All but the last depend on nothing that follows them."""
    ends: list[int] = []
    start = 0
    for end, token in enumerate(prompt[:-1], start=1):
        length = end - start
        if length == piece or (length >= LEAST_PIECE and token in stop):
            ends.append(end)
            start = end
    return [*ends, len(prompt)]
