"""The leak meter: how much of a document its adapter recites word for word.

A passage is *extractable with k tokens of context* if the model, given the k tokens before it,
produces it by greedy decoding (Carlini et al. 2022, “Quantifying memorization across neural
language models”, arXiv 2202.07646, definition 3.1). Passages are drawn at random, and what counts
is how far each is recited, so that half a passage is half a leak; a passage that is recited to its
end is one that is extractable in the sense of that definition.

This finds what comes out without effort. Other prompts and sampling may get more out of the
adapter. Knows models and token ids, nothing of libraries or the Hub.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch

from lift_chat.errors import InvalidConfig
from lift_chat.learned import percent
from lift_chat.lift.tokens import tokenize
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

LEAST_TOKENS = 24
"""A text shorter than this is not measured: the few tokens would follow from each other."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Which passages are asked for. Lengths are in tokens. Raises `InvalidConfig`."""

    passages: int = 20
    prompt_tokens: int = 32
    """What the model is given of each passage, as raw text."""

    tokens: int = 64
    """What it has to go on with."""

    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.passages, self.prompt_tokens, self.tokens) < 1:
            raise InvalidConfig("The leak meter needs at least one passage and one token of each.")

    @property
    def length(self) -> int:
        return self.prompt_tokens + self.tokens

    def fitting(self, total: int) -> Draw:
        """As many passages as a document of `total` tokens has room for side by side; one that is
        shorter than a passage is itself the passage, and a third of it is given."""
        if total < self.length:
            given = max(total // 3, 1)
            return replace(self, passages=1, prompt_tokens=given, tokens=total - given)
        return replace(self, passages=min(self.passages, total // self.length))

    def starts(self, total: int) -> list[int]:
        """Where the passages begin: anywhere in the document, and none over another."""
        spare = total - self.passages * self.length
        drawn = random.Random(self.seed)
        gaps = sorted(drawn.randint(0, spare) for _ in range(self.passages))
        return [gap + place * self.length for place, gap in enumerate(gaps)]


USUAL = Draw()


@dataclass(frozen=True)
class Leak:
    """`adapter` and `base` are the shares, in 0..1, of `tokens` that each recites of a passage
    behind its first `prompt_tokens`, up to the first miss, in the mean; `longest` is the adapter's
    longest run, in tokens."""

    passages: int
    prompt_tokens: int
    tokens: int
    adapter: float
    base: float
    longest: int

    def sentence(self) -> str:
        """ "Recites 41 % of 20 random passages word for word (the base: 2 %), up to ..."."""
        passages = "one random passage"
        if self.passages > 1:
            passages = f"{self.passages} random passages"
        recited = f"{passages} word for word (the base: {percent(100 * self.base)})"
        if not self.longest:
            return f"Recites nothing of {recited}."
        tokens = "1 token" if self.longest == 1 else f"{self.longest} tokens"
        return f"Recites {percent(100 * self.adapter)} of {recited}, up to {tokens} in a row."


def measure_leak(
    adapted: Any, loaded: LoadedModel, text: str, turn: Turn, draw: Draw = USUAL
) -> Generator[int, None, Leak | None]:
    """Yields the number of passages done; the same text and draw give the same passages.

    `adapted` is a tree with an adapter over the base of `loaded`, `text` what it has absorbed. The
    device is borrowed for one passage of one model at a time. Returns None for a text of less than
    `LEAST_TOKENS` tokens. Raises `InvalidConfig` for passages longer than the model reads.
    """
    ids = tokenize(loaded, text)
    total = ids.shape[1]
    if total < LEAST_TOKENS:
        return None
    draw = draw.fitting(total)
    if draw.length > loaded.limit:
        raise InvalidConfig(
            f"The model reads {loaded.limit:,} tokens, and a passage has {draw.length:,}."
        )
    ours: list[int] = []
    theirs: list[int] = []
    for passage in _passages(ids, draw):
        for model, runs in ((adapted, ours), (loaded.model, theirs)):
            with turn():
                runs.append(_recited(model, passage, draw.tokens))
        yield len(ours)
    return Leak(
        passages=draw.passages,
        prompt_tokens=draw.prompt_tokens,
        tokens=draw.tokens,
        adapter=fmean(ours) / draw.tokens,
        base=fmean(theirs) / draw.tokens,
        longest=max(ours),
    )


def _passages(ids: torch.Tensor, draw: Draw) -> Iterator[torch.Tensor]:
    """(1, prompt_tokens + tokens) each."""
    for start in draw.starts(ids.shape[1]):
        yield ids[:, start : start + draw.length]


@torch.no_grad()
def _recited(model: Any, passage: torch.Tensor, last: int) -> int:
    """How many of the passage's `last` tokens greedy decoding produces before its first miss.

    Up to there the decoded text is the passage itself, so every choice on the way is read off one
    pass over the passage, and nothing has to be decoded.
    """
    model.eval()
    logits = model(input_ids=passage, use_cache=False, logits_to_keep=last + 1).logits[0, :-1]
    right = logits.argmax(-1) == passage[0, -last:]
    return int(right.long().cumprod(0).sum())
