"""Lines become paragraphs again, and cut words are whole."""

from __future__ import annotations

import pytest

from lift_chat.documents.lines import Line
from lift_chat.documents.paragraphs import Typesetting, carry_over, reflow

FULL = "which went on as long as a line of this book can be and no more"


def page(*texts: str, step: float = 14.0) -> list[Line]:
    """Lines below each other at 10 points; two blanks indent, "" is a gap."""
    lines, y = [], 700.0
    for text in texts:
        if text:
            indent = 20.0 if text.startswith("  ") else 0.0
            lines.append(Line(text.removeprefix("  "), 50.0 + indent, y, 10.0))
        y -= step
    return lines


def flowed(lines: list[Line], *others: str) -> str:
    return reflow(lines, Typesetting([lines, [Line(other) for other in others]]))


def unplaced(*texts: str) -> list[Line]:
    return [Line(text) for text in texts]


@pytest.mark.parametrize("make", [page, unplaced])
def test_lines_of_a_paragraph_are_joined(make: object) -> None:
    lines = make(FULL, FULL, "and ended.")  # type: ignore[operator]
    assert flowed(lines) == f"{FULL} {FULL} and ended."


def test_space_above_begins_a_paragraph() -> None:
    assert flowed(page(FULL, FULL, "", FULL, FULL)) == f"{FULL} {FULL}\n\n{FULL} {FULL}"


def test_an_indent_begins_a_paragraph() -> None:
    lines = page(FULL, f"{FULL[:-4]}end.", f"  {FULL.capitalize()}", FULL)
    assert flowed(lines).count("\n\n") == 1


def test_a_hanging_indent_does_not() -> None:
    assert "\n\n" not in flowed(page(f"1. {FULL}", f"  {FULL}", f"  {FULL}"))


def test_a_short_last_line_ends_a_paragraph_without_any_geometry() -> None:
    lines = unplaced(FULL, "It was late.", FULL.capitalize(), FULL)
    assert flowed(lines) == f"{FULL} It was late.\n\n{FULL.capitalize()} {FULL}"


def test_another_size_begins_a_paragraph() -> None:
    lines = page("The Harbour", FULL, FULL)
    lines[0] = Line("The Harbour", 50, 700, 16)
    assert flowed(lines).startswith("The Harbour\n\nwhich")


def test_list_items_stand_on_lines_of_their_own() -> None:
    lines = page("He packed:", "• a rope that was long enough", "• lamp oil", "1. first", "2) then")
    assert flowed(lines).split("\n") == [
        *("He packed:", "• a rope that was long enough", "• lamp oil", "1. first", "2) then")
    ]


def test_entries_of_a_table_of_contents_stand_on_lines_of_their_own() -> None:
    dots = " . . . . . . . . . . . . . . . . . . . . "
    lines = page(f"1 The harbour of the town{dots}3", f"2 The ledger and the lamp{dots}17")
    assert flowed(lines) == "1 The harbour of the town ... 3\n2 The ledger and the lamp ... 17"


def test_verse_keeps_its_lines() -> None:
    verse = ["Dark was the sea", "Long was the night", "Still was the bell"]
    lines = page(FULL, FULL, "", *verse, "", FULL, FULL)
    assert "\n".join(verse) in flowed(lines)


def test_a_drop_cap_belongs_to_its_word() -> None:
    lines = page("O", "nce upon a time there was a lamp and", FULL)
    lines[0] = Line("O", 50, 690, 30)
    assert flowed(lines).startswith("Once upon a time")


@pytest.mark.parametrize(
    ("lines", "joined", "elsewhere"),
    [
        (["an exam-", "ple of it"], "an example of it", ""),
        (["a well-", "known man"], "a well-known man", "He was well-known here."),
        (["the Lucene-", "BM25 mix"], "the Lucene-BM25 mix", ""),
        (["the state-of-the-", "art way"], "the state-of-the-art way", ""),
        (["a dual-", "encoder net"], "a dual-encoder net", "dual dual encoder encoder"),
        (["the dual-", "ist view"], "the dualist view", ""),
        (["pages 3-", "7 and 9"], "pages 3-7 and 9", ""),
        (["she said—", "and left"], "she said—and left", ""),
        (["she said —", "and left"], "she said — and left", ""),
        (["a soft\u2010", "ening tone"], "a softening tone", ""),
        (["東京の天気", "は雨です"], "東京の天気は雨です", ""),
    ],
)
def test_cut_words_are_whole_again(lines: list[str], joined: str, elsewhere: str) -> None:
    assert flowed(unplaced(*lines), elsewhere) == joined


def test_korean_lines_join_where_a_blank_says_so() -> None:
    lines = [Line("이 문장은 단어 "), Line("사이에서 끊어"), Line("집니다 그리고 ")] * 9
    assert flowed(lines).startswith("이 문장은 단어 사이에서 끊어집니다 그리고")


def test_a_word_cut_by_the_page_end_is_whole_on_the_earlier_page() -> None:
    setting = Typesetting([unplaced("lighthouse")])
    assert carry_over(["the light-", "house, which stood"], setting) == [
        "the lighthouse,",
        "which stood",
    ]
    assert carry_over(["ends well-", "Known names"], setting) == ["ends well-", "Known names"]


def test_an_endless_word_takes_no_endless_time() -> None:
    lines = [Line("x" * 20_000, 50, 700 - 14 * n, 10) for n in range(40)]
    assert len(flowed(lines)) > 800_000
