"""Events of a run as rows of the library: progress, points of the curve, pinned answers.

Knows no models and no threads; what a row looks like is the library's business.
"""

from __future__ import annotations

import time

from lift_chat.lift.progress import ProgressEvent, with_answers
from storage.library import Library
from storage.records import Job, Metric

METRIC_SECONDS = 0.5
"""At most one point of the curve per this many seconds, beside first, last and stage changes."""


class Recorder:
    """Writes events as rows, thinned out in time; the last event of a stage always gets through,
    and so does what was found out by asking. `step` of such an event is the optimizer's."""

    def __init__(self, library: Library, job: Job) -> None:
        self._library, self._job_id = library, job.id
        self._pinned = job.pinned
        self._written = 0.0
        self._stage = ""

    def __call__(self, event: ProgressEvent) -> None:
        now = time.monotonic()
        edge = event.stage != self._stage or event.step >= event.total or bool(event.message)
        asked = event.exam is not None or bool(event.pinned)
        if not edge and not asked and now - self._written < METRIC_SECONDS:
            return
        self._written, self._stage = now, event.stage
        self._library.progress(self._job_id, event.stage, event.step, event.total, event.message)
        if event.loss is not None or event.exam is not None:
            self._library.add_metrics(self._job_id, [_metric(event)])
        if event.pinned:
            self._pinned = with_answers(self._pinned, event.pinned, event.step)
            self._library.set_pinned(self._job_id, self._pinned)


def _metric(event: ProgressEvent) -> Metric:
    return Metric(
        seq=0,
        stage=event.stage,
        step=event.step,
        total=event.total,
        loss=event.loss,
        tokens=event.tokens,
        tokens_per_second=event.tokens_per_second,
        seconds=event.seconds,
        eta_seconds=event.eta_seconds,
        exam=event.exam,
    )
