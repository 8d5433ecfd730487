"""A queued run as a program holds it: watch it, or wait for its adapter."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lift_chat.errors import LiftChatError
from lift_chat.jobs import JobStatus
from storage.records import Adapter, Job

if TYPE_CHECKING:
    from lift_chat.service import LiftChat


@dataclass(frozen=True)
class JobHandle:
    """A queued run, as a program holds it."""

    id: str
    app: LiftChat
    owner: str

    def status(self, since: int = 0) -> JobStatus:
        return self.app.job(self.id, since=since, owner=self.owner)

    def events(self, poll: float = 0.25) -> Iterator[JobStatus]:
        """The status whenever something is new, until the job is over."""
        since, last = 0, None
        while True:
            status = self.status(since)
            since = status.metrics[-1].seq if status.metrics else since
            if status.metrics or status.job != last:
                last = status.job
                yield status
            if status.job.is_over:
                return
            time.sleep(poll)

    def wait(self, timeout: float | None = None) -> Adapter:
        """The adapter, once it is made. Raises the job's error, or TimeoutError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for status in self.events():
            if status.job.adapter_id and status.job.state == "done":
                return self.app.adapter(status.job.adapter_id, owner=self.owner)
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"job {self.id} is not done after {timeout} s")
        raise over_without_adapter(status.job)


def over_without_adapter(job: Job) -> LiftChatError:
    """The error that a finished job without an adapter stands for, with its stable code."""
    error = LiftChatError(job.error or job.message or f"The job was {job.state}.")
    error.code = job.error_code or job.state
    return error
