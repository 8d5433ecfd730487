"""XQuAD, and SQuAD and whatever has its format (Artetxe et al. 2020, arXiv 1910.11856).

An article's paragraphs are one document. Questions without an answer (SQuAD 2) are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lift_chat.evaluation.jsonl import damaged, files
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion


def read(path: Path, split: str) -> Iterator[EvalDocument]:
    """Articles of a .json file or folder; `split` is a part of a file's name (en)."""
    for file in files(path, "*.json", split):
        try:
            articles = json.loads(file.read_text(encoding="utf-8-sig"))["data"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise damaged(file, "it is not SQuAD's JSON.") from error
        for number, article in enumerate(articles, start=1):
            try:
                yield _document(article, f"{file.stem}-{number}")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise damaged(file, f"article {number}: {error}.") from error


def _document(article: Any, name: str) -> EvalDocument:
    paragraphs = article["paragraphs"]
    asked = [question for paragraph in paragraphs for question in paragraph["qas"]]
    return EvalDocument(
        id=name,
        title=str(article.get("title", name)).replace("_", " "),
        text="\n\n".join(paragraph["context"].strip() for paragraph in paragraphs),
        questions=tuple(_question(question) for question in asked if question["answers"]),
    )


def _question(asked: Any) -> EvalQuestion:
    answers = dict.fromkeys(answer["text"].strip() for answer in asked["answers"])
    return EvalQuestion(question=asked["question"].strip(), answers=tuple(answers))
