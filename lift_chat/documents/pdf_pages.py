"""The lines of a PDF page, by two readers, and which of the two is to be believed.

pypdf is asked first: it keeps right-to-left text in order and hyphens as they stand. PDFium is
the second opinion for pages where pypdf finds nothing, or glyphs it cannot name, or words
without blanks. Neither looks at pictures.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from pypdf import PageObject

from lift_chat.documents.cleaning import clean, control_characters, unmapped_glyphs
from lift_chat.documents.lines import Line

_OUTSIDE: Final = 2.0
"""Points by which text may begin outside the visible page."""
_STRAY_SHARE: Final = 0.1
"""Text that runs in another direction than the page's is noise below this share."""
_GLYPH_NAME = re.compile(r"/(?:g|G|C|c|a|uni|gid|cid|glyph)[0-9A-F]{1,5}(?![\w.])")
_LETTERS = re.compile(r"[^\W\d_]+")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_PDFIUM_HYPHEN: Final = str.maketrans({"\x02": "-", "\ufffe": "-"})


@dataclass
class _Piece:
    text: str
    x: float
    y: float
    size: float
    direction: int


class _Collector:
    """Receives pypdf's text pieces in order and gathers them into lines."""

    def __init__(self, box: tuple[float, float, float, float] | None) -> None:
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
        left, bottom, right, top = self._box
        inside = (
            left - _OUTSIDE <= x <= right + _OUTSIDE and bottom - _OUTSIDE <= y <= top + _OUTSIDE
        )
        return not inside

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


def _visible_box(page: PageObject) -> tuple[float, float, float, float] | None:
    box = page.cropbox
    left, right = sorted((float(box.left), float(box.right)))
    bottom, top = sorted((float(box.bottom), float(box.top)))
    return (left, bottom, right, top) if right - left > 36 and top - bottom > 36 else None


def pdfium_lines(page: Any) -> list[Line]:
    """What PDFium reads, uncleaned; rectangles on one baseline are one line."""
    textpage = page.get_textpage()
    try:
        lines: list[Line] = []
        last: tuple[float, float, float, float] | None = None
        for index in range(textpage.count_rects()):
            left, bottom, right, top = textpage.get_rect(index)
            text = textpage.get_text_bounded(left, bottom, right, top)
            text = text.translate(_PDFIUM_HYPHEN).replace("\r\n", " ").replace("\n", " ")
            if not text.strip():
                continue
            if last and _continues(last, (left, bottom, right, top)):
                blank = (
                    ""
                    if left - last[2] < 0.15 * (top - bottom) or lines[-1].text.endswith(" ")
                    else " "
                )
                lines[-1] = replace(lines[-1], text=lines[-1].text + blank + text)
                last = (last[0], min(last[1], bottom), right, max(last[3], top))
            else:
                lines.append(Line(text, left, bottom, max(top - bottom, 0.1)))
                last = (left, bottom, right, top)
        return lines
    finally:
        textpage.close()


def _continues(
    last: tuple[float, float, float, float], box: tuple[float, float, float, float]
) -> bool:
    """Whether `box` goes on to the right of `last` at about the same height."""
    overlap = min(last[3], box[3]) - max(last[1], box[1])
    height = min(last[3] - last[1], box[3] - box[1])
    return overlap > 0.4 * height and -1.0 <= box[0] - last[2] < 4 * (last[3] - last[1])


def pdfium_text(page: Any) -> str:
    """All text of the page in one string: quick, and enough to judge by."""
    textpage = page.get_textpage()
    try:
        text: str = textpage.get_text_bounded()
        return text.translate(_PDFIUM_HYPHEN)
    finally:
        textpage.close()


def prefers_second(first: str, second: str) -> bool:
    """Whether PDFium's text of a page is the better one of the two."""
    mine, other = _letters(first), _letters(second)
    if mine < 0.5 * other:
        return True
    if not other or _is_right_to_left(first):
        return False
    if _faults(first) > max(2 * _faults(second), 0.002 * len(first)):
        return True
    return _word_length(first) > 1.6 * _word_length(second) and _word_length(second) > 2


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _is_right_to_left(text: str) -> bool:
    return len(_RTL.findall(text)) > 0.3 * max(1, _letters(text))


def _faults(text: str) -> int:
    return unmapped_glyphs(text) + control_characters(text) + len(_GLYPH_NAME.findall(text))


def _word_length(text: str) -> float:
    words = text.split()
    return sum(map(len, words)) / len(words) if words else 0.0


def unglued(lines: Sequence[Line], second: str) -> list[Line]:
    """Lines in which words that PDFium sees apart are apart.

    pypdf misses a blank where a gap between two pieces of a line is narrow for the font.
    """
    words = _LETTERS.findall(clean(second))
    known = set(words)
    glued = {
        first + then: f"{first} {then}"
        for first, then in pairwise(words)
        if first + then not in known and len(first) + len(then) > 4 and not then[0].isupper()
    }
    if not glued or not second:
        return list(lines)
    seen = clean(second)
    return [
        replace(line, text=_LETTERS.sub(lambda match: _apart(match[0], glued, seen), line.text))
        for line in lines
    ]


def _apart(word: str, glued: dict[str, str], seen: str) -> str:
    pair = glued.get(clean(word))
    return pair if pair and pair in seen else word
