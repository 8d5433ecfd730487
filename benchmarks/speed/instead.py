"""What one would do instead of absorbing: read the whole document each time, or search it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache

from benchmarks.speed.bases import Base, text_of
from benchmarks.speed.measuring import MIB, Stopwatch
from storage.passages import PassageIndex

DECODED = 256
PASSAGE_WORDS = 160


@dataclass(frozen=True)
class FullContext:
    prefill_seconds: float
    decode_seconds: float
    cache_mib: float


@torch.no_grad()
def full_context(base: Base, ids: Sequence[int]) -> FullContext:
    """Prefill of the whole document and greedy decoding of `DECODED` tokens behind it."""
    watch, decoding = Stopwatch(base.device, 1, 2), Stopwatch(base.device, 1, 2)
    cache = DynamicCache(config=base.loaded.model.config)
    step = torch.tensor([ids], device=base.device)
    watch.tick()
    for number in range(DECODED + 1):
        logits = base.loaded.model(
            input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1
        ).logits
        step = logits[:, -1].argmax(-1, keepdim=True)
        if number == 0:
            watch.tick()
            decoding.tick()
    decoding.tick()
    held = sum(part.nbytes for layer in cache.layers for part in (layer.keys, layer.values))
    return FullContext(watch.seconds, decoding.seconds, held / MIB)


def bm25_seconds(ids: Sequence[int]) -> float:
    """Processor seconds of indexing the document's passages, as the chat searches them."""
    words = text_of(list(ids)).split()
    passages = [
        " ".join(words[start : start + PASSAGE_WORDS])
        for start in range(0, len(words), PASSAGE_WORDS)
    ]
    watch = Stopwatch(torch.device("cpu"), 1, 2)
    watch.tick()
    PassageIndex(passages)
    watch.tick()
    return watch.seconds
