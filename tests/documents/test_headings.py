"""Chapter headings in text that does not mark them: found when sure, else left alone."""

from __future__ import annotations

import pytest

from lift_chat.documents.headings import detect, number_of

BODY = "Rain fell on the harbour for the rest of the week, and nobody came. " * 14


def titles(paragraphs: list[str]) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for heading in detect(paragraphs)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("CHAPTER I.", "CHAPTER II."),
        ("Chapter 1: The Harbour", "Chapter 2: The Ledger"),
        ("STAVE ONE", "STAVE TWO"),
        ("Kapitel 3", "Kapitel 4"),
        ("CHAPITRE PREMIER. — Le port", "CHAPITRE II. — Le phare"),
        ("Глава 1", "Глава 2"),
        ("Letter 1", "Letter 2"),
    ],
)
def test_named_headings_are_found(first: str, second: str) -> None:
    found = [title for _, title in titles([first, BODY, second, BODY])]
    assert found[-1] == second


def test_the_title_in_the_next_paragraph_belongs_to_the_heading() -> None:
    paragraphs = ["CHAPTER I", "The Harbour", BODY, "CHAPTER II", "“Who goes there?”", BODY]
    assert titles(paragraphs) == [(1, "CHAPTER I. The Harbour"), (1, "CHAPTER II")]


def test_parts_stand_above_chapters() -> None:
    paragraphs = ["PART ONE", "Chapter 1", BODY, "Chapter 2", BODY, "PART TWO", "Chapter 3", BODY]
    assert [level for level, _ in titles(paragraphs)] == [1, 2, 2, 1, 2]


def test_a_preface_counts_only_beside_other_headings() -> None:
    assert titles(["Preface", BODY, "Chapter 1", BODY, "Chapter 2", BODY])[0] == (1, "Preface")
    assert titles(["Preface", BODY]) == []


def test_sentences_about_chapters_are_not_headings() -> None:
    paragraphs = ["Chapter 3 describes the harbour.", BODY, "Part 2 was worse.", BODY]
    assert titles(paragraphs) == []


def test_a_table_of_contents_is_not_a_row_of_chapters() -> None:
    listed = [f"CHAPTER {n}" for n in range(1, 7)]
    paragraphs = [*listed, *[part for name in listed for part in (name, BODY)]]
    assert [heading.index for heading in detect(paragraphs)] == [6, 8, 10, 12, 14, 16]


def test_numbers_that_count_up_far_apart_are_headings() -> None:
    paragraphs = ["I. Introduction", BODY, "II. The Machine", BODY, "III.", BODY, "1988", BODY]
    assert [title for _, title in titles(paragraphs)] == [
        "I. Introduction",
        "II. The Machine",
        "III.",
    ]


def test_numbered_lists_are_not_chapters() -> None:
    assert titles([f"{n}. Buy rope and lamp oil" for n in range(1, 9)]) == []


def test_lines_in_capitals_are_headings_when_chapters_follow() -> None:
    paragraphs = ["STORY OF THE DOOR", BODY, BODY, "THE LEDGER", BODY, BODY, "THE END", BODY, BODY]
    assert len(titles(paragraphs)) == 3
    assert titles(["NOTICE", "short", "WARNING", "short", "DANGER", "short"]) == []


def test_scripts_without_capitals_give_no_headings() -> None:
    assert titles(["코로나 U코드 AB", BODY, BODY] * 4) == []


@pytest.mark.parametrize(
    ("numeral", "value"),
    [("iv", 4), ("XLII", 42), ("mcmxc", 1990), ("17", 17), ("iiii", 0), ("civic", 0), ("", 0)],
)
def test_numerals_are_read(numeral: str, value: int) -> None:
    assert number_of(numeral) == value
