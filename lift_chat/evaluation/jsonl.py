"""The collection format of our own, and what the other readers of JSON lines share.

One document a line: {"title", "text", "questions": [{"question", "answers": [...], "kind"?,
"choices": [...]?}]}; `answers` of a multiple choice are the choices that are right. Strict: what
does not fit is one `UnreadableDocument` with the number of its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lift_chat.errors import UnreadableDocument
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion

Made = TypeVar("Made")
Row = Mapping[str, Any]


def read(path: Path, split: str) -> Iterator[EvalDocument]:
    """Documents of a file, or of every .jsonl file of a folder."""
    for file in files(path, "*.jsonl", split):
        yield from made(file, document)


def files(path: Path, pattern: str, split: str = "") -> list[Path]:
    """`path` itself, or its files of that pattern; with a `split`, those that are named for it.

    Raises `UnreadableDocument` where there is none.
    """
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob(pattern) if file.is_file())
    if split:
        found = [file for file in found if split in (file.stem, *re.split(r"[-_.]", file.stem))]
    if not found:
        wanted = f"{pattern} file of “{split}”" if split else f"{pattern} file"
        raise UnreadableDocument(path.name, "missing", f"there is no {wanted} in {path}.")
    return found


def made(file: Path, make: Callable[[Row, str], Made]) -> Iterator[Made]:
    """`make(row, id)` of every line, the id from the file's name and the line's number."""
    for number, row in rows(file):
        try:
            yield make(row, f"{file.stem}-{number}")
        except (ValueError, KeyError, TypeError, SyntaxError) as error:
            problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise damaged(file, f"line {number}: {problem}.") from error


def rows(file: Path) -> Iterator[tuple[int, Row]]:
    """(line number from 1, object) of every line that is not empty."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(file, number, line)
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(file, f"it cannot be read ({error}).") from error


def damaged(file: Path, sentence: str) -> UnreadableDocument:
    return UnreadableDocument(file.name, "damaged", sentence)


def _object(file: Path, number: int, line: str) -> Row:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise damaged(file, f"line {number} is not JSON.") from error
    if not isinstance(value, dict):
        raise damaged(file, f"line {number} is not a JSON object.")
    return value


def document(row: Row, name: str) -> EvalDocument:
    """Raises `ValueError` or `KeyError` with what is wrong with the row."""
    strange = set(row) - {"id", "title", "text", "questions"}
    if strange:
        raise ValueError(f"unknown “{min(strange)}”")
    if not isinstance(row["questions"], list):
        raise ValueError("“questions” is not a list")
    return EvalDocument(
        id=text_of(row, "id") if "id" in row else name,
        title=text_of(row, "title"),
        text=text_of(row, "text"),
        questions=tuple(_question(entry) for entry in row["questions"]),
    )


def text_of(row: Row, name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise ValueError(f"“{name}” is not a text")
    return value


def texts_of(row: Row, name: str) -> tuple[str, ...]:
    value = row[name]
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ValueError(f"“{name}” is not a list of texts")
    return tuple(value)


def _question(entry: Any) -> EvalQuestion:
    if not isinstance(entry, dict):
        raise ValueError("a question is not an object")
    strange = set(entry) - {"question", "answers", "kind", "choices"}
    if strange:
        raise ValueError(f"unknown “{min(strange)}” in a question")
    return EvalQuestion(
        question=text_of(entry, "question"),
        answers=texts_of(entry, "answers"),
        kind=text_of(entry, "kind") if "kind" in entry else "",
        choices=texts_of(entry, "choices") if "choices" in entry else (),
    )
