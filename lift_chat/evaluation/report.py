"""From the ledger's lines to numbers: means per arm, differences with their intervals, text.

Arms with the document in the window and arms without it stand in tables of their own and are
never averaged together. Means are over questions. Knows nothing of models and of how answers came
about; drawing is `chart`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lift_chat.evaluation.arms import OPEN, differences
from lift_chat.evaluation.bootstrap import Interval, paired_interval
from lift_chat.evaluation.ledger import Line


@dataclass(frozen=True)
class Measure:
    """A score by its name in the ledger; `scale` makes percent of shares."""

    name: str
    label: str
    scale: float = 100.0
    digits: int = 1

    def shown(self, value: float) -> str:
        return f"{value:.{self.digits}f}"


ALWAYS = (
    Measure("f1", "token F1"),
    Measure("rouge_l", "ROUGE-L"),
    Measure("exact", "exact"),
    Measure("contains", "contains gold"),
    Measure("recall", "recall"),
    Measure("nll", "gold NLL", 1.0, 3),
)
SOMETIMES = (
    Measure("choice", "right choice"),
    Measure("keywords", "all keywords"),
    Measure("number", "right number"),
    Measure("judge", "judged equal"),
)
COMPARED = ("f1", "contains", "choice", "keywords", "judge", "nll")
"""Scores whose differences get an interval."""


@dataclass(frozen=True)
class ArmResult:
    """Means of one arm, by score; percent, or nats per token for "nll".

    `train_minutes` is the mean per document, questions and exam included, None for the base;
    `answer_seconds` the mean per question, gold likelihood included.
    """

    arm: str
    documents: int
    questions: int
    scores: dict[str, float]
    kinds: dict[str, float]
    train_minutes: float | None
    answer_seconds: float

    @property
    def is_open(self) -> bool:
        return self.arm.rsplit("/", 1)[1] in OPEN


@dataclass(frozen=True)
class Difference:
    """`interval` is of `arm` minus `rival`, in the score's own unit."""

    arm: str
    rival: str
    score: str
    interval: Interval


@dataclass(frozen=True)
class Report:
    """`facts` say what was run on what; `lines` are all answers."""

    facts: dict[str, Any]
    arms: tuple[ArmResult, ...]
    differences: tuple[Difference, ...]
    lines: tuple[Line, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "facts": self.facts,
            "arms": [asdict(arm) for arm in self.arms],
            "differences": [asdict(difference) for difference in self.differences],
            "lines": list(self.lines),
        }


def report(lines: Sequence[Line], facts: dict[str, Any]) -> Report:
    """Of the finished documents and arms of one collection. Raises `ValueError` for none."""
    if not lines:
        raise ValueError("Nothing is finished yet.")
    by_arm = {name: [line for line in lines if line["arm"] == name] for name in _names(lines)}
    results = tuple(_result(name, of_arm) for name, of_arm in by_arm.items())
    pairs = differences(list(by_arm))
    found = tuple(
        Difference(arm, rival, measure.name, interval)
        for arm, rival in pairs
        for measure in (*ALWAYS, *SOMETIMES)
        if measure.name in COMPARED
        and (interval := difference(by_arm[arm], by_arm[rival], measure)) is not None
    )
    return Report(facts, results, found, tuple(lines))


def difference(arm: Sequence[Line], rival: Sequence[Line], measure: Measure) -> Interval | None:
    """Over the documents that both have and the questions with this score; None without any."""
    others = {line["document"]: line for line in rival}
    groups = [
        [
            measure.scale * (mine - theirs)
            for mine, theirs in zip(
                _values(line, measure.name),
                _values(others[line["document"]], measure.name),
                strict=True,
            )
            if mine is not None and theirs is not None
        ]
        for line in arm
        if line["document"] in others
    ]
    return paired_interval(groups) if any(groups) else None


def present(lines: Sequence[Line]) -> list[Measure]:
    """The scores that any answer has, in the order of the tables."""
    given = {name for line in lines for answer in line["answers"] for name in answer["scores"]}
    return [measure for measure in (*ALWAYS, *SOMETIMES) if measure.name in given]


def mean_scores(lines: Sequence[Line]) -> list[tuple[str, str]]:
    """(label, mean as it is shown) of every score there is."""
    return [
        (measure.label, measure.shown(mean))
        for measure in present(lines)
        if (mean := _mean(lines, measure)) is not None
    ]


def _names(lines: Sequence[Line]) -> list[str]:
    """Arms, the base first, the others as they first occur."""
    found = dict.fromkeys(line["arm"] for line in lines)
    return sorted(found, key=lambda name: not name.startswith("base/"))


def _values(line: Line, name: str) -> list[float | None]:
    return [answer["scores"].get(name) for answer in line["answers"]]


def _result(arm: str, lines: Sequence[Line]) -> ArmResult:
    questions = sum(len(line["answers"]) for line in lines)
    trained = [line["train_seconds"] for line in lines if "train_seconds" in line]
    return ArmResult(
        arm=arm,
        documents=len(lines),
        questions=questions,
        scores={
            measure.name: round(mean, 4)
            for measure in present(lines)
            if (mean := _mean(lines, measure)) is not None
        },
        kinds=dict(_by_kind(lines)),
        train_minutes=round(sum(trained) / len(trained) / 60, 2) if trained else None,
        answer_seconds=round(sum(line["answer_seconds"] for line in lines) / questions, 3),
    )


def _mean(lines: Sequence[Line], measure: Measure) -> float | None:
    known = [value for line in lines for value in _values(line, measure.name) if value is not None]
    return measure.scale * sum(known) / len(known) if known else None


def _by_kind(lines: Sequence[Line]) -> Iterator[tuple[str, float]]:
    """Token F1, or the share of right choices, of every kind of question there is."""
    kinds = sorted({answer["kind"] for line in lines for answer in line["answers"]} - {""})
    for kind in kinds:
        of_kind = [
            {"answers": [answer for answer in line["answers"] if answer["kind"] == kind]}
            for line in lines
        ]
        first = next((m for m in present(of_kind) if m.name in ("f1", "choice")), None)
        if first is not None and (mean := _mean(of_kind, first)) is not None:
            yield kind, round(mean, 2)
