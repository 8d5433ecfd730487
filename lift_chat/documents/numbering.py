"""The numbers and bullets that Word computes for lists and headings and does not store.

Knows the numbering part of a .docx and counts along; the caller feeds paragraphs in order.
"""

from __future__ import annotations

import re
from typing import Any, Final

from docx.oxml.ns import qn

_LEVELS: Final = 9
_PLACEHOLDER = re.compile(r"%([1-9])")
_BULLET: Final = "-"


class Numbering:
    """Counters per list. Built from the numbering part's root element, or None without one."""

    def __init__(self, root: Any | None) -> None:
        self._formats: dict[str, dict[int, tuple[str, str, int]]] = {}
        self._abstract: dict[str, str] = {}
        self._counters: dict[str, list[int]] = {}
        if root is None:
            return
        for abstract in root.findall(qn("w:abstractNum")):
            key = abstract.get(qn("w:abstractNumId"), "")
            self._formats[key] = dict(map(_level, abstract.findall(qn("w:lvl"))))
        for number in root.findall(qn("w:num")):
            reference = number.find(qn("w:abstractNumId"))
            if reference is not None:
                self._abstract[number.get(qn("w:numId"), "")] = reference.get(qn("w:val"), "")

    def marker(self, list_id: str, level: int) -> str:
        """What stands before the next paragraph of list `list_id`: "-", "2.", "1.3", "" if none."""
        abstract = self._abstract.get(list_id)
        if abstract is None or not 0 <= level < _LEVELS:
            return ""
        formats = self._formats.get(abstract, {})
        counters = self._counters.setdefault(abstract, [0] * _LEVELS)
        for upper in range(level + 1):
            if upper == level or not counters[upper]:
                start = formats.get(upper, ("", "", 1))[2]
                counters[upper] = counters[upper] + 1 if counters[upper] else start
        counters[level + 1 :] = [0] * (_LEVELS - level - 1)
        style, template, _ = formats.get(level, ("decimal", f"%{level + 1}.", 1))
        if style == "bullet":
            return _BULLET
        return _PLACEHOLDER.sub(lambda match: self._shown(counters, formats, match), template)

    def _shown(
        self,
        counters: list[int],
        formats: dict[int, tuple[str, str, int]],
        match: re.Match[str],
    ) -> str:
        level = int(match[1]) - 1
        return _spelled(counters[level], formats.get(level, ("decimal", "", 1))[0])


def _level(element: Any) -> tuple[int, tuple[str, str, int]]:
    """(level, (number format, template, first number)) of a `w:lvl`."""
    start = _value(element, "w:start", "1")
    level = element.get(qn("w:ilvl"), "0")
    return (
        int(level) if level.isdecimal() else 0,
        (
            _value(element, "w:numFmt", "decimal"),
            _value(element, "w:lvlText", ""),
            int(start) if start.isdecimal() else 1,
        ),
    )


def _value(element: Any, name: str, default: str) -> str:
    child = element.find(qn(name))
    return default if child is None else str(child.get(qn("w:val"), default))


def _spelled(number: int, style: str) -> str:
    if style in ("lowerRoman", "upperRoman"):
        roman = _roman(number)
        return roman.upper() if style == "upperRoman" else roman
    if style in ("lowerLetter", "upperLetter") and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 % 9 + 1)
        return letter.upper() if style == "upperLetter" else letter
    return "" if style == "none" else str(number)


def _roman(number: int) -> str:
    if not 0 < number < 4000:
        return str(number)
    pairs = zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    )
    text = ""
    for value, letters in pairs:
        text += letters * (number // value)
        number %= value
    return text
