"""What a slice does where the device is: a lesson, taken as far as the time allows.

Runs in the forked process on a ZeroGPU Space: it is given plain values, knows no library, and
leaves what it reached as files in the run's folder.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lift_chat.adapters import kinds
from lift_chat.assignment import Assignment
from lift_chat.attend import Leave, attend
from lift_chat.costs import fit
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.notes import NAME as NOTES
from lift_chat.lift.progress import ProgressEvent
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.probe import Probe
from lift_chat.slices.budget import Budget

MADE, FRESH = "made", "fresh"
"""The finished adapter's folder; the mark of a run whose own questions nobody has fetched yet."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Work:
    """One slice of `seconds`. `asked_at` is the moment (`time.time`) at which it was asked for;
    `keep` means that nothing more is to be trained."""

    assignment: Assignment
    folder: Path
    probe: Probe
    seconds: float
    keep: bool
    asked_at: float


@dataclass(frozen=True)
class Made:
    """The lesson is over and its adapter lies in the run's folder."""

    metrics: dict[str, Any]
    seconds_per_token: float | None


def forward(
    base: LoadedModel, turn: Turn, work: Work, clock: Clock = time.monotonic
) -> Iterator[ProgressEvent | Made]:
    """Yields the lesson's events; `Made` comes last, if this was the last slice.

    Closing it leaves a checkpoint, as does running out of time.
    """
    budget = Budget(work.seconds, clock() - _age(work.asked_at), clock)
    lesson = work.assignment.lesson(
        base,
        work.folder,
        budget.over(turn),
        fit=fit(base, work.assignment.config, work.probe),
        on_items=lambda items: (work.folder / FRESH).touch(),
        enough=work.keep,
    )
    with closing(attend(lesson, lambda: "")) as events:
        try:
            for event in events:
                budget.plan_saving(lesson.state, lesson.saving_seconds)
                yield event
        except Leave:
            return
        except GeneratorExit:
            if lesson.step:
                lesson.save_checkpoint()
            raise
    _save(lesson, base, work.folder)
    tokens = lesson.trained_tokens
    yield Made(lesson.metrics(), lesson.trained_seconds / tokens if tokens else None)


def reached(folder: Path) -> tuple[int, list[str]]:
    """Changes whenever a slice has brought the run forward."""
    notes = folder / NOTES
    steps = sorted(path.parent.name for path in folder.glob("checkpoint-*/COMPLETE"))
    return notes.stat().st_size if notes.exists() else 0, steps


def _age(asked_at: float) -> float:
    """Seconds that count already. The device is lent from the moment the process was forked for
    this very call; what was waited for before that, in a queue, is nobody's time."""
    forked_at: float = psutil.Process(os.getpid()).create_time()
    return time.time() - forked_at if forked_at > asked_at else 0.0


def _save(lesson: Lesson, base: LoadedModel, folder: Path) -> None:
    """Whole or not there."""
    draft = folder / f"{MADE}.draft"
    for path in (draft, folder / MADE):
        shutil.rmtree(path, ignore_errors=True)
    draft.mkdir()
    kinds.save(lesson.adapted, draft, base.identity)
    os.replace(draft, folder / MADE)
