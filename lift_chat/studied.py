"""The study questions that a run finds with its document, and a short digest of them.

Two runs of one recipe are the same only if they study the same questions, so the digest stands in
the job's row beside the recipe. Knows neither jobs nor how questions are written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from lift_chat.lift.own_exam import apart
from lift_chat.lift.recipe import LiftConfig
from lift_chat.selection import Selection
from storage.library import Library
from storage.records import StudyItem
from storage.values import clean

NOTHING = ""
"""Digest of no questions: the run writes its own, or studies none."""


def kept_for(
    library: Library, document_id: str, owner: str, config: LiftConfig, selection: Selection
) -> list[StudyItem]:
    """The kept questions about what is absorbed, with offsets of its text.

    None for a recipe that asks nothing, whose run is the same whatever is kept, and no exam
    questions for one without an exam. Raises `LibraryDamaged`.
    """
    if config.study == "none":
        return []
    found = selection.inside(library.study_items(document_id, owner))
    return found if config.exam_questions else apart(found)[1]


def digest(items: Sequence[StudyItem]) -> str:
    """Equal for the same questions in whatever order, also before and after they are stored."""
    if not items:
        return NOTHING
    lines = (json.dumps(asdict(item), sort_keys=True, ensure_ascii=False) for item in items)
    told = "\n".join(sorted(clean(line) for line in lines))
    return hashlib.sha256(told.encode("utf-8")).hexdigest()[:16]
