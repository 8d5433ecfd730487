"""Which questions are asked in the exam, and which are left to learn from.

A document's own exam questions come first. Others are set aside by passage, so that no training
question is about the same sentences; questions of other passages that are near-duplicates of exam
questions are taken out of training. Knows questions and the text they are about, no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

from lift_chat.lift import own_exam
from lift_chat.lift.passages import Span
from lift_chat.lift.questions import MOST_OPEN, places_of
from lift_chat.lift.study.checks import Questions, answered_at
from storage.records import StudyItem

MOST_SHARE = 0.25
"""Of all questions that may be set aside at most; the others are there to learn from."""

Places = Sequence[tuple[int, ...]]
"""The passages of each item."""


def split(
    items: Sequence[StudyItem], text: str, spans: Sequence[Span], wanted: int
) -> tuple[list[StudyItem], list[StudyItem]]:
    """(exam, training), the exam in the order of the document.

    The exam holds up to `wanted` of the document's own exam questions, which are never in training,
    asked or not. Whole passages fill it up, evenly spread over the document: a quarter of what
    can be set aside at most, and nothing where all of that is about one passage. No question that
    the text does not answer is set aside. What a person wrote to be learned is learned, and nothing
    that comes close to it is in the exam.
    """
    places = [places_of(item, text, spans) for item in items]
    own = _own(items, places, wanted)
    set_aside = _set_aside(items, places, own, wanted)
    chosen = sorted([*own, *set_aside], key=lambda i: (answered_at(text, items[i]).start, i))
    exam = [items[i] for i in chosen]
    # Passages of own exam questions stay open: people ask about what matters, and that is what
    # training must not leave out. Only what was set aside stands for passages never asked about.
    asked, closed = _questions(exam), {place for i in set_aside for place in places[i]}
    training = [
        item
        for item, held in zip(items, places, strict=True)
        if item.kind not in own_exam.KINDS
        and (item.origin == "person" or not (_told(held, closed) or item.question in asked))
    ]
    return exam, training


def _own(items: Sequence[StudyItem], places: Places, wanted: int) -> list[int]:
    """Of the document's own exam questions the pinned ones first; none that a person also wrote
    to be learned, for the exam is about what training has not seen."""
    learned = _learned_of_person(items)
    pinned: list[int] = []
    others: list[int] = []
    for i, item in enumerate(items):
        if item.kind in own_exam.KINDS and item.question not in learned:
            (pinned if item.kind == own_exam.PINNED else others).append(i)
    first = _spread_over(pinned, places)[:wanted]
    return first + _spread_over(others, places)[: wanted - len(first)]


def _spread_over(chosen: Sequence[int], places: Places) -> list[int]:
    """All of them in an order whose every beginning is spread evenly: of each passage one in
    turn."""
    order = _spread(sorted({places[i][0] for i in chosen}))
    turns = zip_longest(*([i for i in chosen if places[i][0] == place] for place in order))
    return [i for i in chain.from_iterable(turns) if i is not None]


_EXAMINED = ("fact", "evidence", "sentence", "reversed")


def _set_aside(
    items: Sequence[StudyItem], places: Places, own: Sequence[int], wanted: int
) -> list[int]:
    """What fills the exam up beside `own`."""
    usable = _usable(items, own)
    with_questions = sorted({places[i][0] for i in usable})
    wanted = min(wanted - len(own), int(MOST_SHARE * len(usable)))
    if wanted < 1 or len(with_questions) < 2:
        return []
    chosen: list[int] = []
    for place in _spread(with_questions):
        if len(chosen) >= wanted:
            break
        chosen += [i for i in usable if places[i][0] == place][: wanted - len(chosen)]
    return chosen


def _usable(items: Sequence[StudyItem], own: Sequence[int]) -> list[int]:
    learned, asked = _learned_of_person(items), _questions(items[i] for i in own)
    return [
        i
        for i, item in enumerate(items)
        if item.kind in _EXAMINED
        and item.origin != "person"
        and item.question not in learned
        and item.question not in asked
    ]


def _learned_of_person(items: Iterable[StudyItem]) -> Questions:
    learned = own_exam.apart(items)[1]
    return _questions(item for item in learned if item.origin == "person")


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
