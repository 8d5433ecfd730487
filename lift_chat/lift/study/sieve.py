"""What is kept of replies, and what is counted of the rest.

Puts the checks in order, the cheap ones first. Knows requests, replies and what a reading model
said to an item; not where any of them come from.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from lift_chat.lift.passages import Span
from lift_chat.lift.study.checks import Questions, find_verbatim, grounded, question_fault
from lift_chat.lift.study.parsing import Pair, parse_pairs, parse_proven
from lift_chat.lift.study.request import Request
from lift_chat.lift.study.teacher import Checked
from storage.records import StudyItem

Reason = Literal["format", "duplicate", "evidence", "check"]
REASONS: tuple[Reason, ...] = ("format", "duplicate", "evidence", "check")
"""Why a question is dropped: not in the form asked for, or not of its kind; asked already; its
proof or its answer does not stand in the text; a reader of the passage answers otherwise."""


class Sieve:
    """The questions of one document. `written` is always what was kept and dropped together."""

    def __init__(self, text: str, origin: Literal["model", "endpoint"]) -> None:
        self._text, self._origin = text, origin
        self._questions = Questions()
        self._tried: set[tuple[str, str]] = set()
        self.kept: list[Checked] = []
        self.written = 0
        self.dropped: Counter[str] = Counter()

    def sift(self, request: Request, reply: str) -> list[StudyItem]:
        """Items of a reply that are worth asking back."""
        parse = parse_proven if request.with_evidence else parse_pairs
        parsed = parse(reply, request.count)
        self.written += len(parsed.pairs) + parsed.malformed
        self.dropped["format"] += parsed.malformed
        items = []
        for pair in parsed.pairs:
            found = self._item(request, pair)
            if isinstance(found, StudyItem):
                items.append(found)
            else:
                self.dropped[found] += 1
        return items

    def keep(self, checked: Checked) -> bool:
        """Takes an item that was asked back, unless it failed or is asked already by now."""
        item = checked.item
        if not checked.passed:
            self.dropped["check"] += 1
            return False
        if item.kind != "unanswerable":  # as near to the question that it was made from as can be
            if item.question in self._questions:
                self.dropped["duplicate"] += 1
                return False
            self._questions.add(item.question)
        self.kept.append(checked)
        return True

    def _item(self, request: Request, pair: Pair) -> StudyItem | Reason:
        question = request.question or pair.question
        if question_fault(question, pair.answer) or not request.suits(pair):
            return "format"
        # A model in a rut repeats itself word for word; asking back once is enough.
        if (question, pair.answer) in self._tried or question in self._questions:
            return "duplicate"
        evidence = request.proof.of(self._text) if request.proof else ""
        if request.with_evidence:
            found = find_verbatim(self._text, pair.evidence, Span(request.start, request.end))
            if found is None:
                return "evidence"
            evidence = self._text[found.start : found.end]
        if not grounded(pair.answer, request.passage(self._text)):
            return "evidence"
        self._tried.add((question, pair.answer))
        return StudyItem(
            question=question,
            answer=pair.answer,
            start=request.start,
            end=request.end,
            evidence=evidence,
            kind=request.kind,
            origin=self._origin,
        )
