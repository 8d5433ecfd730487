"""What a parser hands over: texts in reading order, headings that point into them, facts.

A draft knows neither the file's name nor character offsets in the whole document; `outline.bind`
turns it into pages and chapters. It travels between two processes as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self


class Refusal(Exception):
    """The file cannot become a document. Becomes `UnreadableDocument` where the name is known.

    `reason` is one of those that `UnreadableDocument` lists; `sentence` is for the user.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


@dataclass(frozen=True)
class Leaf:
    """One page to be: `label` is what is printed on it, or the title of the section."""

    label: str
    text: str


@dataclass(frozen=True)
class Mark:
    """A heading: `leaf` is the index of its page, `offset` a position in that page's text."""

    title: str
    level: int
    leaf: int
    offset: int


@dataclass(frozen=True, kw_only=True)
class Draft:
    kind: str
    title: str = ""
    author: str = ""
    language: str = ""
    leaves: tuple[Leaf, ...] = ()
    marks: tuple[Mark, ...] = ()
    unmapped: int = 0
    """Glyphs without a character that were found before cleaning."""
    warnings: tuple[str, ...] = ()
    quality: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`. Raises TypeError or KeyError when `values` is something else."""
        return cls(
            kind=str(values["kind"]),
            title=str(values["title"]),
            author=str(values["author"]),
            language=str(values["language"]),
            leaves=tuple(Leaf(str(leaf["label"]), str(leaf["text"])) for leaf in values["leaves"]),
            marks=tuple(
                Mark(str(mark["title"]), int(mark["level"]), int(mark["leaf"]), int(mark["offset"]))
                for mark in values["marks"]
            ),
            quality=dict(values["quality"]),
        )
