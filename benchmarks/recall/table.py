"""From curves to how many times sooner, as JSON values and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from benchmarks.recall.curves import SCORES, Point, pooled

REFERENCES = {
    "reference": "the reference on the bare base, as its recipe has it",
    "reference+reader": "the reference on the base that ours starts from",
}
PRESETS = ("skim", "read")
TARGET = 5.0
ALL = "all together"
CLOCKS = ("cpu", "wall")
TIMES = ("times", "times_own")

Curves = dict[tuple[str, str], list[Point]]
"""By arm and document."""


def curves(report: dict[str, Any]) -> Curves:
    """Those of the report, and for an arm that ran on all documents the one of all together."""
    found: Curves = {}
    for run in report["runs"]:
        found[run["arm"], run["document"]] = [Point(**point) for point in run["points"]]
    names = [document["id"] for document in report["documents"]]
    for arm in dict.fromkeys(arm for arm, _ in found):
        if all((arm, name) in found for name in names):
            found[arm, ALL] = pooled([found[arm, name] for name in names])
    return found


def better(score: str, one: float, other: float) -> bool:
    """At least as good."""
    return one <= other if score == "nll" else one >= other


def best(points: Sequence[Point], score: str) -> Point:
    """The first of the best points after some training."""
    sign = 1 if score == "nll" else -1
    return min((p for p in points if p.steps), key=lambda p: sign * getattr(p, score))


def first(points: Sequence[Point], score: str, target: float) -> Point | None:
    """The first point after some training that is at least as good as `target`."""
    trained = (point for point in points if point.steps)
    return next((p for p in trained if better(score, getattr(p, score), target)), None)


def figures(found: Curves) -> list[dict[str, Any]]:
    """How many times sooner each preset has what a reference has at its end, and at its best: than
    the reference is through with all its passes (`times`), and than it has that score itself for
    the first time (`times_own`), which leaves out what it does later without a gain."""
    return [
        {
            "reference": arm,
            "document": document,
            "score": score,
            "goal": goal,
            **_against(found, arm, document, score, getattr(at, score)),
        }
        for (arm, document), points in found.items()
        if arm in REFERENCES
        for score in SCORES
        for goal, at in (("end", points[-1]), ("best", best(points, score)))
    ]


def _against(found: Curves, arm: str, document: str, score: str, target: float) -> dict[str, Any]:
    points = found[arm, document]
    own = first(points, score, target)
    assert own is not None  # the target is a point of this very curve
    return {
        "target": target,
        "whole": {clock: getattr(points[-1], clock) for clock in CLOCKS},
        "own": {clock: getattr(own, clock) for clock in CLOCKS},
        **{
            preset: _sooner(found[preset, document], score, target, (points[-1], own))
            for preset in PRESETS
            if (preset, document) in found
        },
    }


def _sooner(
    points: Sequence[Point], score: str, target: float, theirs: tuple[Point, Point]
) -> dict[str, Any]:
    reached = first(points, score, target)
    untrained = better(score, getattr(points[0], score), target)
    if reached is None:
        return {"reached": False, "untrained": untrained}
    seconds = {clock: getattr(reached, clock) for clock in CLOCKS}
    times, times_own = (
        {clock: getattr(point, clock) / seconds[clock] for clock in CLOCKS} for point in theirs
    )
    return {
        "reached": True,
        "untrained": untrained,
        **seconds,
        "times": times,
        "times_own": times_own,
    }


def markdown(report: dict[str, Any]) -> str:
    found = curves(report)
    rows = figures(found)
    machine = report["about"]
    documents = [
        f"{one['id']} ({one['tokens']} tokens, {one['questions']} questions)"
        for one in report["documents"]
    ]
    lines = [
        "# Time to the reference's recall",
        "",
        f"{report['date']}, `{report['command']}`.",
        f"{machine['device']}, {machine['dtype']}, one thread of {machine['cores']} cores, torch "
        f"{machine['torch']}; the embedded model"
        + (f"; beside it: {report['beside']}." if report["beside"] else "."),
        f"Beginnings of {', '.join(documents)}. Windows of the reference: "
        f"{report['window_tokens']} tokens, overlap 8/3.",
        "",
        "| arm | document | CPU s (wall) | recall | F1 | nats per gold token |",
        "|---|---|--:|--:|--:|--:|",
        *[_run(arm, document, points) for (arm, document), points in found.items()],
        "",
        "Each score: untrained → at the end (best on the way). Recall and F1 in percent. Below: a "
        "score of the reference, the seconds after which it has it for the first time, and those "
        "after which a preset of ours has it; how many times sooner these are than the whole run "
        "of the reference, and than its own first time. CPU (wall). “*”: the base that ours starts "
        "from has it untrained, and the seconds are those to the first point of training.",
        "",
    ]
    for reference, what in REFERENCES.items():
        of = [row for row in rows if row["reference"] == reference]
        for goal in ("end", "best"):
            lines += _table(f"{what}: {goal}", [row for row in of if row["goal"] == goal])
    return "\n".join([*lines, *(f"- {sentence}" for sentence in verdicts(rows))]) + "\n"


def _run(arm: str, document: str, points: Sequence[Point]) -> str:
    cells = [arm, document, f"{points[-1].cpu:.0f} ({points[-1].wall:.0f})"]
    for score in SCORES:
        values = [points[0], points[-1], best(points, score)]
        a, b, c = (_shown(score, getattr(point, score)) for point in values)
        cells.append(f"{a} → {b} ({c})")
    return "| " + " | ".join(cells) + " |"


def _shown(score: str, value: float) -> str:
    return f"{value:.2f}" if score == "nll" else f"{100 * value:.1f}"


def _table(title: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    heads = "".join(f" {preset}: after s | x whole | x first |" for preset in PRESETS)
    return [
        f"## Until ours has the score of {title}",
        "",
        f"| document | score | reference | after s |{heads}",
        "|---|---|--:|--:|" + "--:|--:|--:|" * len(PRESETS),
        *[_line(row) for row in rows],
        "",
    ]


def _line(row: dict[str, Any]) -> str:
    cells = [row["document"], "nats" if row["score"] == "nll" else row["score"]]
    cells += [_shown(row["score"], row["target"]), _seconds(row["own"])]
    for preset in PRESETS:
        one = row.get(preset)
        if one is None:
            cells += ["", "", ""]
        elif not one["reached"]:
            cells += ["never", "–", "–"]
        else:
            cells.append(_seconds(one) + ("*" if one["untrained"] else ""))
            cells += [f"{one[key]['cpu']:.1f} ({one[key]['wall']:.1f})" for key in TIMES]
    return "| " + " | ".join(cells) + " |"


def _seconds(values: dict[str, Any]) -> str:
    return f"{values['cpu']:.0f} ({values['wall']:.0f})"


def verdicts(rows: Sequence[dict[str, Any]]) -> list[str]:
    """For each reference, preset and score of its end: whether ours has it so many times sooner
    than the whole run on each document."""
    sentences = []
    for reference, preset, score in product(REFERENCES, PRESETS, SCORES):
        sought = (reference, score, "end")
        of = [row for row in rows if (row["reference"], row["score"], row["goal"]) == sought]
        if of := [row for row in of if preset in row]:
            what = "nats" if score == "nll" else score
            sentences.append(
                _verdict(f"{preset}, {what} at the end of the {reference}", of, preset)
            )
    return sentences


def _verdict(what: str, rows: Sequence[dict[str, Any]], preset: str) -> str:
    ours = {row["document"]: row[preset] for row in rows}
    reached = all(one["reached"] and one["times"]["cpu"] >= TARGET for one in ours.values())
    shown = ", ".join(f"{document} {_times(one)}" for document, one in ours.items())
    return f"{'reached' if reached else 'MISSED'}: {what} (at least {TARGET:g} x whole): {shown}"


def _times(one: dict[str, Any]) -> str:
    return f"{one['times']['cpu']:.1f}{'*' * one['untrained']}" if one["reached"] else "never"
