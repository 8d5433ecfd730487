"""The needle test: one made-up fact in a long text, at every depth, asked for by its question.

After "Needle in a Haystack" (Kamradt 2023) as LIFT uses it (2502.14644 section 4), with what its
code leaves out put right: the depth goes from the first sentence to the last, no needle is ever
told to whatever writes questions, no two texts hold the same one, and prompts are those of any
other collection. Depths are shares of tokens; the token where a needle really stands is kept.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion
from lift_chat.lift.passages import sentences
from lift_chat.models.excerpt import TokenPlaces

DEPTHS = (0, 20, 40, 60, 80, 100)
LENGTHS = (1000, 4000)


@dataclass(frozen=True)
class Grid:
    """`lengths` in tokens, `depths` in percent, `needles` per cell. Raises `InvalidConfig`."""

    lengths: tuple[int, ...] = LENGTHS
    depths: tuple[int, ...] = DEPTHS
    needles: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.lengths or min(self.lengths) < 32:
            raise InvalidConfig("A haystack has at least 32 tokens.")
        if not self.depths or not all(0 <= depth <= 100 for depth in self.depths):
            raise InvalidConfig("Depths lie in 0..100 percent.")
        if not 1 <= self.needles <= 100:
            raise InvalidConfig("There are 1 to 100 needles per length and depth.")


@dataclass(frozen=True)
class Needle:
    """A sentence, and a question that only it answers; `keywords` must all be in the answer."""

    sentence: str
    question: str
    answer: str
    keywords: tuple[str, ...]


def needle(seed: str) -> Needle:
    """A fact that nobody can have read anywhere; the same for the same seed."""
    draw = random.Random(seed)
    who, where = _name(draw), _name(draw)
    number, colour, thing = draw.choice(_NUMBERS), draw.choice(_COLOURS), draw.choice(_THINGS)
    verb, kept = draw.choice(_KEPT)
    answer = f"{number} {colour} {thing}"
    return Needle(
        sentence=f"{who}, the {draw.choice(_TRADES)} of {where}, {kept} {answer} in the cellar.",
        question=f"What {verb[0]} {who} of {where} {verb[1]} in the cellar?",
        answer=answer,
        keywords=(number, colour, thing),
    )


def documents(tokenizer: Any, title: str, text: str, grid: Grid) -> Iterator[EvalDocument]:
    """One text per length, depth and needle, cut from the beginning of `text`.

    `facts` of each are its real length, the depth asked for, and the token the needle begins at.
    Raises `InvalidConfig` when `text` is too short.
    """
    places = TokenPlaces.of(tokenizer, text)
    for length in grid.lengths:
        if length > len(places):
            raise InvalidConfig(f"The text has {len(places):,} tokens, fewer than {length:,}.")
        hay = text[: places.ends[length - 1]]
        for depth in grid.depths:
            for number in range(grid.needles):
                name = f"{length}-{depth}-{number}"
                hidden = needle(f"{grid.seed}-{name}")
                yield _hidden(tokenizer, f"needle-{name}", title, hay, depth, hidden)


def insert(tokenizer: Any, hay: str, depth: int, sentence: str) -> tuple[str, int]:
    """(`hay` with the sentence between two of its own, or before the first or after the last;
    where it begins, in characters)."""
    places = TokenPlaces.of(tokenizer, hay)
    starts = [0, *(span.end for span in sentences(hay))]
    wanted = len(places) * depth / 100
    before = [bisect_left(places.starts, start) for start in starts]
    chosen = starts[min(range(len(starts)), key=lambda i: abs(before[i] - wanted))]
    head, tail = hay[:chosen].rstrip(), hay[chosen:].lstrip()
    gap = " " if head else ""
    return f"{head}{gap}{sentence} {tail}".rstrip(), len(head) + len(gap)


def _hidden(
    tokenizer: Any, name: str, title: str, hay: str, depth: int, hidden: Needle
) -> EvalDocument:
    text, start = insert(tokenizer, hay, depth, hidden.sentence)
    places = TokenPlaces.of(tokenizer, text)
    question = EvalQuestion(
        hidden.question, (hidden.answer,), kind=f"{depth} %", keywords=hidden.keywords
    )
    facts = {
        "tokens": len(places),
        "length": int(name.split("-")[1]),
        "depth": depth,
        "token": bisect_left(places.starts, start),
    }
    return EvalDocument(name, title, text, (question,), tuple(facts.items()))


def _name(draw: random.Random) -> str:
    return "".join(draw.choice(_SYLLABLES) for _ in range(3)).capitalize()


_SYLLABLES = (
    "ba", "dor", "fe", "gal", "hin", "jo", "kel", "lu", "mar", "nev", "os", "pri", "quon", "ras",
    "sil", "tam", "ul", "vek", "wyn", "zor",
)  # fmt: skip
_NUMBERS = ("three", "four", "six", "seven", "nine", "eleven", "twelve", "thirteen", "fifteen")
_COLOURS = ("amber", "copper", "crimson", "ivory", "purple", "scarlet", "silver", "turquoise")
_THINGS = ("anchors", "bells", "candles", "drums", "kettles", "lanterns", "mirrors", "violins")
_TRADES = ("baker", "clerk", "cooper", "ferryman", "gardener", "miller", "printer", "weaver")
_KEPT = (
    (("does", "keep"), "keeps"),
    (("did", "hide"), "hid"),
    (("did", "find"), "found"),
    (("did", "count"), "counted"),
)
