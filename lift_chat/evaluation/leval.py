"""L-Eval (An et al. 2023, arXiv 2307.11088): coursera (multiple choice) and natural_question.

JSON lines: "input" is the text, "instructions" and "outputs" are questions and answers. A coursera
question has its choices in it, behind "A. " to "E. ", and several letters may be right. Texts have
no title of their own; their first line serves as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lift_chat.evaluation.jsonl import Row, files, made, text_of, texts_of
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion

TITLE_CHARACTERS = 80
_CHOICE = re.compile(r"^([A-Z])\.\s*", re.MULTILINE)
_NUMBER = re.compile(r"^Question \d+\.\s*")
_MARKUP = re.compile(r"<[^>]*>")


def read(path: Path, split: str) -> Iterator[EvalDocument]:
    """Texts of a file or folder; `split` is a part of a file's name (coursera)."""
    for file in files(path, "*.jsonl", split):
        yield from made(file, _document)


def _document(row: Row, name: str) -> EvalDocument:
    asked, answers = texts_of(row, "instructions"), texts_of(row, "outputs")
    if len(asked) != len(answers):
        raise ValueError("there are not as many outputs as instructions")
    exam = row.get("evaluation") == "exam"
    make = _choice if exam else _plain
    text = text_of(row, "input")
    return EvalDocument(
        id=name,
        title=_title(text),
        text=text,
        questions=tuple(make(q, a) for q, a in zip(asked, answers, strict=True)),
    )


def _plain(question: str, answer: str) -> EvalQuestion:
    return EvalQuestion(question=question.strip(), answers=(answer.strip(),))


def _choice(question: str, letters: str) -> EvalQuestion:
    before, *parts = _CHOICE.split(question.strip())
    choices = {
        letter: " ".join(text.split()) for letter, text in zip(parts[::2], parts[1::2], strict=True)
    }
    missing = [letter for letter in letters.strip() if letter not in choices]
    if missing or len(choices) < 2:
        raise ValueError(f"“{before.strip()[:60]}” has no choice {''.join(missing) or 'at all'}")
    return EvalQuestion(
        question=_NUMBER.sub("", before).strip(),
        answers=tuple(choices[letter] for letter in letters.strip()),
        kind="one right" if len(letters.strip()) == 1 else "several right",
        choices=tuple(choices.values()),
    )


def _title(text: str) -> str:
    """The first line, or the name of the encyclopedia's page."""
    first = text.strip().partition("\n")[0]
    page, wikipedia, _ = first.partition(" - wikipedia")
    plain = " ".join(_MARKUP.sub(" ", page if wikipedia else first).split())
    return plain[:TITLE_CHARACTERS].strip() or "Untitled"
