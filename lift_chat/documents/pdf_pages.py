"""The lines of a PDF page, by two readers, and which of the two is to be believed.

pypdf is asked first: it keeps right-to-left text in order and hyphens as they stand. PDFium is
the second opinion for pages where pypdf finds nothing, or glyphs it cannot name, or words
without blanks. Neither looks at pictures.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pypdfium2
from pypdf import PageObject

from lift_chat.documents.cleaning import clean, control_characters, unmapped_glyphs
from lift_chat.documents.lines import Line

_OUTSIDE: Final = 2.0
"""Points by which text may begin outside the visible page."""
_STRAY_SHARE: Final = 0.1
"""Text that runs in another direction than the page's is noise below this share."""
_GLYPH_NAME = re.compile(r"/(?:g|G|C|c|a|uni|gid|cid|glyph)[0-9A-F]{1,5}(?![\w.])")
_LETTERS = re.compile(r"[^\W\d_]+")
_PAIR = re.compile(r"([^\W\d_]+) ([^\W\d_]+)")
_PDFIUM_LINE = re.compile("[^\r\n\ufffe\x02]*[\ufffe\x02]|[^\r\n\ufffe\x02]+")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_HIGHEST: Final = 0x10FFFF
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
        return not _is_inside(x, y, self._box)

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


def _is_inside(x: float, y: float, box: tuple[float, float, float, float]) -> bool:
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


def _visible_box(page: PageObject) -> tuple[float, float, float, float] | None:
    box = page.cropbox
    left, right = sorted((float(box.left), float(box.right)))
    bottom, top = sorted((float(box.bottom), float(box.top)))
    return (left, bottom, right, top) if right - left > 36 and top - bottom > 36 else None


def pdfium_lines(page: Any) -> list[Line]:
    """What PDFium reads inside the visible box, uncleaned; indices stand on their line."""
    textpage = page.get_textpage()
    try:
        # Character by character, for PDFium's own text leaves out those that it cannot name.
        codes = (
            pypdfium2.raw.FPDFText_GetUnicode(textpage.raw, index)
            for index in range(textpage.count_chars())
        )
        text = "".join(chr(code) if code <= _HIGHEST else "\ufffd" for code in codes)
        return _joined(_segments(textpage, text), page.get_cropbox())
    finally:
        textpage.close()


def _segments(textpage: Any, text: str) -> Iterator[tuple[Line, float]]:
    """PDFium's lines, each with the x at which it ends; cut words become lines of their own."""
    for match in _PDFIUM_LINE.finditer(text):
        part = match[0].replace("\ufffe", "-").replace("\x02", "-")
        if not part.strip():
            continue
        first = match.start() + len(part) - len(part.lstrip())
        last = match.start() + len(part.rstrip()) - 1
        x, y = _origin(textpage, first)
        boxes = [textpage.get_charbox(i, loose=True) for i in {first, (first + last) // 2, last}]
        size = max(top - bottom for _, bottom, _, top in boxes)
        yield Line(part, x, y, max(size, 0.1)), textpage.get_charbox(last)[2]


def _origin(textpage: Any, index: int) -> tuple[float, float]:
    x, y = ctypes.c_double(), ctypes.c_double()
    pypdfium2.raw.FPDFText_GetCharOrigin(textpage.raw, index, x, y)
    return x.value, y.value


def _joined(
    segments: Iterable[tuple[Line, float]], box: tuple[float, float, float, float]
) -> list[Line]:
    """Segments on one line, such as a raised index and what follows it, as one."""
    lines: list[Line] = []
    end = 0.0
    for line, right in segments:
        if not _is_inside(line.x, line.y, box):
            continue
        size = max(line.size, lines[-1].size) if lines else 0.0
        if (
            lines
            and abs(line.y - lines[-1].y) < 0.6 * size
            and -0.3 * size < line.x - end < 1.5 * size
        ):
            blank = " " if line.x - end > 0.2 * size else ""
            larger = line if line.size > 1.1 * lines[-1].size else lines[-1]
            text = lines[-1].text + blank + line.text
            lines[-1] = replace(lines[-1], text=text, y=larger.y, size=larger.size)
        else:
            lines.append(line)
        end = right
    return lines


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


def respaced(lines: Sequence[Line], second: str) -> list[Line]:
    """Lines whose words are apart, and together, where PDFium sees them so.

    pypdf misses a blank where the gap between two pieces of a line is narrow for the font, and
    adds one where kerning is wide; the letters are the same.
    """
    seen = clean(second)
    words = _LETTERS.findall(seen)
    known = set(words)
    apart: dict[str, str] = {}
    for length in (2, 3, 4):
        for group in zip(*(words[start:] for start in range(length)), strict=False):
            solid, spaced = "".join(group), " ".join(group)
            if len(solid) > 4 and solid not in known and spaced in seen:
                apart.setdefault(solid, spaced)

    def together(match: re.Match[str]) -> str:
        first, then = clean(match[1]), clean(match[2])
        is_one = first + then in known and (first not in known or then not in known)
        return match[1] + match[2] if is_one else match[0]

    def respace(text: str) -> str:
        text = _LETTERS.sub(lambda match: apart.get(clean(match[0]), match[0]), text)
        return _PAIR.sub(together, text)

    return [replace(line, text=respace(line.text)) for line in lines] if known else list(lines)
