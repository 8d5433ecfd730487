"""One job's work: taken up out of turn, left in order, or cut off by the program's end.

An attempt is a run that ended without a checkpoint; too many of them, and the job waits for the
user instead of ending the program again and again.
"""

from __future__ import annotations

from storage.errors import IllegalTransition
from storage.jobs import begin, move, one
from storage.records import Job
from storage.store import Store
from storage.values import clean, now

AFTER_RESTART = "Goes on after a restart."


def claim(store: Store, job_id: str, owner: str) -> Job:
    """This very job, now running, whatever waits before it.

    Raises `NotFound`, and `IllegalTransition` for one that does not wait.
    """
    with store.write() as db:
        job = one(db, job_id, owner)
        if job.state != "queued":
            raise IllegalTransition(f"“{job.name}” is {job.state} and does not wait for its turn.")
        return begin(db, job)


def release(store: Store, job_id: str, message: str) -> None:
    """Back to its place in the queue: its work was left in order, which counts as no attempt."""
    with store.write() as db:
        job = one(db, job_id)
        if job.state != "running":
            raise IllegalTransition(f"“{job.name}” is {job.state} and is not being worked on.")
        move(db, job, "queued", message=clean(message), attempts=max(job.attempts - 1, 0))


def credit(store: Store, job_id: str) -> None:
    """A checkpoint was reached: earlier attempts that ended without one are forgotten."""
    with store.write() as db:
        db.execute("UPDATE jobs SET attempts = 1 WHERE id = ? AND state = 'running'", [job_id])


def recover(store: Store, *, max_attempts: int) -> list[Job]:
    """Gives back what ran when the program ended; the changed jobs.

    A job keeps its place and so goes first, unless it has been tried `max_attempts` times: what
    kills the program each time must not do so for ever.
    """
    with store.write() as db:
        ids = [row["id"] for row in db.query("SELECT id FROM jobs WHERE state = 'running'")]
        for job in [one(db, job_id) for job_id in ids]:
            if job.request == "discard":
                move(db, job, "cancelled", finished_at=now())
            elif job.attempts >= max_attempts:
                error = (
                    f"The program ended while this was running, {job.attempts} times; "
                    f"resume it to try again."
                )
                told = {"error_code": "interrupted", "error": error}
                move(db, job, "interrupted", finished_at=now(), **told)
            else:
                move(db, job, "queued", message=AFTER_RESTART)
        return [one(db, job_id) for job_id in ids]
