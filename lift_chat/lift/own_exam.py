"""The two kinds of study item that are asked in the exam and never learned.

They are a document's own exam: written by people who know it, not set aside from what is there to
learn. Knows kinds, not how an exam is put together (`holdout`) or held (`exam`).
"""

from __future__ import annotations

from collections.abc import Iterable

from storage.records import StudyItem

ASKED = "exam"
PINNED = "pinned"
"""Its answers are shown while the document is being absorbed."""

KINDS = (ASKED, PINNED)


def apart(items: Iterable[StudyItem]) -> tuple[list[StudyItem], list[StudyItem]]:
    """(only asked, there to learn), each in its order."""
    asked: list[StudyItem] = []
    learned: list[StudyItem] = []
    for item in items:
        (asked if item.kind in KINDS else learned).append(item)
    return asked, learned
