"""What a Ray worker does with one task: its own checkpoints, files from bytes, and bytes of files.

Every machine of the cluster needs the same lift-chat and finds the base model by itself;
checkpoints lie in the cache folder of the machine that works, so a task that is started again on
the same machine goes on from there. Knows nothing of the cluster.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray

from lift_chat.executors.carrying import carry_out
from lift_chat.executors.results import Failed, Left, read_result
from lift_chat.settings import Settings

FORGOTTEN_SECONDS = 14 * 24 * 3600
"""Checkpoints that nobody has come back for in so long are removed."""

Files = dict[str, bytes]


def work(job_id: str, order: Files, mailbox: Any) -> Files:
    """Carries out the order and gives the files of its results; `mailbox` takes what it says."""
    runs = Settings(host="127.0.0.1", share=False).cache / "runs"
    forget_old(runs)
    folder = runs / job_id
    # Other accounts of the machine have no business in what somebody reads.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lift-chat-") as scratch:
        given, results = Path(scratch, "order"), Path(scratch, "results")
        given.mkdir()
        results.mkdir()
        unpack(order, given)
        carry_out(given, folder, results, lambda lines: _told(mailbox, job_id, lines))
        match read_result(results):
            case Failed() | Left("close"):
                os.utime(folder)
            case _:
                shutil.rmtree(folder, ignore_errors=True)
        return packed(results)


def _told(mailbox: Any, job_id: str, lines: Sequence[str]) -> str:
    return str(ray.get(mailbox.report.remote(job_id, list(lines))))


def forget_old(runs: Path) -> None:
    """Removes the checkpoints of jobs that were given up, or went on elsewhere."""
    for folder in runs.glob("*/"):
        if time.time() - folder.stat().st_mtime > FORGOTTEN_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def packed(folder: Path) -> Files:
    """All files below `folder`, by their path in it."""
    there = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in there}


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
