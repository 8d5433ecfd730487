"""What was learned, out of an adapter's metrics: checked numbers, and the sentences made of them.

Metrics come from a manifest that may be older than this program or foreign to it, so what is
missing or has another shape is absent here, never an error. Knows no widget and no terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from lift_chat.foreign_values import as_count, as_mapping, as_mappings, as_number, as_text

DROPPED = {
    "format": "unreadable",
    "duplicate": "asked twice",
    "evidence": "without evidence in the text",
    "check": "answered differently on a second look",
}
"""Why a question was not kept, in words."""


@dataclass(frozen=True)
class Score:
    """Token F1 in percent: from the weights alone, and with the document cut to the window."""

    closed: float | None
    truncated: float | None


@dataclass(frozen=True)
class Answer:
    """A held-out question, its right answer, and what was said to it."""

    question: str
    gold: str
    base_closed: str
    adapter_closed: str
    base_truncated: str
    adapter_truncated: str


@dataclass(frozen=True)
class Exam:
    """`control` is the closed-book percentage with the adapter of another document."""

    questions: int
    base: Score
    adapter: Score
    control: float | None
    control_name: str
    answers: tuple[Answer, ...]

    def sentence(self) -> str:
        """ "Exam: 12 % before, 34 % now.", or "" without both numbers."""
        return exam_sentence(self.base.closed, self.adapter.closed)


@dataclass(frozen=True)
class Forgetting:
    """Loss (nats per token) on a text and percentage in a quiz that have nothing to do with the
    document; `warning` is "" where nothing was lost."""

    loss_before: float | None
    loss_after: float | None
    quiz_before: float | None
    quiz_after: float | None
    warning: str

    def sentence(self) -> str:
        parts = []
        if self.loss_before is not None and self.loss_after is not None:
            loss = f"{self.loss_before:.2f} before, {self.loss_after:.2f} now"
            parts.append(f"loss on an unrelated text {loss}")
        if self.quiz_before is not None and self.quiz_after is not None:
            quiz = f"{percent(self.quiz_before)} before, {percent(self.quiz_after)} now"
            parts.append(f"general quiz {quiz}")
        text = "; ".join(parts)
        return f"{text[0].upper()}{text[1:]}." if text else ""


@dataclass(frozen=True)
class PageLoss:
    """Loss on one page in nats per token. `label` is the page's own, which need not be a number."""

    page: int
    label: str
    before: float
    after: float

    @property
    def share(self) -> float:
        """How much of the loss is gone, in 0..1."""
        return min(1.0, max(0.0, 1 - self.after / self.before)) if self.before > 0 else 0.0


@dataclass(frozen=True)
class Pinned:
    """A question that is asked again and again while training goes on: (step, answer), in order."""

    question: str
    gold: str
    answers: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Study:
    asked: int
    written: int
    kept: int
    dropped: tuple[tuple[str, int], ...]

    def sentence(self) -> str:
        if not self.written:
            return f"{self.kept:,} study questions, kept from before."
        reasons = ", ".join(f"{count:,} {DROPPED.get(why, why)}" for why, count in self.dropped)
        left_out = f" Left out: {reasons}." if reasons else ""
        return (
            f"{self.asked:,} study questions asked for, {self.written:,} written, "
            f"{self.kept:,} kept.{left_out}"
        )


@dataclass(frozen=True)
class Learned:
    """Everything that a run found out about itself; each part may be absent."""

    exam: Exam | None
    absorption: float | None
    forgetting: Forgetting | None
    memory_map: tuple[PageLoss, ...]
    pinned: tuple[Pinned, ...]
    study: Study | None

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Self:
        return cls(
            exam=_exam(as_mapping(metrics.get("exam"))),
            absorption=as_number(metrics.get("absorption")),
            forgetting=_forgetting(as_mapping(metrics.get("forgetting"))),
            memory_map=tuple(_pages(metrics.get("memory_map"))),
            pinned=pinned_of(metrics.get("pinned")),
            study=_study(as_mapping(metrics.get("study"))),
        )

    def absorbed(self) -> str:
        """The absorption in words; 0 is nothing learned, 1 as good as the passage open."""
        if self.absorption is None:
            return ""
        if self.absorption < 0.005:
            return "Learned nothing of what having the passage open gives."
        if self.absorption >= 0.995:
            return "Learned all of what having the passage open gives."
        return f"Learned {self.absorption * 100:.0f} % of what having the passage open gives."


def percent(value: float) -> str:
    """ "34 %"; below ten with a decimal, since small models start there: "3.4 %"."""
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{value:.0f} %"


def exam_sentence(before: float | None, now: float | None) -> str:
    if before is None or now is None:
        return ""
    return f"Exam: {percent(before)} before, {percent(now)} now."


def pinned_of(entries: Any) -> tuple[Pinned, ...]:
    """The pinned questions of a job or of an adapter's metrics."""
    return tuple(
        Pinned(as_text(entry.get("question")), as_text(entry.get("gold")), tuple(_said(entry)))
        for entry in as_mappings(entries)
        if as_text(entry.get("question"))
    )


def _said(entry: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for answer in as_mappings(entry.get("answers")):
        yield as_count(answer.get("step")), as_text(answer.get("text"))


def _exam(found: Mapping[str, Any]) -> Exam | None:
    base, adapter = _score(found.get("base")), _score(found.get("adapter"))
    if base.closed is None and adapter.closed is None:
        return None
    control = as_mapping(found.get("control"))
    names = Answer.__dataclass_fields__
    return Exam(
        questions=as_count(found.get("questions")),
        base=base,
        adapter=adapter,
        control=as_number(control.get("closed")),
        control_name=as_text(control.get("name")),
        answers=tuple(
            Answer(**{name: as_text(answer.get(name)) for name in names})
            for answer in as_mappings(found.get("answers"))
        ),
    )


def _score(found: Any) -> Score:
    values = as_mapping(found)
    return Score(as_number(values.get("closed")), as_number(values.get("truncated")))


def _forgetting(found: Mapping[str, Any]) -> Forgetting | None:
    names = ("loss_before", "loss_after", "quiz_before", "quiz_after")
    numbers = {name: as_number(found.get(name)) for name in names}
    told = Forgetting(**numbers, warning=as_text(found.get("warning")))
    return told if told.sentence() or told.warning else None


def _pages(entries: Any) -> Iterator[PageLoss]:
    for entry in as_mappings(entries):
        before, after = as_number(entry.get("before")), as_number(entry.get("after"))
        if before is not None and after is not None:
            number = as_count(entry.get("page"))
            yield PageLoss(number, as_text(entry.get("label")) or str(number), before, after)


def _study(found: Mapping[str, Any]) -> Study | None:
    if not found:
        return None
    dropped = as_mapping(found.get("dropped"))
    counts = [(str(why), as_count(count)) for why, count in dropped.items()]
    return Study(
        asked=as_count(found.get("asked")),
        written=as_count(found.get("written")),
        kept=as_count(found.get("kept")),
        dropped=tuple((why, count) for why, count in counts if count),
    )
