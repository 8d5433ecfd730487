"""Page furniture: running heads, running feet and page numbers, which are not text.

A line at the edge of a page is furniture when lines at the same edge of nearby pages say the
same (numbers apart), or carry a number that counts along with the pages. Nearby, because heads
change with the chapter; more than the next page, because left and right pages differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lift_chat.documents.headings import number_of
from lift_chat.documents.lines import Line

_EDGE_LINES: Final = 3
_WINDOW: Final = 8
"""Pages on either side that are asked."""
_WITNESSES: Final = 2
_DRIFT: Final = 3.0
"""Points by which the place of a head may differ from page to page."""
_TWIN: Final = 0.5
_FEW_PAGES: Final = 8
"""Up to here a head may have a single other page to repeat itself on."""
_SAME_SHARE: Final = 0.6
_LONGEST: Final = 160
_NUMERAL = re.compile(r"\d+|(?<![^\W\d_])[ivxlc]+(?![^\W\d_])", re.IGNORECASE)
_BARE = re.compile(
    r"\W*(?:(?:page|seite|p\.|s\.|página|pagina)\s*)?#(?:\s*(?:of|/|von|de|di|sur)\s*#)?\W*"
)
_DECORATION: Final = 8


@dataclass(frozen=True)
class _Candidate:
    """An edge line of page `page`: `key` is its text without numbers, `numbers` are those."""

    page: int
    index: int
    edge: Literal["top", "bottom"]
    key: str
    numbers: tuple[int, ...]
    line: Line

    def stands_like(self, other: _Candidate) -> bool:
        if self.line.placed and other.line.placed:
            return abs(self.line.y - other.line.y) <= _DRIFT
        return self.line.placed == other.line.placed

    def is_twin_of(self, other: _Candidate) -> bool:
        """Whether the same words stand in exactly the same place."""
        mine, theirs = self.line, other.line
        return (
            mine.placed
            and theirs.placed
            and self.key == other.key
            and max(abs(mine.x - theirs.x), abs(mine.y - theirs.y), abs(mine.size - theirs.size))
            < _TWIN
        )

    def repeats(self, other: _Candidate) -> bool:
        """Same words; numbers stay or count along with the pages."""
        distance = other.page - self.page
        return self.key == other.key and all(
            there - here in (0, distance)
            for here, there in zip(self.numbers, other.numbers, strict=True)
        )

    def counts_with(self, other: _Candidate) -> bool:
        """Whether both begin, or both end, with a number that counts along with the pages."""
        distance = other.page - self.page
        return any(
            self.numbers[end] - other.numbers[end] == -distance
            and self._at_end(end)
            and other._at_end(end)
            for end in (0, -1)
            if self.numbers and other.numbers
        )

    def _at_end(self, end: int) -> bool:
        trimmed = self.key.strip(" .-–—|[]()·•")
        return trimmed.startswith("#") if end == 0 else trimmed.endswith("#")


def without_furniture(
    pages: Sequence[Sequence[Line]], labels: Sequence[str] = ()
) -> list[list[Line]]:
    """The pages' lines without heads, feet, page numbers and drawn rules.

    `labels` are the page numbers that the file itself knows; "" or missing where it knows none.
    """
    candidates = [_candidates(number, lines) for number, lines in enumerate(pages)]
    words = [{line.text.strip() for line in lines} - {""} for lines in pages]
    kept = []
    for number, lines in enumerate(pages):
        window = range(max(0, number - _WINDOW), min(len(pages), number + 1 + _WINDOW))
        near = [
            candidate
            for other in window
            if other != number and not _are_alike(words[number], words[other])
            for candidate in candidates[other]
        ]
        label = labels[number] if number < len(labels) else ""
        dropped = {
            candidate.index
            for candidate in candidates[number]
            if _is_furniture(candidate, near, label=label, pages=len(pages))
        }
        kept.append(
            [
                line
                for index, line in enumerate(lines)
                if index not in dropped and not _is_decoration(line.text)
            ]
        )
    return kept


def _are_alike(page: set[str], other: set[str]) -> bool:
    """Whether one page is the other with little changed, as in slides: all of it repeats."""
    return len(page & other) > _SAME_SHARE * min(len(page), len(other))


def _is_furniture(
    candidate: _Candidate, near: Sequence[_Candidate], *, label: str, pages: int
) -> bool:
    bare = bool(_BARE.fullmatch(candidate.key))
    if bare and label and label.casefold() in candidate.line.text.casefold().split():
        return True
    alike = {
        other.page
        for other in near
        if other.edge == candidate.edge
        and (bare or candidate.stands_like(other))
        and (
            candidate.repeats(other)
            or (candidate.counts_with(other) and (bare or candidate.line.placed))
        )
    }
    needed = 1 if pages <= _FEW_PAGES and any(map(candidate.is_twin_of, near)) else _WITNESSES
    return len(alike) >= min(needed, max(1, pages - 1))


def _candidates(number: int, lines: Sequence[Line]) -> list[_Candidate]:
    found = []
    for edge, indices in (("top", _edge(lines, top=True)), ("bottom", _edge(lines, top=False))):
        for index in indices:
            text = " ".join(lines[index].text.split())
            if not text or len(text) > _LONGEST:
                continue
            numerals = [match[0] for match in _NUMERAL.finditer(text) if number_of(match[0])]
            key = _NUMERAL.sub(lambda m: "#" if number_of(m[0]) else m[0], text).casefold()
            numbers = tuple(number_of(numeral) for numeral in numerals)
            found.append(
                _Candidate(
                    number, index, "top" if edge == "top" else "bottom", key, numbers, lines[index]
                )
            )
    return found


def _edge(lines: Sequence[Line], *, top: bool) -> list[int]:
    """Indices of the lines on the outermost baselines; by order where nothing has a place."""
    filled = [index for index, line in enumerate(lines) if line.text.strip()]
    if not all(lines[index].placed for index in filled):
        return filled[:_EDGE_LINES] if top else filled[-_EDGE_LINES:]
    baselines = sorted({round(lines[index].y) for index in filled}, reverse=top)[:_EDGE_LINES]
    return [index for index in filled if round(lines[index].y) in baselines]


def _is_decoration(text: str) -> bool:
    stripped = "".join(text.split())
    return len(stripped) >= _DECORATION and not any(map(str.isalnum, stripped))
