"""The lines of a PDF page as pypdf reads them, each with its place and size.

Keeps what is inside the visible box and runs in the page's direction. Looks at no pictures, and
does not judge whether what it found makes sense.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pypdf import PageObject

from lift_chat.documents.lines import Line

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points."""

_OUTSIDE: Final = 2.0
"""Points by which text may begin outside the visible page."""
_STRAY_SHARE: Final = 0.1
"""Text that runs in another direction than the page's is noise below this share."""
_SMALLEST_PAGE: Final = 36.0


@dataclass
class _Piece:
    text: str
    x: float
    y: float
    size: float
    direction: int


class _Collector:
    """Receives pypdf's text pieces in order and gathers them into lines."""

    def __init__(self, box: Box | None) -> None:
        self._box = box
        self._lines: list[list[_Piece]] = [[]]
        self.outside = 0

    def __call__(
        self, text: str, cm: Sequence[float], tm: Sequence[float], _font: Any, size: float
    ) -> None:
        a, b, c, d, x, y = _product(tm, cm)
        if text.strip() and self._is_outside(x, y):
            self.outside += 1
            text = "\n" if text.endswith("\n") else ""
        direction = 0 if d > 1e-6 else 180 if d < -1e-6 else 90 if b > 0 else 270
        turned = {0: (x, y), 90: (y, -x), 180: (-x, -y), 270: (-y, x)}[direction]
        scaled = max(abs(size) * (math.hypot(c, d) or math.hypot(a, b)), 0.1)
        for index, part in enumerate(text.split("\n")):
            if index:
                self._lines.append([])
            if part:
                self._lines[-1].append(_Piece(part, *turned, scaled, direction))

    def _is_outside(self, x: float, y: float) -> bool:
        if self._box is None:
            return False
        return not is_inside(x, y, self._box)

    def lines(self) -> list[Line]:
        """The lines in the page's main direction, and others unless they are few."""
        weights: Counter[int] = Counter()
        for pieces in self._lines:
            for piece in pieces:
                weights[piece.direction] += len(piece.text.strip())
        main = weights.most_common(1)[0][0] if weights else 0
        total = weights.total()
        kept = []
        for pieces in self._lines:
            own = [
                p
                for p in pieces
                if p.direction == main or weights[p.direction] > _STRAY_SHARE * total
            ]
            if line := _line(own):
                kept.append(line)
        return kept


def is_inside(x: float, y: float, box: Box) -> bool:
    left, bottom, right, top = box
    return left - _OUTSIDE <= x <= right + _OUTSIDE and bottom - _OUTSIDE <= y <= top + _OUTSIDE


def _product(m: Sequence[float], n: Sequence[float]) -> tuple[float, ...]:
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4],
        m[4] * n[1] + m[5] * n[3] + n[5],
    )


def _line(pieces: Sequence[_Piece]) -> Line | None:
    """One line; its size and baseline are those of most of its characters."""
    filled = [piece for piece in pieces if piece.text.strip()]
    if not filled:
        return None
    sizes: Counter[tuple[float, float]] = Counter()
    for piece in filled:
        sizes[round(piece.size, 1), round(piece.y, 1)] += len(piece.text)
    (size, y), _ = sizes.most_common(1)[0]
    text = "".join(piece.text for piece in pieces)
    return Line(text, min(piece.x for piece in filled), y, max(size, 0.1))


def pypdf_lines(page: PageObject) -> list[Line]:
    """What pypdf reads inside the visible box, uncleaned. Raises whatever pypdf raises."""
    collector = _Collector(_visible_box(page))
    page.extract_text(visitor_text=collector)
    lines = collector.lines()
    if not lines and collector.outside:
        collector = _Collector(None)
        page.extract_text(visitor_text=collector)
        lines = collector.lines()
    return lines


def _visible_box(page: PageObject) -> Box | None:
    box = page.cropbox
    left, right = sorted((float(box.left), float(box.right)))
    bottom, top = sorted((float(box.bottom), float(box.top)))
    return (
        (left, bottom, right, top)
        if right - left > _SMALLEST_PAGE and top - bottom > _SMALLEST_PAGE
        else None
    )
