"""A report as Markdown: one table without the document in the window, one with it, differences.

Names come from files and from flags; a `|` in them must not end a cell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lift_chat.evaluation.bootstrap import FEWEST, PERCENT
from lift_chat.evaluation.report import (
    ALWAYS,
    SOMETIMES,
    ArmResult,
    Difference,
    Measure,
    Report,
    present,
)

MEASURES = {measure.name: measure for measure in (*ALWAYS, *SOMETIMES)}


def markdown(report: Report) -> str:
    """The whole report but the answers themselves."""
    parts = [
        _facts(report),
        *_tables(report),
        *_kinds(report),
        *_needles(report),
        *_differences(report.differences),
    ]
    return "\n\n".join(parts) + "\n"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first column to the left, the others to the right."""
    marks = ["---", *("--:" for _ in headers[1:])]
    lines = [list(headers), marks, *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _facts(report: Report) -> str:
    facts = [f"{name}: {value}" for name, value in report.facts.items()]
    return "\n".join(f"- {_cell(fact)}" for fact in facts)


def _tables(report: Report) -> Iterator[str]:
    for title, is_open in (
        ("Without the document (weights alone)", False),
        ("With the document in the window", True),
    ):
        arms = [arm for arm in report.arms if arm.is_open is is_open]
        if arms:
            yield f"### {title}\n\n{_arms(arms, present(report.lines))}"


def _arms(arms: Sequence[ArmResult], measures: Sequence[Measure]) -> str:
    headers = ["arm", "documents", "questions", *(measure.label for measure in measures)]
    headers += ["min to absorb", "s per answer"]
    rows = [
        [
            arm.arm,
            str(arm.documents),
            str(arm.questions),
            *(_score(arm, measure) for measure in measures),
            "" if arm.train_minutes is None else f"{arm.train_minutes:.2f}",
            f"{arm.answer_seconds:.2f}",
        ]
        for arm in arms
    ]
    return table(headers, rows)


def _score(arm: ArmResult, measure: Measure) -> str:
    value = arm.scores.get(measure.name)
    return "" if value is None else measure.shown(value)


def _kinds(report: Report) -> Iterator[str]:
    kinds = list(dict.fromkeys(kind for arm in report.arms for kind in arm.kinds))
    if len(kinds) > 1:
        rows = [
            [arm.arm, *(f"{arm.kinds[kind]:.1f}" if kind in arm.kinds else "" for kind in kinds)]
            for arm in report.arms
        ]
        yield f"### By kind of question\n\n{table(['arm', *kinds], rows)}"


def _needles(report: Report) -> Iterator[str]:
    """Needle tests found, of those hidden, by length and depth; a table per arm."""
    lines = [line for line in report.lines if "depth" in line["facts"]]
    depths = sorted({line["facts"]["depth"] for line in lines})
    for arm in dict.fromkeys(line["arm"] for line in lines):
        cells: dict[tuple[int, int], list[float]] = defaultdict(list)
        for line in lines:
            if line["arm"] == arm:
                found = [answer["scores"]["keywords"] for answer in line["answers"]]
                cells[line["facts"]["length"], line["facts"]["depth"]] += found
        rows = [
            [f"{length:,}", *(_share(cells.get((length, depth), [])) for depth in depths)]
            for length in sorted({length for length, _ in cells})
        ]
        headers = ["tokens", *(f"depth {depth} %" for depth in depths)]
        yield f"### Needles found: {arm}\n\n{table(headers, rows)}"


def _share(found: Sequence[float]) -> str:
    return f"{sum(found):.0f}/{len(found)}" if found else ""


def _differences(found: Sequence[Difference]) -> Iterator[str]:
    if not found:
        return
    headers = ["difference", "score", "mean", f"{PERCENT:.0f} % interval", "documents"]
    rows = [_difference(entry) for entry in found]
    yield (
        "### Differences\n\n"
        + table(headers, rows)
        + "\n\nPaired bootstrap over documents; an interval in bold leaves out zero "
        f"and comes from at least {FEWEST} documents."
    )


def _difference(entry: Difference) -> list[str]:
    measure, interval = MEASURES[entry.score], entry.interval
    digits = f"+.{measure.digits}f"
    spread = "one document"
    if interval.low is not None and interval.high is not None:
        spread = f"{interval.low:{digits}} to {interval.high:{digits}}"
    return [
        f"{entry.arm} − {entry.rival}",
        measure.label,
        f"{interval.difference:{digits}}",
        f"**{spread}**" if interval.is_clear else spread,
        str(interval.documents),
    ]
