"""Jobs of the library carried out elsewhere: claimed here, followed here, published from here.

Stands where the local worker does, with the same verbs. Several jobs run side by side, as many as
the executor has room for. A task whose machine or process dies is started again; one that dies
again and again without getting further fails.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lift_chat.assignment import Delivery
from lift_chat.background import Background
from lift_chat.executors.executor import Executor, Task
from lift_chat.executors.messages import Begun, Saved, Wrote, from_line
from lift_chat.executors.order import Means, Order
from lift_chat.executors.results import Failed, Left, Lost, Made, Outcome
from lift_chat.failures import coded, fail, leave
from lift_chat.jobs import IDLE_SECONDS
from lift_chat.lift.progress import ProgressEvent
from lift_chat.recorder import Recorder
from storage.library import Library
from storage.records import Job

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
CLOSE_SECONDS = 60.0
"""How long closing waits for tasks to leave a checkpoint."""

MOST_DEATHS = 3
"""A task that dies so often without getting further is given up."""


@dataclass
class _Run:
    """One job that is out. `reached` is the step of its furthest checkpoint."""

    job: Job
    order: Order
    folder: Path
    recorder: Recorder
    delivery: Delivery
    task: Task
    deaths: int = 0
    reached: int = 0


class Dispatcher(Background):
    """`wake` it when a job was queued; closing waits until all tasks have left their jobs, with a
    checkpoint where there is one.

    `connect` gives the executor; it is called by `start`, which raises what it raises.
    """

    def __init__(self, library: Library, means: Means, connect: Callable[[], Executor]) -> None:
        super().__init__("dispatch")
        self._library, self._means, self._connect = library, means, connect
        self._runs: list[_Run] = []

    def start(self) -> None:
        self._executor = self._connect()
        super().start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._fill()
            except Exception:
                # The thread must outlive whatever a full disk does to it.
                log.exception("no job could be claimed")
            self._look_at_all()
            self._sleep(LOOK_SECONDS if self._runs else IDLE_SECONDS)
        self._leave_all()
        self._executor.close()

    def _fill(self) -> None:
        while job := self._library.claim_next_job(self._executor.at_once):
            log.info("job %s: start, attempt %d", job.id, job.attempts)
            try:
                self._runs.append(self._begin(job))
            except Exception as error:
                fail(self._library, job, error)

    def _begin(self, job: Job) -> _Run:
        recorder = Recorder(self._library, job)
        recorder(ProgressEvent("loading", 0, 1, message="Waiting for a machine."))
        folder = self._library.run_folder(job.id)
        order = Order.of(self._library, job, self._means)
        task = self._send(job, order, folder)
        return _Run(job, order, folder, recorder, Delivery(self._library, job), task)

    def _send(self, job: Job, order: Order, folder: Path) -> Task:
        order.write(folder / "order")
        results = folder / "results"
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir()
        return self._executor.start(job.id, folder / "order", results)

    def _look_at_all(self) -> None:
        for run in list(self._runs):
            try:
                over = self._look(run)
            except Exception as error:
                run.task.ask("discard")
                run.task.end()
                self._fail(run, error)
                over = True
            if over:
                self._runs.remove(run)

    def _look(self, run: _Run) -> bool:
        """Whether the run is over, and the job with it."""
        if request := self._library.job_request(run.job.id):
            run.task.ask(request)
        outcome = run.task.outcome()
        for line in run.task.messages():
            self._take(run, line)
        return outcome is not None and self._end(run, outcome)

    def _take(self, run: _Run, line: str) -> None:
        match from_line(line):
            case ProgressEvent() as event:
                run.recorder(event)
            case Begun(anew):
                if anew:
                    run.delivery.studies(run.order.assignment.given)
            case Wrote(items):
                run.delivery.keep(items)
            case Saved(step):
                self._library.credit_job(run.job.id)
                if step > run.reached:
                    run.reached, run.deaths = step, 0

    def _end(self, run: _Run, outcome: Outcome) -> bool:
        match outcome:
            case Made() as made:
                adapter = run.delivery.publish(made.save, made.identity, made.metrics)
                log.info("job %s: adapter %s", run.job.id, adapter.id)
            case Left(request):
                leave(self._library, run.job, request)
            case Failed(code, sentence):
                raise coded(code, sentence)
            case Lost(sentence):
                return self._died(run, sentence)
        return True

    def _died(self, run: _Run, sentence: str) -> bool:
        if self._closing.is_set():
            leave(self._library, run.job, self._library.job_request(run.job.id))
            return True
        run.deaths += 1
        log.warning("job %s: %s", run.job.id, sentence)
        if run.deaths >= MOST_DEATHS:
            told = f"{sentence} That was {run.deaths} times; resume the job to try again."
            raise coded("worker_lost", told)
        told = f"{sentence} It is started again."
        run.recorder(ProgressEvent("loading", 0, 1, message=told))
        run.task = self._send(run.job, run.order, run.folder)
        return False

    def _fail(self, run: _Run, error: Exception) -> None:
        try:
            fail(self._library, run.job, error)
        except Exception:
            log.exception("job %s: its end could not be written", run.job.id)

    def _leave_all(self) -> None:
        """A job whose task does not answer in time goes on from its last checkpoint."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._runs and time.monotonic() < deadline:
            for run in self._runs:
                run.task.ask("close")
            self._look_at_all()
            time.sleep(LOOK_SECONDS / 4)
        for run in self._runs:
            run.task.end()
            leave(self._library, run.job, self._library.job_request(run.job.id))
