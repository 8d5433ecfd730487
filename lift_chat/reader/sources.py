"""Documents with questions for a reader, from JSONL or from FairytaleQA's folder.

One JSON object a line: {"title", "sections": [{"text", "questions": [{"question", "answer"}]}]}.
Read strictly; an error names the line, or the file of FairytaleQA's that is damaged.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.jsonl import damaged
from lift_chat.reader.lessons import Asked, ReadingDocument, Section


def read_jsonl(path: Path) -> list[ReadingDocument]:
    """Raises `InvalidConfig` with the number of the first line that does not fit."""
    documents = []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"{path.name} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            documents.append(_document(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidConfig(
                f"Line {number} of {path.name} is not a document with sections and questions "
                f"({error})."
            ) from error
    return documents


def _document(row: dict[str, Any]) -> ReadingDocument:
    sections = [
        Section(_text(part["text"]), tuple(_asked(one) for one in part.get("questions", [])))
        for part in row["sections"]
    ]
    return ReadingDocument(_text(row["title"]), tuple(sections))


def _asked(row: dict[str, Any]) -> Asked:
    return Asked(_text(row["question"]), _text(row["answer"]))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text is missing")
    return value


def read_fairytaleqa(folder: Path, split: str) -> list[ReadingDocument]:
    """The tales of one split (Xu et al., arXiv 2203.13947), in the order of their names.

    A question that needs several sections belongs to none and is left out. Raises `InvalidConfig`
    where there is no such split, and as `rows_of`.
    """
    paths = sorted((folder / "questions" / split).glob("*-questions.csv"))
    if not paths:
        raise InvalidConfig(f"There are no questions of FairytaleQA in {folder}.")
    return [_tale(folder, split, path.name.removesuffix("-questions.csv")) for path in paths]


def _tale(folder: Path, split: str, name: str) -> ReadingDocument:
    asked: dict[str, list[Asked]] = {}
    questions = folder / "questions" / split / f"{name}-questions.csv"
    for row in rows_of(questions, "cor_section", "question", "answer1"):
        asked.setdefault(row["cor_section"].strip(), []).append(
            Asked(unwrapped(row["question"]), unwrapped(row["answer1"]))
        )
    story = folder / "section-stories" / split / f"{name}-story.csv"
    sections = [
        Section(unwrapped(row["text"]), tuple(asked.get(row["section"].strip(), ())))
        for row in rows_of(story, "section", "text")
    ]
    return ReadingDocument(title_of(name), tuple(sections))


def rows_of(file: Path, *needed: str) -> list[dict[str, str]]:
    """The rows of one of FairytaleQA's tables, every one with the columns that are needed.

    Raises `UnreadableDocument`, which names the file.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise damaged(file, f"it cannot be read ({error}).") from error
    for name in needed:
        if not rows or any(row.get(name) is None for row in rows):
            raise damaged(file, f"it has no column “{name}”, or rows without it.")
    return rows


def unwrapped(text: str) -> str:
    """Without the line breaks of the printed page."""
    return " ".join(text.split())


def title_of(name: str) -> str:
    """“a-fish-story” as “A Fish Story”."""
    return " ".join(word.capitalize() for word in name.split("-"))
