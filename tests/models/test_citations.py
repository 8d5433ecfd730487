from __future__ import annotations

import pytest

from lift_chat.documents import read
from lift_chat.examples import EXAMPLE, Question, questions
from lift_chat.lift.passages import sentences
from lift_chat.models.citations import CitationIndex
from lift_chat.models.excerpt import Place
from storage.records import Page


def split(text: str) -> list[Place]:
    return [(span.start, span.end) for span in sentences(text)]


def pages_of(*texts: str) -> list[Page]:
    pages, start = [], 0
    for number, text in enumerate(texts, start=1):
        pages.append(Page(number, str(number), start, start + len(text), text))
        start += len(text) + 2
    return pages


def index(*texts: str) -> CitationIndex:
    return CitationIndex(pages_of(*texts), split)


TALE = index(
    "The lamp of Orrin Vale was lit by a keeper named Sable Quist. She climbed two hundred steps.",
    "On the ninth of Marrow the oil froze. She burned her own letters to keep the light.",
    "The ship Gannet saw it and turned. Her captain, Ilse Tarn, sent a cask of honey every winter.",
)


@pytest.fixture(scope="module")
def example() -> list[Page]:
    return list(read(EXAMPLE.pdf).pages)


@pytest.fixture(scope="module")
def report(example: list[Page]) -> CitationIndex:
    return CitationIndex(example, split)


def one_line(text: str) -> str:
    return " ".join(text.split())


def proves(quote: str, question: Question) -> bool:
    return one_line(quote) in question.evidence or question.evidence in one_line(quote)


def test_a_quote_is_the_documents_own_words_on_the_page_it_names(
    report: CitationIndex, example: list[Page]
) -> None:
    text = "\n\n".join(page.text for page in example)
    for question in questions():
        (found,) = [c for c in report.cite(question.evidence) if proves(c.quote, question)]
        assert text[found.start : found.end] == found.quote
        page = example[found.page - 1]
        assert page.start <= found.start < page.end and page.label == found.label


def test_short_answers_are_found_with_the_help_of_their_questions(report: CitationIndex) -> None:
    asked = questions()
    found = [report.cite(q.answers[0], q.question) for q in asked]
    right = sum(
        any(proves(citation.quote, question) for citation in cited)
        for question, cited in zip(asked, found, strict=True)
    )
    alone = sum(
        any(proves(citation.quote, q) for citation in report.cite(q.answers[0])) for q in asked
    )
    assert right >= 0.8 * len(asked) > alone


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "…",
        "I don't know.",
        "The text does not say.",
        "The document does not mention this.",
        "It was Captain Morgan, born in Vienna in 1731.",
        "The capital of France is Paris.",
        "Photosynthesis turns light into sugar.",
    ],
)
def test_what_the_document_does_not_say_has_no_page(report: CitationIndex, answer: str) -> None:
    assert report.cite(answer) == []
    assert report.cite(answer, "Which river drains Lake Ombrath?") == []


def test_repeating_the_question_proves_nothing() -> None:
    question = "Who lit the lamp of Orrin Vale?"
    assert TALE.cite("The lamp of Orrin Vale was lit by Captain Morgan.", question) == []
    (right,) = TALE.cite("The lamp of Orrin Vale was lit by Sable Quist.", question)
    assert right.page == 1


def test_each_claim_of_an_answer_has_its_own_page() -> None:
    cited = TALE.cite("Ilse Tarn sent honey every winter. The oil froze on the ninth of Marrow.")
    assert [citation.page for citation in cited] == [3, 2]


def test_two_claims_in_one_sentence_are_told_apart() -> None:
    cited = TALE.cite("She burned her letters for the light, and Ilse Tarn sent a cask of honey.")
    assert [citation.page for citation in cited] == [2, 3]


def test_a_sentence_is_quoted_once_however_often_it_is_told() -> None:
    assert len(TALE.cite("The oil froze on the ninth of Marrow. In Marrow the oil froze.")) == 1


def test_another_form_of_a_word_is_the_same_word() -> None:
    (found,) = TALE.cite("By burning letters.", "How did she keep the light?")
    assert found.quote == "She burned her own letters to keep the light."


def test_only_the_part_of_a_long_speech_that_matches_is_quoted() -> None:
    said = " ".join(f"I have seen the number {n} and many a river in winter." for n in range(20))
    speech = index(f"“{said} The keeper sold the bell to Odalind Prusk. {said}”", "Quiet. " * 30)
    (found,) = speech.cite("The bell was sold to Odalind Prusk.")
    assert found.quote == "The keeper sold the bell to Odalind Prusk."


def test_text_without_spaces_is_matched_by_its_characters() -> None:
    report = CitationIndex(
        pages_of("燈塔由守衛塞布爾點亮。", "船長每年冬天送來蜂蜜。", "油在九日結冰了。"),
        lambda text: [(span.start, span.end) for span in sentences(text, "zh")],
    )
    (found,) = report.cite("船長送來蜂蜜。")
    assert found.page == 2


def test_an_empty_document_has_nothing_to_quote() -> None:
    assert CitationIndex([], split).cite("The oil froze.") == []
    assert index("", "  ").cite("The oil froze.") == []
