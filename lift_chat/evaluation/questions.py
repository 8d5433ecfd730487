"""Documents with questions, whatever collection they come from.

Readers make them, arms answer them. Knows nothing of files, models or scores.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

NUMBERED = "number"
"""`kind` of questions whose answer is a number and nothing else."""


@dataclass(frozen=True)
class EvalQuestion:
    """A question and what counts as right. Raises `ValueError` if nothing does.

    `answers` are forms of the right answer; of a multiple choice (`choices`) they are the choices
    that are right. `keywords` must all be in an answer to the needle test. `kind` is the
    collection's own word for the sort of question. `prompt`, with "{context}" in it, is the
    collection's own wording for when the document is in the window; `max_new_tokens` its own limit,
    0 where it has none.
    """

    question: str
    answers: tuple[str, ...]
    kind: str = ""
    choices: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    prompt: str = ""
    max_new_tokens: int = 0

    def __post_init__(self) -> None:
        if not self.question.strip():
            raise ValueError("a question is empty")
        if not any(answer.strip() for answer in self.answers):
            raise ValueError(f"“{self.question}” has no answer")
        if self.choices and not set(self.answers) <= set(self.choices):
            raise ValueError(f"an answer to “{self.question}” is not among its choices")


@dataclass(frozen=True)
class EvalDocument:
    """A text and the questions about it. `id` is unique within its collection; `facts` are numbers
    about it that a report may show."""

    id: str
    title: str
    text: str
    questions: tuple[EvalQuestion, ...]
    facts: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("the text is empty")
        if not self.questions:
            raise ValueError("there are no questions")

    @property
    def fingerprint(self) -> str:
        """Changes with any word of it; what is measured on one version says nothing of another."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
