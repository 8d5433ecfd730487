"""A short report of our own invention and questions about it, to try everything on.

Nothing in the report exists, so a model that has not read it can only guess. The questions are
the exam of whoever absorbs it (`exam_items`). The package knows nothing of models; `make_pdf` makes
the PDF from the Markdown and is the only part that needs reportlab.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Example:
    """One document in two forms with the same words."""

    pdf: Path
    markdown: Path
    title: str


@dataclass(frozen=True)
class Question:
    """A question about the example, and what proves its answer.

    `answers` are forms that count as right, the one in `evidence` first; `evidence` is a sentence
    of the document, word for word, and `chapter` the title of the chapter where it stands. `pinned`
    marks the few whose answers are shown while the document is being absorbed: one in each third of
    it, with an answer of three words at most.
    """

    question: str
    answers: tuple[str, ...]
    evidence: str
    chapter: str
    pinned: bool = False


EXAMPLE = Example(
    pdf=_FOLDER / "the-lake-that-rang.pdf",
    markdown=_FOLDER / "the-lake-that-rang.md",
    title="The Lake That Rang",
)


def questions() -> tuple[Question, ...]:
    """The questions about `EXAMPLE`, in the order of the document; read anew at every call."""
    rows = json.loads((_FOLDER / "questions.json").read_text(encoding="utf-8"))
    return tuple(Question(**{**row, "answers": tuple(row["answers"])}) for row in rows)


__all__ = ["EXAMPLE", "Example", "Question", "questions"]
