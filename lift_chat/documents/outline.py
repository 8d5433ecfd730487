"""From blocks and marks to pages and chapters: the one place where offsets are made.

Knows nothing of formats. The invariant that all others rely on, `text == full_text[start:end]`
with pages joined by a blank line, holds by construction in `bind`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lift_chat.documents.draft import Draft, Leaf, Mark
from storage.records import Chapter, Page

GAP: Final = "\n\n"
BLOCK_CHARACTERS: Final = 3_000
"""Length of a page where a document has neither pages nor headings."""
SMALL_SECTION: Final = 400
"""A section shorter than this shares its page with the next one."""
MAX_MARKS: Final = 5_000
MAX_LEVEL: Final = 6
TITLE_CHARACTERS: Final = 200


@dataclass(frozen=True)
class Block:
    """A paragraph, heading (`level` 1..6), list item or table row of an unpaged document.

    `tight` blocks follow a tight one on the next line, without a blank line. `anchors` are the
    names by which a table of contents may refer to the block. `title` is how the outline calls a
    heading whose own words are not its full title.
    """

    text: str
    level: int = 0
    tight: bool = False
    anchors: tuple[str, ...] = ()
    title: str = ""


def compose(blocks: Sequence[Block]) -> tuple[str, list[int]]:
    """The blocks as one text, and the offset of each block in it."""
    pieces: list[str] = []
    offsets: list[int] = []
    length = 0
    for index, block in enumerate(blocks):
        if index:
            gap = "\n" if block.tight and blocks[index - 1].tight else GAP
            pieces.append(gap)
            length += len(gap)
        offsets.append(length)
        pieces.append(block.text)
        length += len(block.text)
    return "".join(pieces), offsets


def paginate(blocks: Sequence[Block]) -> tuple[tuple[Leaf, ...], tuple[Mark, ...]]:
    """A page per section, or pages of about 3,000 characters where there are no headings."""
    leaves: list[Leaf] = []
    marks: list[Mark] = []
    for group in _sections(blocks):
        text, offsets = compose(group)
        found = [
            Mark(clean_title(block.title or block.text), block.level, len(leaves), offset)
            for block, offset in zip(group, offsets, strict=True)
            if block.level
        ]
        leaves.append(Leaf(found[0].title if found else "", text))
        marks.extend(found)
    return tuple(leaves), tuple(marks)


def _sections(blocks: Sequence[Block]) -> Iterable[list[Block]]:
    by_heading = any(block.level for block in blocks)
    group: list[Block] = []
    size = 0
    for block in blocks:
        full = block.level and size >= SMALL_SECTION if by_heading else size >= BLOCK_CHARACTERS
        if group and full:
            yield group
            group, size = [], 0
        group.append(block)
        size += len(block.text)
    if group:
        yield group


def clean_title(title: str) -> str:
    return " ".join(title.split())[:TITLE_CHARACTERS].strip()


def bind(draft: Draft) -> tuple[tuple[Page, ...], tuple[Chapter, ...]]:
    """Pages with their offsets, and chapters that end where the next of their level starts.

    Marks that point outside the document are moved to its nearest position.
    """
    pages: list[Page] = []
    start = 0
    for number, leaf in enumerate(draft.leaves, 1):
        end = start + len(leaf.text)
        pages.append(Page(number, leaf.label or str(number), start, end, leaf.text))
        start = end + len(GAP)
    return tuple(pages), _chapters(tidy_marks(draft.marks, len(pages)), pages)


def tidy_marks(marks: Iterable[Mark], leaves: int) -> list[Mark]:
    """In reading order, without repetitions, at most `MAX_MARKS`, levels from 1 without holes."""
    seen: set[tuple[str, int, int]] = set()
    kept: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.leaf, mark.offset)):
        title = clean_title(mark.title)
        key = (title.casefold(), mark.leaf, mark.offset)
        if title and 0 <= mark.leaf < leaves and key not in seen:
            seen.add(key)
            kept.append(replace(mark, title=title))
    kept = kept[:MAX_MARKS]
    ranks = {level: rank for rank, level in enumerate(sorted({mark.level for mark in kept}), 1)}
    return [replace(mark, level=min(ranks[mark.level], MAX_LEVEL)) for mark in kept]


def _chapters(marks: Sequence[Mark], pages: Sequence[Page]) -> tuple[Chapter, ...]:
    starts = [
        min(pages[mark.leaf].start + max(mark.offset, 0), pages[mark.leaf].end) for mark in marks
    ]
    by_level: list[list[int]] = [[] for _ in range(MAX_LEVEL + 1)]
    for mark, start in zip(marks, starts, strict=True):
        by_level[mark.level].append(start)
    total = pages[-1].end if pages else 0
    chapters = []
    for mark, start in zip(marks, starts, strict=True):
        end = total
        for level_starts in by_level[1 : mark.level + 1]:
            following = bisect_right(level_starts, start)
            if following < len(level_starts):
                end = min(end, level_starts[following])
        chapters.append(Chapter(mark.title, mark.level, mark.leaf + 1, start, end))
    return tuple(chapters)
