"""LiteraryQA (Bonomo et al. 2025): questions on whole books, NarrativeQA's, cleaned.

JSON lines with "title" and "qas"; the books themselves are not in them. They are looked for in a
folder by title, in files like `author_the-title.epub` or `The Title.epub`, and read as any
document is. Books that are not there are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lift_chat.documents import read as read_document
from lift_chat.errors import UnreadableDocument
from lift_chat.evaluation.jsonl import Row, damaged, files, rows, text_of, texts_of
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion

KINDS = (".epub", ".txt", ".md", ".html", ".pdf", ".docx")


def read(path: Path, split: str) -> Iterator[EvalDocument]:
    """Books of a split (validation, test) whose text lies in `path`, or in a folder `epub` beside.

    Raises `UnreadableDocument` where there is none.
    """
    folder = path if path.is_dir() else path.parent
    books = {_slug(name): file for file, name in [*_books(folder.parent / "epub"), *_books(folder)]}
    found = False
    for file in files(path, "*.jsonl", {"val": "validation"}.get(split, split)):
        for number, row in rows(file):
            try:
                book = books.get(_slug(_bare(text_of(row, "title"))))
                if book is not None:
                    found = True
                    yield _document(row, book, f"{file.stem}-{number}")
            except (ValueError, KeyError, TypeError) as error:
                raise damaged(file, f"line {number}: {error}.") from error
    if not found:
        raise UnreadableDocument(
            path.name, "missing", f"there is no book of the collection in {folder}."
        )


def _books(folder: Path) -> Iterator[tuple[Path, str]]:
    """(file, title in its name) of every book."""
    if folder.is_dir():
        for file in sorted(folder.rglob("*")):
            if file.suffix.lower() in KINDS and file.is_file():
                yield file, file.stem.rpartition("_")[2]


def _bare(title: str) -> str:
    """Without what tells it from a film or a poem: “Summer (novel)”."""
    return re.sub(r"\s*\([^)]*\)\s*$", "", title)


def _slug(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain.replace("'", "")))


def _document(row: Row, book: Path, name: str) -> EvalDocument:
    asked = row["qas"]
    if not isinstance(asked, list):
        raise ValueError("“qas” is not a list")
    return EvalDocument(
        id=name,
        title=_bare(text_of(row, "title")),
        text=read_document(book).text,
        questions=tuple(_question(entry) for entry in asked),
    )


def _question(entry: Any) -> EvalQuestion:
    if not isinstance(entry, dict):
        raise ValueError("a question is not an object")
    answers = dict.fromkeys(answer.strip() for answer in texts_of(entry, "answers"))
    return EvalQuestion(text_of(entry, "question").strip(), tuple(answers))
