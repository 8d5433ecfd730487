"""Overlapping segments of a token stream (LIFT, arXiv 2412.13626 section 3.1).

Pure arithmetic on offsets. With disjoint segments the order of the segments could not be
recovered from the weights; an overlap lets a model that can recite the tail of one segment go on
with the next. The method's own code also trains the ever shorter suffixes of the last window;
they hold nothing that it does not hold, and are left out here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Segment:
    """Tokens `start` (inclusive) to `end` (exclusive) of the stream."""

    index: int
    start: int
    end: int

    @property
    def tokens(self) -> int:
        return self.end - self.start


def cut(total: int, *, length: int, stride: int) -> list[Segment]:
    """Segments that cover `total` tokens; all are `length` long, the last one if it can be.

    The last segment is moved back to end at the end of the stream rather than cut short: equal
    lengths need no padding and no attention mask.
    """
    if total <= length:
        return [Segment(0, 0, total)] if total > 1 else []
    starts = list(range(0, total - length, stride))
    starts.append(total - length)
    return [Segment(index, start, start + length) for index, start in enumerate(starts)]


def cut_at(total: int, *, length: int, offset: int) -> list[Segment]:
    """Segments side by side that cover `total` tokens; the first one is `offset` long.

    With another offset in every epoch each token is predicted from ever other neighbours, for
    the price of one pass without overlap.
    """
    edges = sorted({0, *range(offset, total, length), total})
    pairs = [(a, b) for a, b in pairwise(edges) if b - a > 1]
    return [Segment(index, start, end) for index, (start, end) in enumerate(pairs)]
