"""Which questions are held out for the exam, and which are left to learn from.

Split by passage, so that no training question is about the same sentences; questions of other
passages that are near-duplicates of exam questions are taken out of training. Knows questions and
the text they are about, no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lift_chat.lift.passages import Span
from lift_chat.lift.questions import MOST_OPEN, places_of
from lift_chat.lift.study.checks import Questions
from storage.records import StudyItem

MOST_SHARE = 0.25
"""Of all questions at most; the others are there to learn from."""


def split(
    items: Sequence[StudyItem], text: str, spans: Sequence[Span], wanted: int
) -> tuple[list[StudyItem], list[StudyItem]]:
    """(exam, training). Whole passages go into the exam, evenly spread over the document.

    The exam holds `wanted` questions, or a quarter of all if that is less, and none where all are
    about one passage; questions that the text does not answer, or that a person wrote to be
    learned, are never in it, nor is what comes close to one of these.
    """
    places = [places_of(item, text, spans) for item in items]
    usable = _usable(items)
    with_questions = sorted({places[i][0] for i in usable})
    wanted = min(wanted, int(MOST_SHARE * len(usable)))
    if wanted < 1 or len(with_questions) < 2:
        return [], list(items)
    chosen: list[int] = []
    for place in _spread(with_questions):
        if len(chosen) >= wanted:
            break
        chosen += [i for i in usable if places[i][0] == place][: wanted - len(chosen)]
    exam = [items[i] for i in sorted(chosen)]
    asked, closed = _questions(exam), {place for i in chosen for place in places[i]}
    training = [
        item
        for item, held in zip(items, places, strict=True)
        if item.origin == "person" or not (_told(held, closed) or item.question in asked)
    ]
    return exam, training


_EXAMINED = ("fact", "evidence", "sentence", "reversed")


def _usable(items: Sequence[StudyItem]) -> list[int]:
    own = _questions(item for item in items if item.origin == "person")
    return [
        i
        for i, item in enumerate(items)
        if item.kind in _EXAMINED and item.origin != "person" and item.question not in own
    ]


def _told(held: Sequence[int], closed: set[int]) -> bool:
    """Whether passages `held` give away what a `closed` one says; what is about the whole document
    does not."""
    return len(held) <= MOST_OPEN and not closed.isdisjoint(held)


def _questions(items: Iterable[StudyItem]) -> Questions:
    found = Questions()
    for item in items:
        found.add(item.question)
    return found


def _spread(places: Sequence[int]) -> list[int]:
    """All places in an order whose every beginning is spread evenly (van der Corput's sequence)."""
    bits = max(1, (len(places) - 1).bit_length())
    order = sorted(range(2**bits), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))
    return [places[i] for i in order if i < len(places)]
