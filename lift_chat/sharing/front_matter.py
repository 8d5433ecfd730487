"""The head of a model card: YAML that the Hub indexes, with the exam as its `model-index`.

Knows which keys the Hub reads and what they may hold; nothing of the text below the head.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from lift_chat.learned import Exam
from lift_chat.sharing.card_facts import CardFacts
from lift_chat.sharing.markdown import one_line

TAGS = ("lift-chat", "long-document")
LIBRARIES = {"lora": "peft", "gated-memory": "lift-chat"}
WINDOWS = {
    "closed": ("closed-book", "closed book"),
    "truncated": ("truncated-document", "with the document cut to the window"),
}
"""How the exam was held: a name for programs and one for people."""

_LANGUAGE = re.compile(r"[a-z]{2,3}")


def front_matter(facts: CardFacts, exam: Exam | None) -> str:
    """The block between its two lines of dashes, both included."""
    head: dict[str, Any] = {}
    if facts.base_hub_id:  # what is not on the Hub cannot be linked to
        head = {"base_model": facts.base_hub_id, "base_model_relation": "adapter"}
    head |= {
        "library_name": LIBRARIES[facts.kind],
        "pipeline_tag": "text-generation",
        "tags": [*TAGS, facts.kind],
    }
    if _LANGUAGE.fullmatch(facts.language):
        head["language"] = [facts.language]
    results = list(_results(exam, facts.title)) if exam else []
    if results:
        head["model-index"] = [{"name": one_line(facts.name) or "adapter", "results": results}]
    block = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=math.inf)
    return f"---\n{block}---\n"


def _results(exam: Exam, title: str) -> Iterator[dict[str, Any]]:
    scores = {
        "closed": [
            ("with the adapter", exam.adapter.closed),
            ("base model", exam.base.closed),
            ("with the adapter of another document", exam.control),
        ],
        "truncated": [
            ("with the adapter", exam.adapter.truncated),
            ("base model", exam.base.truncated),
        ],
    }
    for window, (config, words) in WINDOWS.items():
        metrics = [
            {"type": "f1", "name": f"Token F1 in percent, {words}, {who}", "value": value}
            for who, value in scores[window]
            if value is not None
        ]
        if metrics:
            yield {
                "task": {"type": "question-answering", "name": "Question answering"},
                "dataset": {
                    "type": "lift-chat-exam",
                    "name": f"Questions about “{one_line(title)}”",
                    "config": config,
                    "split": "held-out",
                },
                "metrics": metrics,
            }
