"""A document's study items as a person or a program may change them. Pure: items in, items or one
sentence out. Knows neither how questions are written nor where they are kept.

What was written by a model is not looked at again: a list with one odd line can still be edited.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from lift_chat.errors import InvalidConfig
from lift_chat.lift import own_exam
from storage.records import Page, StudyItem
from storage.study import MOST_ITEMS, check

KINDS = (
    "fact",
    "evidence",
    "sentence",
    "two-passages",
    "order",
    "list",
    "summary",
    "reversed",
    "unanswerable",
    *own_exam.KINDS,
)
QUOTED = 60
"""Characters of a question that a sentence about it repeats."""


def edited(
    items: Sequence[StudyItem], known: Collection[StudyItem], characters: int
) -> list[StudyItem]:
    """`items`, of which those not among `known` are new or changed: trimmed, and a person's.

    `characters` is the length of the document's text. Raises `InvalidConfig` naming the first new
    item that cannot be studied, or that stands in the list already.
    """
    if len(items) > MOST_ITEMS:
        raise InvalidConfig(f"A document keeps at most {MOST_ITEMS:,} study questions.")
    old = set(known)
    kept = [item if item in old else _of_person(item) for item in items]
    seen = {_said(item) for item in kept if item in old}
    for number, item in enumerate(kept, 1):
        if item in old:
            continue
        trouble = _trouble(item, characters)
        if not trouble and _said(item) in seen:
            trouble = "it stands there already"
        if trouble:
            raise InvalidConfig(f"Question {number:,}{_quoted(item.question)}: {trouble}.")
        seen.add(_said(item))
    return kept


def _of_person(item: StudyItem) -> StudyItem:
    question, answer = item.question.strip(), item.answer.strip()
    return replace(item, question=question, answer=answer, origin="person")


def _said(item: StudyItem) -> tuple[str, str]:
    return item.question.casefold(), item.answer.casefold()


def _trouble(item: StudyItem, characters: int) -> str:
    if item.kind not in KINDS:
        return f"its kind is none of {', '.join(KINDS)}"
    try:
        check(item, characters)
    except ValueError as error:
        return str(error)
    return ""


def _quoted(question: str) -> str:
    short = question if len(question) <= QUOTED else f"{question[:QUOTED]}…"
    return f" (“{short}”)" if short else ""


def page_of(pages: Sequence[Page], start: int) -> int:
    """Number of the page that a character lies on; the first page's where nothing is known."""
    before = [page.number for page in pages if page.start <= start]
    return before[-1] if before else 1


def span_of(pages: Sequence[Page], number: int) -> tuple[int, int]:
    """Start and end of a page. Raises `InvalidConfig` for a page that is not there."""
    for page in pages:
        if page.number == number:
            return page.start, page.end
    raise InvalidConfig(f"The document has no page {number}; it has {len(pages):,}.")
