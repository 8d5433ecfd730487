"""Taking a job forward by one slice, inside the event of the visitor who asks for it.

This side owns the library: it claims the job, sends plain values to where the device is, writes
down what comes back, and publishes or lets go. A page that is closed, a device that is taken away
and a slice that is simply over all leave a job that goes on from its last checkpoint.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

from lift_chat.adapters.folder import copy_adapter
from lift_chat.assignment import Assignment, Delivery
from lift_chat.costs import Costs
from lift_chat.errors import GpuRefused, IllegalTransition, InvalidConfig, SliceTooShort
from lift_chat.failures import fail, leave
from lift_chat.lent import Gpu
from lift_chat.lift.preparation import written
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.engine import Engine
from lift_chat.recorder import Recorder
from lift_chat.slices.need import Need, Spent, left
from lift_chat.slices.work import FRESH, MADE, Made, Work, forward, reached
from storage.library import Library
from storage.records import Job

log = logging.getLogger(__name__)

WAITS = "Waits for its next slice."


class Slices:
    """`seconds` is how long one slice may take, its start and end included."""

    def __init__(
        self, library: Library, engine: Engine, costs: Costs, gpu: Gpu, seconds: float
    ) -> None:
        self._library, self._engine, self._costs = library, engine, costs
        self.seconds = seconds
        self._forward = gpu.run(self._there, seconds)

    def _there(self, work: Work) -> Iterator[ProgressEvent | Made]:
        return forward(self._engine.base, self._engine.turn, work)

    def absorb(
        self, job_id: str, owner: str, *, keep: bool = False
    ) -> Generator[ProgressEvent, None, None]:
        """Yields what happens. Afterwards the job is done, waits for its next slice, or has
        failed; `keep` ends it with what it has learned so far.

        Raises `NotFound`, `IllegalTransition` for a job that does not wait, `GpuRefused` when
        there is no device or it was taken away, `SliceTooShort` for a run that cannot go on in
        slices, and what ended the run.
        """
        job = self._library.job(job_id, owner)
        folder = self._library.run_folder(job.id)
        before = reached(folder)
        _require_slices(job, folder, keep)
        keep = keep or (job.request == "keep" and _has_learned(folder))
        job = self._library.claim_job(job_id, owner)
        try:
            made = yield from self._slice(job, folder, keep)
            if made is None and not self._is_discarded(job) and reached(folder) == before:
                raise SliceTooShort(
                    f"A slice of {self.seconds:.0f} seconds is too short for the next part of "
                    f"“{job.name}”; choose a smaller base model or shorter segments, or absorb it "
                    f"on a machine of your own."
                )
        except GeneratorExit:
            self._let_go(job)
            raise
        except Exception as error:
            discarded = self._is_discarded(job)
            self._end(job, error, moved=reached(folder) != before)
            if not discarded:
                raise
            return
        if made is None:
            self._let_go(job)

    def needed(self, estimated: float) -> Need:
        """For a run of so many seconds."""
        return Need.of(estimated, self.seconds)

    def left(self, job: Job, estimated: float) -> Need:
        """What a run of so many seconds in all, which is not over, still needs."""
        spent = Spent.of(self._library.run_folder(job.id))
        points = self._library.metrics(job.id)
        eta = (points[-1].eta_seconds if points else None) or 0.0
        return self.needed(left(estimated, spent, eta))

    def _slice(
        self, job: Job, folder: Path, keep: bool
    ) -> Generator[ProgressEvent, None, Made | None]:
        recorder, delivery = Recorder(self._library, job), Delivery(self._library, job)
        self._fetch_items(delivery, folder)
        identity = self._engine.base.identity
        assignment = Assignment.of(self._library, job, identity.fingerprint)
        delivery.begin(assignment.given, folder)
        work = Work(
            assignment, folder, self._costs.probe(assignment.config), self.seconds, keep,
            time.time(),
        )  # fmt: skip
        made, request, trained = None, "", False
        started: float | None = None  # what was waited for in the lender's queue costs nothing
        try:
            with closing(self._forward(work)) as signs:
                for sign in signs:
                    started = started or time.monotonic()
                    if isinstance(sign, Made):
                        made = sign
                        continue
                    recorder(sign)
                    yield sign
                    request = self._library.job_request(job.id)
                    trained = sign.stage == "training" and not keep
                    if request == "discard" or (request == "keep" and trained):
                        break
        finally:
            if started is not None:
                Spent.of(folder).more(folder, time.monotonic() - started)
            self._fetch_items(delivery, folder)
        if made is None and request == "keep" and trained and _has_learned(folder):
            return (yield from self._slice(job, folder, keep=True))
        if made is not None:
            recorder(ProgressEvent("saving", 0, 1))
            if made.seconds_per_token:
                tokens = int(made.metrics["document_tokens"])
                self._costs.learn(assignment.config, tokens, made.seconds_per_token)
            delivery.publish(lambda to: copy_adapter(folder / MADE, to), identity, made.metrics)
        return made

    def _fetch_items(self, delivery: Delivery, folder: Path) -> None:
        """Once: what a person does with the run's own questions afterwards is not undone."""
        items = written(folder) if (folder / FRESH).exists() else None
        if items is not None:
            delivery.keep(items)
            (folder / FRESH).unlink()

    def _let_go(self, job: Job) -> None:
        """Back into the queue, unless it is to be discarded."""
        if self._is_discarded(job):
            leave(self._library, job, "discard")
        else:
            self._library.release_job(job.id, WAITS)

    def _is_discarded(self, job: Job) -> bool:
        return self._library.job_request(job.id) == "discard"

    def _end(self, job: Job, error: Exception, *, moved: bool) -> None:
        """A device that was not lent is no fault of the run; one that was taken away before the
        run got anywhere may be taken away each time."""
        log.warning("job %s: the slice ended with %s", job.id, type(error).__name__)
        if isinstance(error, GpuRefused) and (moved or not error.begun):
            self._let_go(job)
        elif isinstance(error, GpuRefused):
            self._library.finish_job(job.id, "interrupted", error_code=error.code, error=str(error))
        else:
            fail(self._library, job, error)


def _require_slices(job: Job, folder: Path, keep: bool) -> None:
    if LiftConfig.from_dict(job.recipe).writer == "endpoint":
        raise InvalidConfig(
            "In slices the base model has to write the questions itself: a lent device does not "
            "wait for an endpoint."
        )
    if keep and not _has_learned(folder):
        raise IllegalTransition("Nothing has been learned yet that could be kept.")


def _has_learned(folder: Path) -> bool:
    return bool(reached(folder)[1])
