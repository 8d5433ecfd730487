"""What a running job says about itself: where it is, the points of its curves, pinned answers.

Knows nothing of the meaning of a stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from typing import Any

from storage import jobs
from storage.errors import IllegalTransition
from storage.records import Metric
from storage.store import Store
from storage.values import clean, to_json

_COLUMNS = ", ".join(field.name for field in fields(Metric))


def set_progress(
    store: Store, job_id: str, *, stage: str, step: int, total: int, message: str
) -> None:
    """Raises `IllegalTransition` unless the job runs."""
    with store.write() as db:
        job = jobs.one(db, job_id)
        if job.state != "running":
            raise IllegalTransition(f"“{job.name}” is {job.state} and makes no progress.")
        db.execute(
            "UPDATE jobs SET stage = ?, step = ?, total = ?, message = ? WHERE id = ?",
            [clean(stage), step, total, clean(message), job_id],
        )


def set_pinned(store: Store, job_id: str, pinned: Sequence[dict[str, Any]]) -> None:
    """Replaces what the job's pinned questions were answered so far. Raises `NotFound`."""
    with store.write() as db:
        jobs.one(db, job_id)
        db.execute("UPDATE jobs SET pinned = ? WHERE id = ?", [to_json(pinned), job_id])


def add(store: Store, job_id: str, rows: Sequence[Metric]) -> int:
    """Appends points and gives the `seq` of the last one; the `seq` of the given ones is ignored.

    A number that is not finite is stored as unknown (None, or 0 where one is due).
    """
    with store.write() as db:
        jobs.one(db, job_id)
        sql = "SELECT COALESCE(MAX(seq), 0) FROM metrics WHERE job_id = ?"
        last: int = db.execute(sql, [job_id]).fetchone()[0]
        marks = ", ".join("?" * (len(fields(Metric)) + 1))
        for row in rows:
            last += 1
            point = replace(
                row,
                seq=last,
                loss=_finite(row.loss),
                tokens_per_second=_finite(row.tokens_per_second) or 0.0,
                seconds=_finite(row.seconds) or 0.0,
                eta_seconds=_finite(row.eta_seconds),
                exam=_finite(row.exam),
            )
            db.execute(
                f"INSERT INTO metrics (job_id, {_COLUMNS}) VALUES ({marks})",
                [job_id, *astuple(point)],
            )
        return last


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def since(store: Store, job_id: str, seq: int) -> list[Metric]:
    """The points after `seq`, in order."""
    sql = f"SELECT {_COLUMNS} FROM metrics WHERE job_id = ? AND seq > ? ORDER BY seq"
    with store.read() as db:
        jobs.one(db, job_id)
        return [Metric(**row) for row in db.query(sql, [job_id, seq])]
