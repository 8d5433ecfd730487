"""LooGLE (Li et al. 2023, arXiv 2311.04939): long articles of after 2022 with questions.

Reads its JSON lines, ShortQA and LongQA alike: "input" is the text, "title" its title, "qa_pairs"
a list of {"Q", "A", ...}, which the collection stores as the source text of a Python literal. That
is parsed as a literal and never run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lift_chat.evaluation.jsonl import Row, files, made, text_of
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion


def read(path: Path, split: str) -> Iterator[EvalDocument]:
    """Articles of a file or folder; `split` is a part of a file's name (shortdep, longdep)."""
    for file in files(path, "*.jsonl", split):
        yield from made(file, _document)


def _document(row: Row, name: str) -> EvalDocument:
    pairs = row["qa_pairs"]
    if isinstance(pairs, str):
        pairs = _literal(pairs)
    if not isinstance(pairs, list):
        raise ValueError("“qa_pairs” is not a list of questions")
    return EvalDocument(
        id=name,
        title=text_of(row, "title"),
        text=text_of(row, "input").replace("\0", " ").strip(),
        questions=tuple(_question(pair) for pair in pairs),
    )


def _literal(source: str) -> Any:
    try:
        return ast.literal_eval(source)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("“qa_pairs” is no list of plain values") from error


def _question(pair: Any) -> EvalQuestion:
    if not isinstance(pair, dict):
        raise ValueError("a question is not an object")
    answer = pair["A"]
    return EvalQuestion(
        question=str(pair["Q"]),
        answers=(str(answer),),
        kind=str(pair.get("type", "")),
    )
