"""The queue and the states of a job.

Who may go where is in `LEGAL` and nowhere else: a step is an UPDATE that also names the state it
starts from, so two threads cannot both take it. Knows nothing of training.

Jobs are equal if document, owner, recipe, base and what is studied are. What a job studies is found
when it begins; until then it is equal to a request whatever that would study.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

from sqlite_utils import Database

from storage import documents
from storage.errors import IllegalTransition, NotFound
from storage.records import Job, JobRequest, JobState
from storage.store import Store
from storage.values import clean, new_id, now, to_json

LEGAL: dict[JobState, tuple[JobState, ...]] = {
    "queued": ("running", "cancelled"),
    "running": ("done", "failed", "cancelled", "interrupted", "queued"),
    "interrupted": ("queued", "cancelled"),
    "failed": ("queued", "cancelled"),
    "done": (),
    "cancelled": (),
}
_FRESH = {"finished_at": "", "message": "", "error_code": "", "error": ""}
_COLUMNS = ", ".join(field.name for field in fields(Job))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What makes two jobs of a document equal. `studied` is opaque here."""

    recipe: dict[str, Any]
    base: str
    studied: str

    @property
    def columns(self) -> list[str]:
        return [to_json(self.recipe), clean(self.base)]


def add(store: Store, document_id: str, owner: str, wanted: Wanted, *, name: str) -> Job:
    """A queued job; an equal one that waits or runs already is returned instead.

    Looking and adding are one transaction, so a double click makes one job. Raises `NotFound`.
    """
    with store.write() as db:
        documents.one(db, document_id, owner)
        live = _equal(db, document_id, owner, wanted, _LIVE)
        if live is not None:
            return live
        job_id = new_id()
        db.execute(
            "INSERT INTO jobs (id, owner, document_id, name, recipe, base_model, created_at, place)"
            f" VALUES (?, ?, ?, ?, ?, ?, ?, {_LAST_PLACE})",
            [job_id, owner, document_id, clean(name), *wanted.columns, now()],
        )
        return one(db, job_id)


_LIVE = "state IN ('queued', 'running')"
_USABLE = (
    "(state IN ('queued', 'running', 'interrupted') OR state = 'done'"
    " AND adapter_id IN (SELECT id FROM adapters WHERE state = 'ready'))"
)
_RUNNING = "SELECT COUNT(*) FROM jobs WHERE state = 'running'"
_LAST_PLACE = "(SELECT COALESCE(MAX(place), 0) + 1 FROM jobs)"


def find(store: Store, document_id: str, owner: str, wanted: Wanted) -> Job | None:
    """The newest equal job that makes another one needless.

    A done job whose adapter has been deleted, or lost its files, is not such a job.
    """
    with store.read() as db:
        return _equal(db, document_id, owner, wanted, _USABLE)


def _equal(db: Database, document_id: str, owner: str, wanted: Wanted, states: str) -> Job | None:
    sql = (
        f"SELECT {_COLUMNS} FROM jobs WHERE document_id = ? AND owner = ? AND recipe = ?"
        f" AND base_model = ? AND (studied IS NULL OR studied = ?) AND {states}"
        f" ORDER BY seq DESC LIMIT 1"
    )
    rows = db.query(sql, [document_id, owner, *wanted.columns, wanted.studied])
    return next((_job(row) for row in rows), None)


def set_studied(store: Store, job_id: str, studied: str) -> None:
    """Notes what the job studies. Raises `NotFound`."""
    with store.write() as db:
        one(db, job_id)
        db.execute("UPDATE jobs SET studied = ? WHERE id = ?", [studied, job_id])


def studied(store: Store, job_id: str) -> str | None:
    """As it was noted; None where it is not known, and for a job that is not there."""
    with store.read() as db:
        row = db.execute("SELECT studied FROM jobs WHERE id = ?", [job_id]).fetchone()
        return row[0] if row else None


def job(store: Store, job_id: str, owner: str | None = None) -> Job:
    """As `one`."""
    with store.read() as db:
        return one(db, job_id, owner)


def one(db: Database, job_id: str, owner: str | None = None) -> Job:
    """`owner` None means: whoever's, for the worker. Raises `NotFound`."""
    sql = f"SELECT {_COLUMNS} FROM jobs WHERE id = ? AND owner = COALESCE(?, owner)"
    for row in db.query(sql, [job_id, owner]):
        return _job(row)
    raise NotFound("There is no such job.")


def _job(row: dict[str, Any]) -> Job:
    parsed = {name: json.loads(row[name]) for name in ("recipe", "pinned")}
    return Job(**{**row, **parsed})


def all_of(store: Store, owner: str) -> list[Job]:
    """Newest first."""
    sql = f"SELECT {_COLUMNS} FROM jobs WHERE owner = ? ORDER BY seq DESC"
    with store.read() as db:
        return [_job(row) for row in db.query(sql, [owner])]


def position(store: Store, job_id: str) -> int:
    """1 for the next in the queue, of all owners; 0 for a job that runs or is over."""
    sql = (
        "SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND place <="
        " (SELECT place FROM jobs WHERE id = ? AND state = 'queued')"
    )
    with store.read() as db:
        one(db, job_id)
        count: int = db.execute(sql, [job_id]).fetchone()[0]
        return count


def waiting(store: Store) -> int:
    """Number of queued jobs of all owners."""
    with store.read() as db:
        count: int = db.execute("SELECT COUNT(*) FROM jobs WHERE state = 'queued'").fetchone()[0]
        return count


def move(db: Database, job: Job, to: JobState, **columns: Any) -> None:
    """Changes the state, and with it `columns`.

    Raises `IllegalTransition` if the table forbids it, or somebody else was faster.
    """
    if to in LEGAL[job.state]:
        assignments = ", ".join(f"{name} = ?" for name in ("state", *columns))
        cursor = db.execute(
            f"UPDATE jobs SET {assignments} WHERE id = ? AND state = ?",
            [to, *columns.values(), job.id, job.state],
        )
        if cursor.rowcount == 1:
            return
    raise IllegalTransition(f"“{job.name}” is {job.state} and cannot become {to}.")


def claim(store: Store, at_once: int) -> Job | None:
    """The queued job with the first place, now running; None if none waits or `at_once` run.

    A request made before a restart stays: the worker sees it again.
    """
    sql = f"SELECT {_COLUMNS} FROM jobs WHERE state = 'queued' ORDER BY place LIMIT 1"
    with store.write() as db:
        running: int = db.execute(_RUNNING).fetchone()[0]
        if running >= at_once:
            return None
        for row in list(db.query(sql)):
            return begin(db, _job(row))
    return None


def begin(db: Database, job: Job) -> Job:
    move(db, job, "running", **_FRESH, attempts=job.attempts + 1, started_at=now())
    return one(db, job.id)


def request_stop(store: Store, job_id: str, owner: str, *, keep: bool) -> Job:
    """Cancels what does not run; asks the worker about what runs.

    Raises `IllegalTransition` for a job that is over and has nothing to discard.
    """
    with store.write() as db:
        job = one(db, job_id, owner)
        if job.state == "running":
            request: JobRequest = "keep" if keep else "discard"
            db.execute("UPDATE jobs SET request = ? WHERE id = ?", [request, job_id])
        elif job.state == "queued" or not keep:
            move(db, job, "cancelled", finished_at=now())
        else:
            raise IllegalTransition(f"“{job.name}” is {job.state}; there is nothing to keep.")
        return one(db, job_id)


def finish(
    store: Store, job_id: str, state: JobState, *, error_code: str, error: str, message: str
) -> Job:
    """Ends a running job as failed, cancelled or interrupted.

    Raises `IllegalTransition` for anything else: a job is done only by publishing its adapter.
    """
    with store.write() as db:
        job = one(db, job_id)
        if job.state != "running" or state not in ("failed", "cancelled", "interrupted"):
            raise IllegalTransition(f"“{job.name}” is {job.state} and cannot become {state}.")
        told = {"error_code": error_code, "error": clean(error), "message": clean(message)}
        move(db, job, state, finished_at=now(), **told)
        return one(db, job_id)


def complete(db: Database, job: Job, adapter_id: str) -> None:
    """Done, in the transaction that inserts the adapter. A job to be discarded never gets here."""
    if job.request == "discard":
        raise IllegalTransition(f"“{job.name}” is to be discarded.")
    move(db, job, "done", adapter_id=adapter_id, finished_at=now(), request="")


def adopt(db: Database, job: Job, adapter_id: str) -> None:
    """Done, from whatever state, because its adapter was found complete: a fact, not a step."""
    db.execute(
        "UPDATE jobs SET state = 'done', adapter_id = ?, request = '', error_code = '', error = '',"
        " finished_at = ? WHERE id = ?",
        [adapter_id, now(), job.id],
    )


def requeue(store: Store, job_id: str, owner: str) -> Job:
    """Puts a failed or interrupted job at the end of the queue, with all attempts before it."""
    with store.write() as db:
        job = one(db, job_id, owner)
        documents.one(db, job.document_id, owner)
        if job.state == "running":
            raise IllegalTransition(f"“{job.name}” is running already.")
        move(db, job, "queued", **_FRESH, request="", attempts=0)
        db.execute(f"UPDATE jobs SET place = {_LAST_PLACE} WHERE id = ?", [job_id])
        return one(db, job_id)
