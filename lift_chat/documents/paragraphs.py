"""From the lines of a page to its paragraphs.

A line break is kept where the setting shows one: more space above, an indent, another size, a
list item, a last line that ends early. Words cut at a line end are put together again; the
document's own words decide whether the hyphen belongs to the word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from lift_chat.documents.lines import Line

_ITEM = re.compile(r"(?:[•‣◦▪●○■□➢✓·*–—-]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|\[\d{1,3}\])\s+\S")
_END = re.compile(r"[.!?:;…。！？]['\"”’»)\]]*[ ]?\d{0,3}$")
_LEADERS = re.compile(r"[ ]?(?:[.·…_]\s?){5,}")
_CUT = re.compile(r"([^\W\d_][\w’'-]*)[-\u2010]$")
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010’'][^\W\d_]+)*")
_CJK: Final = "\u3000-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef"
_CJK_EDGE = re.compile(f"[{_CJK}]$")
_CJK_START = re.compile(f"^[{_CJK}]")
_HANGUL_START, _HANGUL_END = re.compile("^[\uac00-\ud7af]"), re.compile("[\uac00-\ud7af]$")
_RTL = re.compile("[\u0590-\u08ff]")
_LONGEST_WORD: Final = 60
_WIDER_GAP: Final = 1.35
_OTHER_SIZE: Final = 1.12
_SHORT_LINE: Final = 0.75


class Typesetting:
    """What the lines of a document have in common: its words, its full lines, its breaks."""

    def __init__(self, pages: Iterable[Sequence[Line]]) -> None:
        self._words: Counter[str] = Counter()
        widths: list[float] = []
        hangul = blank = 0
        for lines in pages:
            is_cut = False
            for line in lines:
                text = line.text.rstrip()
                words = [word.casefold() for word in _WORD.findall(text)]
                # Halves of a cut word are no words.
                cut = _is_cut(text)
                self._words.update(words[int(is_cut) : len(words) - cut])
                is_cut = cut
                if _HANGUL_END.search(text):
                    hangul += 1
                    blank += line.text.endswith(" ")
            if lines:
                widths.append(_width(lines))
        self.width = median(widths) if widths else 0.0
        """Characters of a full line on most pages."""
        self.breaks_words = hangul > 20 and 0.1 < blank / hangul < 0.95
        """Whether lines end within Korean words, a blank at the end showing where they do not."""

    def joined(self, first: str, second: str) -> str:
        """What the halves of a word were: one word, or two with a hyphen."""
        solid, hyphened = (first + second).casefold(), f"{first}-{second}".casefold()
        if not second[:1].islower() or "-" in first:
            return f"{first}-{second}"
        if self._words[solid] or not self._words[hyphened]:
            known = self._words[first.casefold()] > 1 and self._words[second.casefold()] > 1
            if self._words[solid] or not known or min(len(first), len(second)) < 4:
                return first + second
        return f"{first}-{second}"


@dataclass(frozen=True)
class _Page:
    """`leading` and `size` are points, 0 without geometry; `width` is characters."""

    leading: float
    size: float
    width: float


def reflow(lines: Sequence[Line], setting: Typesetting) -> str:
    """The page's text: paragraphs separated by blank lines, list items and short lines by one."""
    lines = [line for line in lines if line.text.strip()]
    if not lines:
        return ""
    page = _Page(_leading(lines), _size(lines), max(_width(lines), setting.width))
    text = _stripped(lines[0])
    for index in range(1, len(lines)):
        before, line = lines[index - 1], lines[index]
        after = lines[index + 1] if index + 1 < len(lines) else None
        if _is_drop_cap(before, line):
            text += _stripped(line)
        elif gap := _break(before, line, after, page=page):
            text = f"{text}{gap}{_stripped(line)}"
        else:
            text = join(text, line.text, setting, blank=before.text.endswith(" "))
    return _LEADERS.sub(" ... ", text)


def join(text: str, line: str, setting: Typesetting, *, blank: bool = False) -> str:
    """`text` continued by the next line of the same paragraph."""
    line = " ".join(line.split())
    cut = _CUT.search(text, max(0, len(text) - _LONGEST_WORD))
    word = _WORD.match(line)
    if cut and word:
        rest = line[word.end() :]
        return text[: cut.start()] + setting.joined(cut[1], word[0]) + rest
    if text.endswith(("-", "\u2010", "—")) and not text.endswith((" -", " —")):
        return text + line
    if _CJK_EDGE.search(text[-1:]) and _CJK_START.match(line):
        return text + line
    if setting.breaks_words and _HANGUL_END.search(text[-1:]) and _HANGUL_START.match(line):
        return f"{text} {line}" if blank else text + line
    return f"{text} {line}"


def carry_over(pages: Sequence[str], setting: Typesetting) -> list[str]:
    """Pages with words that were cut at a page's end put together on the earlier page."""
    result = list(pages)
    for index in range(len(result) - 1):
        following = result[index + 1]
        word = _WORD.match(following)
        if _is_cut(result[index]) and word and word[0][0].islower():
            punctuation = re.match(r"\S*", following[word.end() :])
            end = word.end() + (punctuation.end() if punctuation else 0)
            result[index] = join(result[index], following[:end], setting)
            result[index + 1] = following[end:].lstrip()
    return result


def _is_cut(text: str) -> bool:
    """Whether `text` ends within a word. Looks at its end only: a page may be one long word."""
    return bool(_CUT.search(text, max(0, len(text) - _LONGEST_WORD)))


def _stripped(line: Line) -> str:
    return " ".join(line.text.split())


def _leading(lines: Sequence[Line]) -> float:
    """The usual distance of baselines, in points; 0 without geometry."""
    steps = [
        before.y - line.y
        for before, line in pairwise(lines)
        if before.placed and line.placed and 0.5 * line.size < before.y - line.y < 3 * line.size
    ]
    return median(steps) if steps else 0.0


def _size(lines: Sequence[Line]) -> float:
    """The size of most characters, in points; 0 without geometry."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0]


def _width(lines: Sequence[Line]) -> float:
    """Characters of a full line: what all but the longest tenth stay below."""
    lengths = sorted(len(line.text.strip()) for line in lines)
    return float(lengths[len(lengths) * 9 // 10])


def _is_drop_cap(before: Line, line: Line) -> bool:
    letter = before.text.strip()
    return (
        len(letter) == 1
        and letter.isupper()
        and before.placed
        and before.size > 1.5 * line.size
        and line.text[:1].isalpha()
    )


def _break(before: Line, line: Line, after: Line | None, *, page: _Page) -> str:
    """A blank line between paragraphs, a newline between items and verses, nothing to join."""
    previous, text = before.text.strip(), line.text.strip()
    if _LEADERS.search(previous):
        return "\n"
    if _ITEM.match(text) and not previous.endswith(("-", ",")):
        return "\n" if _ITEM.match(previous) or _ends(previous) else "\n\n"
    gap = _placed_break(before, line, after, page=page)
    if gap or _is_cut(previous) or previous.endswith(","):
        return gap
    goes_on = text[:1].islower()
    if len(previous) < _SHORT_LINE * page.width and _ends(previous) and not goes_on:
        return "\n\n"
    if len(previous) < 0.5 * page.width and not goes_on and not _is_inside(before, line):
        return "\n\n" if len(text) > _SHORT_LINE * page.width else "\n"
    return ""


def _placed_break(before: Line, line: Line, after: Line | None, *, page: _Page) -> str:
    """The break that sizes, gaps and indents show; "" when they show none."""
    if not (before.placed and line.placed):
        return ""
    larger, smaller = max(before.size, line.size), min(before.size, line.size)
    step = before.y - line.y
    if larger > _OTHER_SIZE * smaller and not _is_inside(before, line):
        return "\n\n"
    if page.leading and step > _WIDER_GAP * page.leading * max(1.0, line.size / page.size):
        return "\n\n"
    return "\n\n" if step > 0 and _is_indented(before, line, after, page=page) else ""


def _is_indented(before: Line, line: Line, after: Line | None, *, page: _Page) -> bool:
    """Whether `line` begins a paragraph: further in than its neighbours, after an ended one."""
    previous, text = before.text.strip(), line.text.strip()
    further_in = 0.7 * line.size < line.x - before.x < 6 * line.size
    outdented = after is None or not after.placed or line.x - after.x > 0.5 * line.size
    ended = bool(_ends(previous)) or len(previous) < _SHORT_LINE * page.width
    full = len(previous) >= _SHORT_LINE * page.width
    hangs = (full and _ITEM.match(previous)) or _RTL.search(text)
    return further_in and outdented and ended and not hangs and not text[:1].islower()


def _ends(text: str) -> bool:
    """Whether `text` ends as a sentence does, a note's number after it allowed."""
    return bool(_END.search(text, max(0, len(text) - 12)))


def _is_inside(before: Line, line: Line) -> bool:
    """Whether one of the two is a fragment on the other's line, such as an index."""
    return (
        before.placed and line.placed and abs(before.y - line.y) < 0.6 * max(before.size, line.size)
    )
