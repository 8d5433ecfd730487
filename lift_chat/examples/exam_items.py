"""The example's questions as the own exam of its document: asked of the model, never learned.

Knows the example by its bytes, so that it comes with its questions however it is read in.
"""

from __future__ import annotations

from lift_chat.examples import EXAMPLE, questions
from lift_chat.lift import own_exam
from lift_chat.lift.passages import Span
from lift_chat.lift.study.checks import find_verbatim
from storage.files import sha256_of
from storage.records import StudyItem


def is_example(sha256: str) -> bool:
    """Whether a file with that hash is the example, in either of its forms."""
    return sha256 in {sha256_of(EXAMPLE.pdf), sha256_of(EXAMPLE.markdown)}


def exam_items(text: str) -> list[StudyItem]:
    """Each question at its evidence in `text`, the example as it was read; none whose evidence is
    not there."""
    items = []
    for asked in questions():
        place = find_verbatim(text, asked.evidence, Span(0, len(text)))
        if place is not None:
            kind = own_exam.PINNED if asked.pinned else own_exam.ASKED
            items.append(
                StudyItem(
                    asked.question,
                    asked.answers[0],
                    place.start,
                    place.end,
                    evidence=place.of(text),
                    kind=kind,
                    origin="person",
                )
            )
    return items
