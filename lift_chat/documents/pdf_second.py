"""PDFium's reading of a page: the second opinion, and when it is to be believed.

pypdf is asked first: it keeps right-to-left text in order and hyphens as they stand. PDFium helps
where pypdf finds nothing, or glyphs it cannot name, or words without blanks.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import pypdfium2

from lift_chat.documents.cleaning import clean, control_characters, unmapped_glyphs
from lift_chat.documents.lines import Line
from lift_chat.documents.pdf_lines import Box, is_inside

_GLYPH_NAME = re.compile(r"/(?:g|G|C|c|a|uni|gid|cid|glyph)[0-9A-F]{1,5}(?![\w.])")
_LETTERS = re.compile(r"[^\W\d_]+")
_PAIR = re.compile(r"([^\W\d_]+) (?=([^\W\d_]+))")
_LINE = re.compile("[^\r\n\ufffe\x02]*[\ufffe\x02]|[^\r\n\ufffe\x02]+")
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_HIGHEST: Final = 0x10FFFF
_HYPHENS: Final = str.maketrans({"\x02": "-", "\ufffe": "-"})
"""What PDFium writes for a hyphen at which a word was cut."""


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
    for match in _LINE.finditer(text):
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


def _joined(segments: Iterable[tuple[Line, float]], box: Box) -> list[Line]:
    """Segments on one line, such as a raised index and what follows it, as one."""
    lines: list[Line] = []
    end = 0.0
    for line, right in segments:
        if not is_inside(line.x, line.y, box):
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
        return text.translate(_HYPHENS)
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
    words = _LETTERS.findall(clean(second))
    known = set(words)
    ours = {clean(word) for line in lines for word in _LETTERS.findall(line.text)}
    unknown = ours - known
    apart: dict[str, str] = {}
    for length in (2, 3, 4):
        for group in zip(*(words[start:] for start in range(length)), strict=False):
            if (solid := "".join(group)) in unknown and len(solid) > 4:
                apart.setdefault(solid, " ".join(group))

    def together(match: re.Match[str]) -> str:
        first, then = clean(match[1]), clean(match[2])
        is_one = first + then in known and (first not in known or then not in known)
        return match[1] if is_one else match[0]

    def respace(text: str) -> str:
        text = _LETTERS.sub(lambda match: apart.get(clean(match[0]), match[0]), text)
        return _PAIR.sub(together, text)

    return [replace(line, text=respace(line.text)) for line in lines] if known else list(lines)


def has_picture(page: Any) -> bool:
    kinds = [pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]
    return next(iter(page.get_objects(filter=kinds, max_depth=3)), None) is not None
