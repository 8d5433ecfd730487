"""HTML and small rules of the study box: which items are listed, what a filled-in form means.

Pure. An item is known by a key made of what it says, so that a list that was written anew between
two clicks is never changed at the wrong place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from html import escape

from lift_chat.errors import InvalidConfig
from lift_chat.lift import own_exam
from lift_chat.models.prompts import UNANSWERABLE
from lift_chat.study_list import page_of, span_of
from storage.records import Page, StudyItem
from ui import cards
from ui.words import KINDS, NO_STUDY_ITEMS, NOTHING_FOUND_HERE

PER_LIST = 12


def key(item: StudyItem) -> str:
    said = "\0".join((item.question, item.answer, item.kind, str(item.start), str(item.end)))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def find(items: Sequence[StudyItem], wanted: str) -> int | None:
    """Index of the item with that key, if it is still there."""
    return next((index for index, item in enumerate(items) if key(item) == wanted), None)


def matching(items: Sequence[StudyItem], query: str) -> list[StudyItem]:
    """Those that hold every word of `query`, letter case aside; the person's own first."""
    words = query.casefold().split()
    found = [
        item
        for item in items
        if all(word in f"{item.question} {item.answer}".casefold() for word in words)
    ]
    return sorted(found, key=lambda item: item.origin != "person")


def shown_from(count: int, start: int) -> int:
    """`start`, held to the lists there are."""
    last = max(0, (count - 1) // PER_LIST * PER_LIST)
    return min(max(0, start), last)


def listing(items: Sequence[StudyItem], pages: Sequence[Page], start: int, *, query: str) -> str:
    """One list of rows that can be clicked, with what part of all it is."""
    if not items:
        return cards.empty(NOTHING_FOUND_HERE if query.strip() else NO_STUDY_ITEMS)
    part = items[start : start + PER_LIST]
    rows = "".join(_row(item, page_of(pages, item.start)) for item in part)
    many = len(items) > len(part)
    place = f"{start + 1:,} to {start + len(part):,} of {len(items):,}" if many else ""
    return f'<ul class="lc-rows">{rows}</ul><p class="lc-sub" role="status">{place}</p>'


def _row(item: StudyItem, page: int) -> str:
    place = f"Page {page}, {escape(KINDS.get(item.kind, item.kind))}"
    chip = cards.chip("yours", "good") if item.origin == "person" else ""
    if item.kind in own_exam.KINDS:
        chip = cards.chip(item.kind, "good")
    return (
        f'<li><button class="lc-row lc-item" type="button" data-kind="item" data-id="{key(item)}">'
        f'<span class="lc-row-title">{escape(item.question)}'
        f'<span class="lc-answer">{escape(item.answer)}</span>'
        f'<span class="lc-place">{place}</span></span>'
        f"{chip}</button></li>"
    )


def filled_in(
    form: tuple[str, str, str, float | None], old: StudyItem | None, pages: Sequence[Page]
) -> StudyItem:
    """The item that question, answer, kind and page stand for; `old` is the one being changed.

    Its passage stays while the page does. Raises `InvalidConfig`.
    """
    question, answer, kind, number = (form[0] or "").strip(), (form[1] or "").strip(), *form[2:]
    if kind == "unanswerable" and not answer:
        answer = UNANSWERABLE
    if not question or not answer:
        raise InvalidConfig("A study question needs a question and an answer.")
    if number is None or number != int(number):
        raise InvalidConfig("Say on which page the answer stands.")
    start, end = span_of(pages, int(number))
    if old is not None and page_of(pages, old.start) == number:
        return replace(old, question=question, answer=answer, kind=kind)
    if kind == "evidence":
        kind = "fact"  # the sentence that proves it is only known of questions that were written
    return StudyItem(question, answer, start, end, kind=kind, origin="person")
