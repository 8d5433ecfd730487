"""What of a document is put into the window: all of it, head and tail, or the passages asked for.

Everything is cut at character offsets of one text, which is tokenised once (`TokenPlaces`). Knows
no questions and no conversations: what a question finds is handed in.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from lift_chat.models.prompts import MARKER
from storage.records import Page

Place = tuple[int, int]
"""Characters from (inclusive) and to (exclusive)."""


@dataclass(frozen=True)
class TokenPlaces:
    """The character where each token of a text begins, and where it ends."""

    starts: array[int]
    ends: array[int]

    @classmethod
    def of(cls, tokenizer: Any, text: str) -> Self:
        encoded = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        starts, ends = array("L"), array("L")
        for start, end in encoded["offset_mapping"]:
            starts.append(start)
            ends.append(end)
        return cls(starts, ends)

    def __len__(self) -> int:
        return len(self.starts)

    def within(self, place: Place) -> int:
        """How many tokens have characters in `place`; a word's blank belongs to its token."""
        return bisect_left(self.starts, place[1]) - bisect_right(self.ends, place[0])

    def first(self, place: Place, tokens: int) -> Place:
        """The first `tokens` tokens of `place`."""
        last = bisect_right(self.ends, place[0]) + tokens - 1
        return place[0], self.ends[last]


@dataclass(frozen=True)
class Excerpt:
    """`tokens` of the text's `total` tokens are in `text`; `pages` names the pages they are on."""

    text: str
    tokens: int
    total: int
    pages: str


def whole(text: str, places: TokenPlaces, pages: Sequence[Page]) -> Excerpt:
    return Excerpt(text, len(places), len(places), page_names(pages, [(0, len(text))]))


def ends(
    text: str, places: TokenPlaces, pages: Sequence[Page], budget: int, marker: int
) -> Excerpt:
    """Head half and tail half of at most `budget` tokens, of which `marker` join them."""
    total, budget = len(places), budget - marker
    if budget < 2:
        return Excerpt("", 0, total, "")
    head, tail = places.ends[(budget + 1) // 2 - 1], places.starts[total - budget // 2]
    joined = text[:head].rstrip() + MARKER + text[tail:].lstrip()
    return Excerpt(joined, budget, total, page_names(pages, [(0, head), (tail, len(text))]))


def passages(
    text: str,
    places: TokenPlaces,
    pages: Sequence[Page],
    budget: int,
    marker: int,
    found: Sequence[Place],
) -> Excerpt:
    """As many of `found` as fit, the best first, in the order of the document; empty for none.

    Neighbours become one piece again. If not even the best one fits, it is cut.
    """
    kept: list[Place] = []
    left = budget
    for place in found:
        cost = places.within(place) + marker
        if cost <= left:
            kept.append(place)
            left -= cost
    if found and not kept and budget - marker >= 2:
        kept = [places.first(found[0], budget - marker)]
    pieces = [text[start:end].strip() for start, end in _joined(kept)]
    tokens = sum(places.within(place) for place in kept)
    return Excerpt(MARKER.join(pieces), tokens, len(places), page_names(pages, kept))


def _joined(places: Sequence[Place]) -> list[Place]:
    runs: list[Place] = []
    for start, end in sorted(places):
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def page_names(pages: Sequence[Page], places: Sequence[Place]) -> str:
    """Pages touched by the places, as "1-3, 9"."""
    touched = (
        page.number
        for page in pages
        if any(page.start < end and start < page.end for start, end in places)
    )
    runs: list[list[int]] = []
    for number in touched:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
