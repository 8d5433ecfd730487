"""A report as a picture: bars of one score, arms with and without the document apart. Plain SVG.

Names come from files and flags and are escaped. Knows no drawing library.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from lift_chat.evaluation.report import ALWAYS, SOMETIMES, ArmResult, Measure, Report, present

ROW, BAR = 24, 16
LABELS, BARS, MARGIN = 220, 420, 16
COLOURS = {True: "#4a7ab5", False: "#b5694a"}
"""With the document in the window, and without it; told apart also in greys."""

TITLES = {True: "With the document in the window", False: "Without the document"}


def chart(report: Report) -> str:
    """SVG of the collection's main score: judged, keywords, right choice or token F1."""
    measure = main_score(report)
    groups = [
        (is_open, [arm for arm in report.arms if arm.is_open is is_open])
        for is_open in (False, True)
    ]
    most = max((arm.scores.get(measure.name, 0.0) for arm in report.arms), default=0.0) or 1.0
    parts: list[str] = []
    top = MARGIN + ROW
    for is_open, arms in groups:
        if arms:
            parts.append(_text(MARGIN, top, TITLES[is_open], weight="bold"))
            parts += _bars(arms, measure, most, COLOURS[is_open], top)
            top += ROW * (len(arms) + 2)
    title = _text(MARGIN, MARGIN + 4, f"{report.facts.get('collection', '')}: {measure.label}")
    width = LABELS + BARS + 4 * MARGIN + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" '
        f'font-family="sans-serif" font-size="13">\n'
        f'<rect width="{width}" height="{top}" fill="white"/>\n'
        + "\n".join([title, *parts])
        + "\n</svg>\n"
    )


def main_score(report: Report) -> Measure:
    there = {measure.name: measure for measure in present(report.lines)}
    for name in ("judge", "keywords", "choice", "f1"):
        if name in there:
            return there[name]
    return next(iter(there.values()), (*ALWAYS, *SOMETIMES)[0])


def _bars(
    arms: Sequence[ArmResult], measure: Measure, most: float, colour: str, top: int
) -> list[str]:
    parts = []
    for place, arm in enumerate(arms, start=1):
        value = arm.scores.get(measure.name)
        y = top + place * ROW
        parts.append(_text(LABELS, y, arm.arm, anchor="end"))
        if value is not None:
            width = max(value, 0.0) / most * BARS
            parts.append(
                f'<rect x="{LABELS + 8}" y="{y - 12}" width="{width:.1f}" height="{BAR}" '
                f'fill="{colour}"/>'
            )
            parts.append(_text(int(LABELS + 14 + width), y, measure.shown(value)))
    return parts


def _text(x: int, y: int, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
    )
