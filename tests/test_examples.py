"""The shipped example: its PDF, its Markdown and its questions agree with each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pypdf import PdfReader
from pypdf.generic import Destination

from lift_chat.evaluation.metrics import contains_gold
from lift_chat.examples import EXAMPLE, Question, questions
from lift_chat.examples.make_pdf import make_pdf

each_question = pytest.mark.parametrize(
    "asked", questions(), ids=[asked.question for asked in questions()]
)


def folded(text: str) -> str:
    return " ".join(text.split())


def markdown_chapters() -> dict[str, str]:
    """Folded text of each chapter by its title, in the order of the document."""
    _, *parts = EXAMPLE.markdown.read_text(encoding="utf-8").split("\n## ")
    return {title: folded(body) for title, body in (part.split("\n", 1) for part in parts)}


def markdown_words() -> list[str]:
    lines = EXAMPLE.markdown.read_text(encoding="utf-8").splitlines()
    return " ".join(line.lstrip("# ").strip("*") for line in lines).split()


def page_words(number: int, text: str) -> list[str]:
    """Words of a page without its number and, from the second page on, the running head."""
    lines = [line.strip() for line in text.splitlines()]
    for furniture in [str(number)] + [EXAMPLE.title] * (number > 1):
        lines.remove(furniture)
    return " ".join(lines).split()


def test_the_pdf_has_five_to_eight_pages() -> None:
    assert 5 <= len(PdfReader(EXAMPLE.pdf).pages) <= 8


def test_rebuilding_the_pdf_gives_the_shipped_bytes(tmp_path: Path) -> None:
    make_pdf(tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == EXAMPLE.pdf.read_bytes()


def test_the_pdf_has_exactly_the_words_of_the_markdown() -> None:
    pages = PdfReader(EXAMPLE.pdf).pages
    printed = [
        word
        for number, page in enumerate(pages, start=1)
        for word in page_words(number, page.extract_text())
    ]
    assert printed == markdown_words()


def test_the_document_is_a_short_one_of_several_chapters() -> None:
    assert 2800 <= len(markdown_words()) <= 3700
    assert 6 <= len(markdown_chapters()) <= 9


def test_the_bookmarks_are_the_chapters_and_lead_to_their_headings() -> None:
    reader = PdfReader(EXAMPLE.pdf)
    entries = [entry for entry in reader.outline if isinstance(entry, Destination)]
    assert [entry.title for entry in entries] == list(markdown_chapters())
    for entry in entries:
        number = reader.get_destination_page_number(entry)
        assert number is not None
        assert entry.title in reader.pages[number].extract_text().splitlines()


def test_the_pdf_names_its_title_author_and_language() -> None:
    reader = PdfReader(EXAMPLE.pdf)
    assert reader.metadata is not None
    assert reader.metadata.title == EXAMPLE.title
    assert reader.metadata.author
    assert "invented" in str(reader.metadata.subject)
    assert str(reader.root_object["/Lang"]) == "en"


def test_the_title_is_the_markdowns_first_line() -> None:
    lines = EXAMPLE.markdown.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {EXAMPLE.title}"


def test_there_are_forty_distinct_questions_and_three_are_pinned() -> None:
    assert len({asked.question for asked in questions()}) == len(questions()) == 40
    assert sum(asked.pinned for asked in questions()) == 3
    assert all(asked.question.endswith("?") for asked in questions())


def test_each_chapter_is_asked_about_equally_often_and_in_order() -> None:
    asked = [question.chapter for question in questions()]
    titles = list(markdown_chapters())
    assert asked == sorted(asked, key=titles.index)
    assert set(Counter(asked).values()) == {40 // len(titles)}


def test_a_pinned_question_of_each_third_has_a_short_answer() -> None:
    text = folded(EXAMPLE.markdown.read_text(encoding="utf-8"))
    pinned = [asked for asked in questions() if asked.pinned]
    assert [text.index(asked.evidence) * 3 // len(text) for asked in pinned] == [0, 1, 2]
    assert all(len(asked.answers[0].split()) <= 3 for asked in pinned)


@each_question
def test_the_evidence_stands_verbatim_in_its_chapter(asked: Question) -> None:
    chapter = markdown_chapters()[asked.chapter]
    assert chapter.count(asked.evidence) == 1
    before = chapter[: chapter.index(asked.evidence)]
    assert before == "" or before.endswith((". ", ".” "))
    assert asked.evidence.endswith(".")


@each_question
def test_the_first_gold_answer_stands_in_the_evidence(asked: Question) -> None:
    assert contains_gold(asked.evidence, asked.answers[:1]) == 1


@each_question
def test_the_gold_answers_are_short_and_distinct(asked: Question) -> None:
    assert all(1 <= len(answer.split()) <= 7 for answer in asked.answers)
    assert len(set(asked.answers)) == len(asked.answers)


@each_question
def test_no_question_gives_its_own_answer_away(asked: Question) -> None:
    assert contains_gold(asked.question, asked.answers) == 0
