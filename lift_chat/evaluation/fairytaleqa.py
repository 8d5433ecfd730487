"""FairytaleQA (Xu et al. 2022, arXiv 2203.13947): whole tales with experts' questions.

Reads the layout of its repository: `section-stories/SPLIT/NAME-story.csv` (section, text) and
`questions/SPLIT/NAME-questions.csv`. Two annotators answered each question, in up to three ways
each; all of these count. Questions over several sections are included. A tale has no title beside
its file's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lift_chat.errors import UnreadableDocument
from lift_chat.evaluation.jsonl import damaged
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion
from lift_chat.reader.sources import rows_of, title_of

GAP = "\n\n"
ANSWERS = tuple(f"answer{number}" for number in range(1, 7))


def read(path: Path, split: str) -> Iterator[EvalDocument]:
    """The tales of `split` (train, val), in the order of their names."""
    split = split or "val"
    stories = sorted((path / "section-stories" / split).glob("*-story.csv"))
    if not stories:
        raise UnreadableDocument(
            path.name, "missing", f"there is no section-stories/{split}/*-story.csv in {path}."
        )
    for story in stories:
        name = story.name.removesuffix("-story.csv")
        questions = path / "questions" / split / f"{name}-questions.csv"
        try:
            yield EvalDocument(
                id=name, title=title_of(name), text=_tale(story), questions=_questions(questions)
            )
        except ValueError as error:
            raise damaged(questions, f"{error}.") from error


def _tale(file: Path) -> str:
    """Sections, and paragraphs within them, apart by blank lines; other line ends only wrap."""
    paragraphs: list[str] = []
    for row in rows_of(file, "text"):
        paragraphs += (" ".join(part.split()) for part in re.split(r"\n\s*\n", row["text"]))
    return GAP.join(paragraph for paragraph in paragraphs if paragraph)


def _questions(file: Path) -> tuple[EvalQuestion, ...]:
    return tuple(
        EvalQuestion(
            question=" ".join(row["question"].split()),
            answers=_answers(row),
            kind=row.get("ex-or-im1") or "",
        )
        for row in rows_of(file, "question")
    )


def _answers(row: dict[str, str]) -> tuple[str, ...]:
    given = (" ".join((row.get(name) or "").split()) for name in ANSWERS)
    return tuple(dict.fromkeys(answer for answer in given if answer))
