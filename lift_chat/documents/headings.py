"""Finding chapter headings in text that does not mark them.

Conservative: a missed heading costs little, an invented one cuts a chapter in two. Works on
paragraphs, so a sentence that merely begins with "Chapter 3" is never a heading.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_PARTS = "part|book|volume|act|teil|buch|band|partie|livre|tome|parte|libro|deel|boek|часть|том"
_CHAPTERS = (
    "chapter|letter|stave|canto|scene|section|kapitel|abschnitt|chapitre|capítulo|capitulo|"
    "capitolo|hoofdstuk|rozdział|глава"
)
_ROMAN = r"(?=[ivxlcdm])m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})"
_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    "sixteen|seventeen|eighteen|nineteen|twenty(?:[- ]\\w+)?|thirty(?:[- ]\\w+)?|the \\w+|"
    "first|second|third|fourth|fifth|premier|première|primero|primera|primo|prima|erste[rs]?"
)
_NAMED: Final = re.compile(
    rf"(?P<word>{_PARTS}|{_CHAPTERS})\s+(?P<number>{_ROMAN}|\d{{1,3}}|{_WORDS})"
    r"(?P<rest>(?:[.:—–-].{0,80}|\s+[^a-zß-ÿ].{0,80})?)",
    re.IGNORECASE,
)
_PART_WORD: Final = re.compile(_PARTS, re.IGNORECASE)
_NUMBERED: Final = re.compile(
    rf"(?P<number>{_ROMAN}|\d{{1,2}})[.)]?(?:\s+(?P<title>\S.{{0,60}}))?", re.I
)
_SPECIAL: Final = re.compile(
    "(preface|prologue|epilogue|introduction|foreword|afterword|conclusion|postscript|"
    "appendix(?: [a-z0-9]{1,3})?|vorwort|einleitung|nachwort|prolog|epilog|préface|avant-propos|"
    "prólogo|epílogo|prefazione)[.:]?",
    re.IGNORECASE,
)
HEADING_CHARACTERS: Final = 120
_APART: Final = 800
"""Characters that must lie between two headings that are only a number or only capitals."""
_CONTENTS_APART: Final = 200
"""Three headings in a row closer than this are a table of contents."""


@dataclass(frozen=True)
class Heading:
    """`index` of the paragraph, `level` 1 or 2, `title` on one line."""

    index: int
    level: int
    title: str


def detect(paragraphs: Sequence[str]) -> list[Heading]:
    """The headings among `paragraphs`, in order; empty when nothing is sure."""
    found = _without_contents(_named(paragraphs), paragraphs)
    if len(found) >= 2:
        known = {heading.index for heading in found}
        level = max(heading.level for heading in found)
        special = [
            Heading(index, level, _title(paragraphs, index))
            for index, paragraph in enumerate(paragraphs)
            if index not in known and _SPECIAL.fullmatch(paragraph.strip())
        ]
        return sorted(found + special, key=lambda heading: heading.index)
    return _numbered(paragraphs) or _capitals(paragraphs)


def _named(paragraphs: Sequence[str]) -> list[Heading]:
    found = []
    for index, paragraph in enumerate(paragraphs):
        lines = paragraph.strip().splitlines()
        if not lines or len(lines) > 3 or len(paragraph) > 2 * HEADING_CHARACTERS:
            continue
        match = _NAMED.fullmatch(lines[0].strip())
        if match and _is_title_case(match["rest"]) and not paragraph.rstrip().endswith((",", ";")):
            level = 1 if _PART_WORD.fullmatch(match["word"]) else 2
            found.append(Heading(index, level, _title(paragraphs, index)))
    if found and min(heading.level for heading in found) == 2:
        found = [Heading(heading.index, 1, heading.title) for heading in found]
    return found


def _is_title_case(rest: str) -> bool:
    """A title after the number starts with a capital; a sentence goes on in lower case."""
    letters = rest.lstrip(" .:—–-\t\"“‘'")
    return not letters or not letters[0].islower()


def _title(paragraphs: Sequence[str], index: int) -> str:
    """The heading's text, with the title that stands in the next paragraph if it has none."""
    title = " ".join(paragraphs[index].split())
    match = _NAMED.fullmatch(title)
    if match and not match["rest"].strip(" .:—–-") and index + 1 < len(paragraphs):
        following = " ".join(paragraphs[index + 1].split())
        if 2 < len(following) <= 60 and not _NAMED.fullmatch(following) and _ends_open(following):
            return f"{title.rstrip('.:')}. {following}"
    return title


def _ends_open(line: str) -> bool:
    return line[-1] not in '.,;:!?…"”’»' and not line[0].islower()


def _without_contents(found: list[Heading], paragraphs: Sequence[str]) -> list[Heading]:
    """Drops runs of three or more headings with next to nothing between them."""
    kept: list[Heading] = []
    run: list[Heading] = []
    for heading in found:
        if run and _between(paragraphs, run[-1].index, heading.index) >= _CONTENTS_APART:
            kept.extend(run if len(run) < 3 else run[-1:])
            run = []
        run.append(heading)
    return kept + (run if len(run) < 3 else run[-1:])


def _between(paragraphs: Sequence[str], first: int, last: int) -> int:
    return sum(len(paragraph) for paragraph in paragraphs[first + 1 : last])


def _numbered(paragraphs: Sequence[str]) -> list[Heading]:
    """Lone numbers, or numbers with a title, that count up from one far apart."""
    found: list[Heading] = []
    expected, previous = 1, -1
    for index, paragraph in enumerate(paragraphs):
        line = " ".join(paragraph.split())
        match = _NUMBERED.fullmatch(line) if len(line) <= HEADING_CHARACTERS else None
        if match is None or not _fits(match["title"] or ""):
            continue
        number = number_of(match["number"])
        if number == expected and (
            expected == 1 or _between(paragraphs, previous, index) >= _APART
        ):
            found.append(Heading(index, 1, line))
            expected, previous = number + 1, index
    return found if len(found) >= 3 else []


def _fits(title: str) -> bool:
    return not title or (title[0].isupper() and title[-1] not in ",;:")


def _capitals(paragraphs: Sequence[str]) -> list[Heading]:
    """Lines in capitals only, each with a chapter's worth of text after it."""
    lines = [
        (index, " ".join(paragraph.split()))
        for index, paragraph in enumerate(paragraphs)
        if 4 <= len(paragraph.strip()) <= 60 and _is_in_capitals(paragraph)
    ]
    found = []
    for position, (index, line) in enumerate(lines):
        after = lines[position + 1][0] if position + 1 < len(lines) else len(paragraphs)
        if _between(paragraphs, index, after) >= 2 * _APART:
            found.append(Heading(index, 1, line))
    return found if len(found) >= 3 else []


def _is_in_capitals(line: str) -> bool:
    """Whether at least four letters are capitals and hardly any is not, or has no case."""
    capitals = sum(map(str.isupper, line))
    return capitals >= 4 and capitals >= 0.9 * sum(map(str.isalpha, line))


_DIGITS: Final = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}


def number_of(numeral: str) -> int:
    """The value of an arabic or Roman numeral; 0 if it is neither."""
    if numeral.isdecimal():
        return int(numeral[:9])
    values = [_DIGITS.get(letter, 0) for letter in numeral.casefold()]
    if not values or 0 in values or not re.fullmatch(_ROMAN, numeral, re.IGNORECASE):
        return 0
    return sum(
        -value if value < max(values[i + 1 :], default=0) else value
        for i, value in enumerate(values)
    )
