"""Shows a job while it runs: a bar on a terminal, now and then a line anywhere else.

Knows job statuses, not where they come from: the service's own worker, or rows that a server in
another process writes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from lift_chat.commands.output import duration, note, plain, say
from lift_chat.learned import percent
from storage.records import Job, Metric

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

STOPPED = 130
"""Exit status of a command that was ended with Ctrl-C."""

POLL_SECONDS = 0.3

LINE_EVERY = 0.1
"""Share of a stage between two lines where there is no terminal."""

STAGES = {
    "": "starting",
    "loading": "loading the base model",
    "reading": "reading",
    "writing": "writing questions",
    "rehearsing": "noting how the model speaks",
    "before": "measuring before",
    "training": "absorbing",
    "exam": "exam",
    "after": "measuring after",
    "saving": "saving",
}


class Status(Protocol):
    """What is shown of a job; `metrics` are the points since the last status."""

    @property
    def job(self) -> Job: ...
    @property
    def metrics(self) -> tuple[Metric, ...]: ...
    @property
    def position(self) -> int: ...


@dataclass(frozen=True)
class Seen:
    """A status made of rows."""

    job: Job
    metrics: tuple[Metric, ...]
    position: int


def statuses(
    look: Callable[[int], Status], *, goes_on: Callable[[], bool] = lambda: True
) -> Iterator[Status]:
    """`look(since)` again and again, until the job is over or `goes_on` denies it."""
    since = 0
    while True:
        status = look(since)
        since = status.metrics[-1].seq if status.metrics else since
        yield status
        if status.job.is_over or not goes_on():
            return
        time.sleep(POLL_SECONDS)


def follow(seen: Iterable[Status]) -> Job:
    """Shows every status on stderr; the job as it was last seen. At least one status is needed."""
    job = None
    with _view() as view:
        for status in seen:
            job = status.job
            view.show(status)
    if job is None:
        raise ValueError("there was no status to follow")
    return job


def run_to_end(service: LiftChat, job_id: str) -> Job | None:
    """Follows a job that `service` runs. None after Ctrl-C: closing the service then leaves the
    job waiting, with a checkpoint."""
    try:
        return follow(statuses(lambda since: service.job(job_id, since=since)))
    except KeyboardInterrupt:
        note("Stopping after this step, with a checkpoint.")
        name = service.settings.executor
        how = "--wait" if name == "local" else f"--executor {name}"
        note(f"Go on with: lift-chat jobs resume {job_id} {how}")
        return None


def say_end(job: Job) -> bool:
    """Says how a job ended; whether it ended well."""
    if job.state == "done":
        say(f"“{job.name}” is absorbed. Ask it: lift-chat chat {job.adapter_id}")
        return True
    note(end_of(job))
    return False


def end_of(job: Job) -> str:
    """Why there is no adapter, in one sentence."""
    return job.error or job.message or f"“{job.name}” was {job.state}."


def stage_of(status: Status) -> str:
    """What the job is doing, in words."""
    job = status.job
    if job.state == "queued":
        return f"waiting, number {status.position} in line" if status.position else "waiting"
    if job.is_over:
        return job.state
    return STAGES.get(job.stage, job.stage)


def facts_of(metric: Metric | None, job: Job, exam: float | None = None) -> str:
    """Loss, exam, speed and time left, as far as they are known. `metric` is the job's latest one,
    `exam` the latest percentage."""
    if metric is None:
        return ""
    parts = []
    if metric.loss is not None:
        parts.append(f"loss {metric.loss:.3f}")
    if exam is not None:
        parts.append(f"exam {percent(exam)}")
    if metric.tokens_per_second:
        parts.append(f"{metric.tokens_per_second:,.0f} tokens/s")
    if metric.eta_seconds is not None and metric.stage == job.stage and not job.is_over:
        parts.append(f"{duration(metric.eta_seconds)} left")
    return ", ".join(parts)


def exam_of(metrics: tuple[Metric, ...], known: float | None) -> float | None:
    """The latest exam's percentage: of `metrics`, else the one that is `known` already."""
    return next((m.exam for m in reversed(metrics) if m.exam is not None), known)


class _View(AbstractContextManager["_View"], Protocol):
    def show(self, status: Status) -> None: ...


def _view() -> _View:
    return _Bar() if sys.stderr.isatty() else _Lines()


class _Bar:
    """One bar; its label is the stage, behind it stand loss, speed and time left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[facts]}", markup=False),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("starting", total=None, facts="")
        self._latest: Metric | None = None
        self._exam: float | None = None
        self._message = ""

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, status: Status) -> None:
        job = status.job
        if job.message and job.message != self._message:
            self._progress.console.print(Text(plain(job.message)), soft_wrap=True)
        self._message = job.message
        if status.metrics:
            self._latest = status.metrics[-1]
        self._exam = exam_of(status.metrics, self._exam)
        self._progress.update(
            self._task,
            description=stage_of(status),
            completed=job.step,
            total=job.total or None,
            facts=facts_of(self._latest, job, self._exam),
        )


class _Lines:
    """A line at each change of stage and at every tenth of one, for logs and pipes."""

    def __init__(self) -> None:
        self._stage = self._message = ""
        self._share = 0.0
        self._exam: float | None = None

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, status: Status) -> None:
        job, stage = status.job, stage_of(status)
        if job.message and job.message != self._message:
            note(job.message)
        self._message = job.message
        self._exam = exam_of(status.metrics, self._exam)
        share = job.step / job.total if job.total else 0.0
        if stage == self._stage and share < self._share + LINE_EVERY:
            return
        self._stage, self._share = stage, share
        facts = facts_of(status.metrics[-1] if status.metrics else None, job, self._exam)
        percent = f" {share:.0%}" if job.total > 1 else ""
        note(f"{stage}{percent}" + (f": {facts}" if facts else ""))
