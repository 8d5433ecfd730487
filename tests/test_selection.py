from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lift_chat.selection import JOINT, Selection
from storage.library import Library
from storage.records import LOCAL, Chapter, Document, Page, StudyItem

PARTS = [
    "The lamp was lit each evening.",
    "The oil froze on the ninth.",
    "The ship turned in time.",
    "Honey came every winter.",
]
TEXT = JOINT.join(PARTS)
STARTS = [TEXT.index(part) for part in PARTS]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def document(library: Library, tmp_path: Path) -> Document:
    """Four pages; a chapter for each, and one that holds the two in the middle."""
    original = tmp_path / "book.txt"
    original.write_text(TEXT, encoding="utf-8")
    spans = [(start, start + len(part)) for start, part in zip(STARTS, PARTS, strict=True)]
    pages = [Page(n, str(n), a, b, TEXT[a:b]) for n, (a, b) in enumerate(spans, 1)]
    chapters = [Chapter(f"Chapter {n}", 1, n, a, b) for n, (a, b) in enumerate(spans, 1)]
    middle = Chapter("The middle", 1, 2, spans[1][0], spans[2][1])
    made, _ = library.add_document(
        original,
        owner=LOCAL,
        name="book.txt",
        kind="text",
        title="Book",
        author="",
        language="en",
        pages=pages,
        outline=[*chapters, middle],
        quality={},
    )
    return made


def item(number: int) -> StudyItem:
    """A question about the last two words of a part."""
    start = STARTS[number] + 4
    return StudyItem(f"What of part {number}?", "that", start, STARTS[number] + len(PARTS[number]))


ITEMS = [item(number) for number in range(4)]


def selected(library: Library, document: Document, *chapters: int) -> Selection:
    return Selection.of(library, document.id, LOCAL, chapters)


def test_without_chapters_the_whole_document_is_selected(
    library: Library, document: Document
) -> None:
    whole = selected(library, document)
    assert whole.text == TEXT == library.document_text(document.id, LOCAL)
    assert whole.inside(ITEMS) == whole.outside(ITEMS) == ITEMS
    assert whole.pages(library.pages(document.id, LOCAL)) == library.pages(document.id, LOCAL)


def test_ticked_chapters_come_in_reading_order_and_each_part_once(
    library: Library, document: Document
) -> None:
    assert selected(library, document, 3, 0).text == PARTS[0] + JOINT + PARTS[3]
    assert selected(library, document, 4, 1, 2).text == PARTS[1] + JOINT + PARTS[2]
    overlap = selected(library, document, 2, 4)
    assert overlap.text.count(PARTS[2]) == 1 and PARTS[1] in overlap.text


@pytest.mark.parametrize("chapters", [(0,), (3,), (0, 2), (1, 3), (4,), (0, 1, 2, 3), (4, 0)])
def test_items_of_the_selection_say_the_same_in_its_own_text_and_come_back(
    library: Library, document: Document, chapters: tuple[int, ...]
) -> None:
    chosen = selected(library, document, *chapters)
    parts = {1, 2} if 4 in chapters else set()
    expected = [ITEMS[n] for n in range(4) if n in {*chapters, *parts}]
    inside = chosen.inside(ITEMS)
    for here, there in zip(inside, expected, strict=True):
        assert chosen.text[here.start : here.end] == TEXT[there.start : there.end]
        assert replace(here, start=0, end=0) == replace(there, start=0, end=0)
    assert chosen.outside(inside) == expected


def test_an_item_that_spans_two_parts_belongs_to_neither_side(
    library: Library, document: Document
) -> None:
    chosen = selected(library, document, 0, 2)
    wide = StudyItem("What of both?", "that", STARTS[0], STARTS[2] + 5)
    assert chosen.inside([wide]) == []
    assert chosen.outside([replace(wide, start=0, end=len(chosen.text))]) == []


def test_only_pages_that_the_selection_touches_are_its_pages(
    library: Library, document: Document
) -> None:
    pages = library.pages(document.id, LOCAL)
    assert [p.number for p in selected(library, document, 0, 2).pages(pages)] == [1, 3]
    assert [p.number for p in selected(library, document, 4).pages(pages)] == [2, 3]
