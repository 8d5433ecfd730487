"""The curves of a run, out of its metrics: rows for the plots, and the same in words.

After a resume the steps since the checkpoint come again; everywhere the later ones count.
"""

from __future__ import annotations

from collections.abc import Sequence

from lift_chat import learned
from storage.records import Metric

TRAINING = "training"
"""The stage whose steps make the curves and the percentage."""

EXAM = "exam"
"""The stage in which training pauses for an exam."""


def training(metrics: Sequence[Metric]) -> list[dict[str, float]]:
    """Rows (step, loss) of the training alone, one per step, in order."""
    points = {
        metric.step: {"step": float(metric.step), "loss": metric.loss}
        for metric in metrics
        if metric.stage == TRAINING and metric.loss is not None
    }
    return [points[step] for step in sorted(points)]


def exams(metrics: Sequence[Metric]) -> list[dict[str, float]]:
    """Rows (step, exam) with the percentage at the training step at which the exam was held."""
    points = {
        metric.step: {"step": float(metric.step), "exam": metric.exam}
        for metric in metrics
        if metric.exam is not None
    }
    return [points[step] for step in sorted(points)]


def steps(metrics: Sequence[Metric]) -> int:
    """Steps of the whole training, as far as is known."""
    return max((metric.total for metric in metrics if metric.stage == TRAINING), default=1)


def curve(metrics: Sequence[Metric], *, most: int = 300) -> list[dict[str, float]]:
    """Rows (step, loss) for the plot, thinned evenly to `most`; the last one is always there."""
    points = training(metrics)
    if len(points) <= most:
        return points
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def loss_sentence(metrics: Sequence[Metric]) -> str:
    points = [row["loss"] for row in training(metrics)]
    if not points:
        return ""
    if len(points) == 1:
        return f"Loss {points[0]:.2f}."
    return f"Loss {points[0]:.2f} at the start, {points[-1]:.2f} now."


def exam_sentence(metrics: Sequence[Metric]) -> str:
    """ "Exam: 12 % before, 34 % now."; one exam alone is the one before."""
    points = [row["exam"] for row in exams(metrics)]
    if not points:
        return ""
    if len(points) == 1:
        return f"Exam: {learned.percent(points[0])} before."
    return learned.exam_sentence(points[0], points[-1])
