"""The queue's one worker: claims a job, runs its lesson, publishes the adapter.

The queue itself is rows in the library; front ends write rows and read rows, so nothing here
depends on a page being open. The worker thread is the only one that trains. Closing the app saves
a checkpoint and leaves the job to the next start, the same way as a kill does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

from lift_chat.adapters import kinds
from lift_chat.assignment import Assignment, Delivery
from lift_chat.attend import Leave, attend
from lift_chat.background import Background
from lift_chat.costs import Costs
from lift_chat.errors import LiftChatError
from lift_chat.failures import fail, leave
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.study.endpoint import EndpointWriter
from lift_chat.models.engine import Engine
from lift_chat.recorder import Recorder
from storage.library import Library
from storage.records import Adapter, Job, Metric

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0


class Worker(Background):
    """`wake` it when a job was queued; closing waits until it has left its job, at most one
    optimizer step later.

    `costs` says how much fits into memory, and learns how long each run took. `warm` makes a new
    adapter ready to be talked to, when no other run waits for the device and its memory.
    """

    def __init__(
        self,
        library: Library,
        engine: Engine,
        costs: Costs,
        writer: Callable[[], EndpointWriter],
        warm: Callable[[Adapter], None],
    ) -> None:
        super().__init__("absorb")
        self._library, self._engine = library, engine
        self._costs, self._writer, self._warm = costs, writer, warm

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                job = self._library.claim_next_job()
                if job is not None:
                    self._work(job)
                    continue
            except Exception:
                # The thread must outlive whatever a job or a full disk does to it.
                log.exception("the worker could not handle a job")
            self._sleep(IDLE_SECONDS)

    def _work(self, job: Job) -> None:
        log.info("job %s: start, attempt %d", job.id, job.attempts)
        adapter = None
        try:
            adapter = self._absorb(job)
        except Leave as left:
            leave(self._library, job, left.request)
        except Exception as error:
            fail(self._library, job, error)
        finally:
            self._engine.release()
        if adapter and not self._closing.is_set() and not self._library.waiting_jobs():
            with suppress(LiftChatError):  # it was deleted meanwhile, say
                self._warm(adapter)

    def _absorb(self, job: Job) -> Adapter:
        recorder = Recorder(self._library, job)
        recorder(ProgressEvent("loading", 0, 1, message="Loading the base model."))
        base = self._engine.base
        recorder(ProgressEvent("reading", 0, 1))
        assignment = Assignment.of(self._library, job, base.identity.fingerprint)
        delivery = Delivery(self._library, job)
        folder = self._library.run_folder(job.id)
        delivery.begin(assignment.given, folder)
        config = assignment.config
        lesson = assignment.lesson(
            base,
            folder,
            self._engine.turn,
            fit=self._costs.fit(config),
            writer=self._writer() if config.writer == "endpoint" else None,
            on_items=delivery.keep,
            on_checkpoint=lambda: self._library.credit_job(job.id),
        )
        with closing(attend(lesson, lambda: self._request(job))) as events:
            for event in events:
                recorder(event)
        recorder(ProgressEvent("saving", 0, 1))
        if lesson.trained_tokens:
            per_token = lesson.trained_seconds / lesson.trained_tokens
            self._costs.learn(config, lesson.document_tokens, per_token)
        adapter = delivery.publish(
            lambda to: kinds.save(lesson.adapted, to, base.identity),
            base.identity,
            lesson.metrics(),
        )
        log.info("job %s: adapter %s", job.id, adapter.id)
        return adapter

    def _request(self, job: Job) -> str:
        return "close" if self._closing.is_set() else self._library.job_request(job.id)


@dataclass(frozen=True)
class JobStatus:
    """A job with the points of its curve; `position` 0 is running or over, 1 is next in line."""

    job: Job
    metrics: tuple[Metric, ...]
    position: int
