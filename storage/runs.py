"""The scratch folders of jobs: checkpoints and logs, of use only until the job is over for good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from storage import files, jobs
from storage.store import Store


def folder(store: Store, job_id: str) -> Path:
    """`runs/<id>`, made if need be. Raises `NotFound`."""
    with store.read() as db:
        path = store.runs / jobs.one(db, job_id).id
    path.mkdir(exist_ok=True)
    return path


def clear(store: Store, job_ids: Sequence[str]) -> int:
    """Bytes freed."""
    return sum(files.remove_folder(store.runs / job_id, store.staging) for job_id in job_ids)


def sweep(store: Store) -> int:
    """Removes the folders of jobs that are unknown, done or cancelled; gives their number."""
    with store.read() as db:
        sql = "SELECT id FROM jobs WHERE state NOT IN ('done', 'cancelled')"
        wanted = {row["id"] for row in db.query(sql)}
    orphans = [path.name for path in store.runs.iterdir() if path.name not in wanted]
    clear(store, orphans)
    return len(orphans)
