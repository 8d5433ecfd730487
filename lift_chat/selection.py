"""The part of a document that a job absorbs: all of it, or the chapters that were ticked.

Offsets of study items are those of the document; a lesson knows only the selected text. This is
the one place that maps between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from storage.library import Library
from storage.records import Page, StudyItem

JOINT = "\n\n"


@dataclass(frozen=True)
class Selection:
    """`parts` are character ranges of the document's text, in reading order, without overlap."""

    whole: str
    parts: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, library: Library, document_id: str, owner: str, chapters: Sequence[int]) -> Self:
        """The whole document, or the ticked chapters, each part once."""
        text = library.document_text(document_id, owner)
        if not chapters:
            return cls(text, ((0, len(text)),))
        outline = library.outline(document_id, owner)
        parts: list[tuple[int, int]] = []
        for start, end in sorted((outline[i].start, outline[i].end) for i in chapters):
            if parts and start <= parts[-1][1]:
                parts[-1] = (parts[-1][0], max(end, parts[-1][1]))
            else:
                parts.append((start, end))
        return cls(text, tuple(parts))

    @property
    def text(self) -> str:
        return JOINT.join(self.whole[start:end] for start, end in self.parts)

    def pages(self, pages: Sequence[Page]) -> list[Page]:
        """Those that the selection touches."""
        return [
            page
            for page in pages
            if any(page.start < end and start < page.end for start, end in self.parts)
        ]

    def inside(self, items: Sequence[StudyItem]) -> list[StudyItem]:
        """The items about the selection, with offsets of its text."""
        found, shift = [], 0
        for start, end in self.parts:
            found += [
                replace(item, start=item.start - start + shift, end=item.end - start + shift)
                for item in items
                if start <= item.start and item.end <= end
            ]
            shift += end - start + len(JOINT)
        return found

    def outside(self, items: Sequence[StudyItem]) -> list[StudyItem]:
        """Inverse of `inside`; an item that spans two parts is left out."""
        found, shift = [], 0
        for start, end in self.parts:
            found += [
                replace(item, start=item.start + start - shift, end=item.end + start - shift)
                for item in items
                if shift <= item.start and item.end <= shift + end - start
            ]
            shift += end - start + len(JOINT)
        return found
