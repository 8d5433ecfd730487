"""From curves to how many times sooner, as JSON values and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.recall.curves import SCORES, Point, pooled

REFERENCES = {
    "reference": "the reference on the bare base, as its recipe has it",
    "reference+reader": "the reference on the base that ours starts from",
}
PRESETS = ("skim", "read")
TARGET = 5.0
ALL = "all together"

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
    """How many times sooner each preset has what a reference has at its end, and at its best.

    The reference's own seconds are those after which it first has that score, so that what it does
    afterwards without a gain is not counted against it.
    """
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
    own = first(found[arm, document], score, target)
    assert own is not None  # the target is a point of this very curve
    return {
        "target": target,
        "cpu": own.cpu,
        "wall": own.wall,
        **{
            preset: _sooner(found[preset, document], score, target, own)
            for preset in PRESETS
            if (preset, document) in found
        },
    }


def _sooner(points: Sequence[Point], score: str, target: float, own: Point) -> dict[str, Any]:
    reached = first(points, score, target)
    untrained = better(score, getattr(points[0], score), target)
    if reached is None:
        return {"reached": False, "untrained": untrained}
    return {
        "reached": True,
        "untrained": untrained,
        "cpu": reached.cpu,
        "wall": reached.wall,
        "times_cpu": own.cpu / reached.cpu,
        "times_wall": own.wall / reached.wall,
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
        "Each score: untrained → at the end (best on the way). Recall and F1 in percent. Below, "
        "seconds and ratios are CPU (wall), those of the reference until it first has the score "
        "itself; “*”: the base that ours starts from has it untrained, and the seconds are those "
        "to the first point of training.",
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
    heads = "".join(f" {preset}: after s | times sooner |" for preset in PRESETS)
    return [
        f"## Until ours has the score of {title}",
        "",
        f"| document | score | of the reference | after s |{heads}",
        "|---|---|--:|--:|" + "--:|--:|" * len(PRESETS),
        *[_line(row) for row in rows],
        "",
    ]


def _line(row: dict[str, Any]) -> str:
    cells = [row["document"], "nats" if row["score"] == "nll" else row["score"]]
    cells += [_shown(row["score"], row["target"]), f"{row['cpu']:.0f} ({row['wall']:.0f})"]
    for preset in PRESETS:
        one = row.get(preset)
        if one is None:
            cells += ["", ""]
        elif not one["reached"]:
            cells += ["never", "–"]
        else:
            star = "*" if one["untrained"] else ""
            cells.append(f"{one['cpu']:.0f} ({one['wall']:.0f}){star}")
            cells.append(f"{one['times_cpu']:.1f} ({one['times_wall']:.1f})")
    return "| " + " | ".join(cells) + " |"


def verdicts(rows: Sequence[dict[str, Any]]) -> list[str]:
    """One sentence per reference, preset and score of its end: reached on each document or not."""
    sentences = []
    for reference in REFERENCES:
        for preset in PRESETS:
            for score in SCORES:
                of = [
                    row
                    for row in rows
                    if (row["reference"], row["score"], row["goal"]) == (reference, score, "end")
                    and preset in row
                ]
                if of:
                    sentences.append(_verdict(f"{preset} over {reference}, {score}", of, preset))
    return sentences


def _verdict(what: str, rows: Sequence[dict[str, Any]], preset: str) -> str:
    times = [row[preset].get("times_cpu", 0.0) for row in rows]
    reached = min(times) >= TARGET
    shown = ", ".join(
        f"{row['document']} {f'{value:.1f}' if value else 'never'}"
        for row, value in zip(rows, times, strict=True)
    )
    return (
        f"{'reached' if reached else 'MISSED'}: {what}, times sooner (at least {TARGET:g}): {shown}"
    )
