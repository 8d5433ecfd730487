"""From the lines of a page to its paragraphs.

A line break is kept where the setting shows one: more space above, an indent, another size, a
list item, a last line that ends early. Words cut at a line end are put together again; the
document's own words decide whether the hyphen belongs to the word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from lift_chat.documents.lines import Line

_ITEM = re.compile(r"(?:[•‣◦▪●○■□➢✓·*–—-]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|\[\d{1,3}\])\s+\S")
_END = re.compile(r"[.!?:;…。！？]['\"”’»)\]]*\d{0,3}$")
_CUT = re.compile(r"([^\W\d_][\w’'-]*)[-\u2010]$")
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010’'][^\W\d_]+)*")
_CJK: Final = "\u3000-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef"
_CJK_EDGE = re.compile(f"[{_CJK}]$")
_CJK_START = re.compile(f"^[{_CJK}]")
_HANGUL_START, _HANGUL_END = re.compile("^[\uac00-\ud7af]"), re.compile("[\uac00-\ud7af]$")
_RTL = re.compile("[\u0590-\u08ff]")
_WIDER_GAP: Final = 1.35
_OTHER_SIZE: Final = 1.12
_SHORT_LINE: Final = 0.75


class Vocabulary:
    """The words of a document, to tell "exam-ple" from "well-known" at a line's end."""

    def __init__(self, pages: Iterable[Sequence[Line]]) -> None:
        self._words: Counter[str] = Counter()
        hangul = blank = 0
        for lines in pages:
            for line in lines:
                self._words.update(word.casefold() for word in _WORD.findall(line.text))
                if _HANGUL_END.search(line.text.rstrip()):
                    hangul += 1
                    blank += line.text.endswith(" ")
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


def reflow(lines: Sequence[Line], vocabulary: Vocabulary) -> str:
    """The page's text: paragraphs separated by blank lines, list items and short lines by one."""
    lines = [line for line in lines if line.text.strip()]
    if not lines:
        return ""
    leading = _leading(lines)
    width = _width(lines)
    text = _stripped(lines[0])
    for index in range(1, len(lines)):
        before, line = lines[index - 1], lines[index]
        after = lines[index + 1] if index + 1 < len(lines) else None
        if _is_drop_cap(before, line):
            text += _stripped(line)
        elif gap := _break(before, line, after, leading=leading, width=width):
            text = f"{text}{gap}{_stripped(line)}"
        else:
            text = join(text, line.text, vocabulary, blank=before.text.endswith(" "))
    return text


def join(text: str, line: str, vocabulary: Vocabulary, *, blank: bool = False) -> str:
    """`text` continued by the next line of the same paragraph."""
    line = " ".join(line.split())
    cut = _CUT.search(text)
    word = _WORD.match(line)
    if cut and word:
        rest = line[word.end() :]
        return text[: cut.start()] + vocabulary.joined(cut[1], word[0]) + rest
    if text.endswith(("-", "\u2010", "—")) and not text.endswith((" -", " —")):
        return text + line
    if _CJK_EDGE.search(text) and _CJK_START.match(line):
        return text + line
    if vocabulary.breaks_words and _HANGUL_END.search(text) and _HANGUL_START.match(line):
        return f"{text} {line}" if blank else text + line
    return f"{text} {line}"


def carry_over(pages: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    """Pages with words that were cut at a page's end put together on the earlier page."""
    result = list(pages)
    for index in range(len(result) - 1):
        following = result[index + 1]
        word = _WORD.match(following)
        if _CUT.search(result[index]) and word and word[0][0].islower():
            punctuation = re.match(r"\S*", following[word.end() :])
            end = word.end() + (punctuation.end() if punctuation else 0)
            result[index] = join(result[index], following[:end], vocabulary)
            result[index + 1] = following[end:].lstrip()
    return result


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


def _break(before: Line, line: Line, after: Line | None, *, leading: float, width: float) -> str:
    """ "" to join, a newline between list items and verses, a blank line between paragraphs."""
    previous, text = before.text.strip(), line.text.strip()
    if _ITEM.match(text) and not previous.endswith(("-", ",")):
        return "\n" if _ITEM.match(previous) or _END.search(previous) else "\n\n"
    gap = _placed_break(before, line, after, leading=leading)
    if gap:
        return gap
    short = len(previous) < _SHORT_LINE * width
    if _CUT.search(previous) or previous.endswith(","):
        return ""
    if short and _END.search(previous) and not text[:1].islower():
        return "\n\n"
    if len(previous) < 0.5 * width and text[:1].isupper() and not _is_inside(before, line):
        return "\n\n" if len(text) > _SHORT_LINE * width else "\n"
    return ""


def _placed_break(before: Line, line: Line, after: Line | None, *, leading: float) -> str:
    """The break that sizes, gaps and indents show; "" when they show none."""
    if not (before.placed and line.placed):
        return ""
    larger, smaller = max(before.size, line.size), min(before.size, line.size)
    step = before.y - line.y
    if larger > _OTHER_SIZE * smaller and not _is_inside(before, line):
        return "\n\n"
    if leading and step > _WIDER_GAP * max(leading, 0.9 * line.size):
        return "\n\n"
    indent = line.x - before.x
    outdented = after is None or not after.placed or line.x - after.x > 0.5 * line.size
    starts = not line.text.strip()[:1].islower() and not _RTL.search(line.text)
    if 0.7 * line.size < indent < 6 * line.size and outdented and starts and step > 0:
        return "\n\n"
    return ""


def _is_inside(before: Line, line: Line) -> bool:
    """Whether one of the two is a fragment on the other's line, such as an index."""
    return (
        before.placed and line.placed and abs(before.y - line.y) < 0.6 * max(before.size, line.size)
    )
