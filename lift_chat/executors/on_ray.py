"""Tasks on a Ray cluster, or on the Ray that is started on this machine when there is none.

Files travel as bytes through Ray's object store, messages through a mailbox: an actor beside the
one who gives the orders. What is done at the other end is `ray_worker`'s. Imported only when it is
used.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lift_chat.errors import ExecutorUnavailable
from lift_chat.executors.order import Means
from lift_chat.executors.ray_worker import Files, packed, unpack, work
from lift_chat.executors.results import FILES, Failed, Left, Lost, Outcome, read_result

GONE = (
    WorkerCrashedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    LocalRayletDiedError,
    RayActorError,
)
"""What became of a worker, not of its work."""

ANSWER_SECONDS = 10.0


def connect(means: Means) -> RayExecutor:
    """Joins the cluster that `RAY_ADDRESS` names or that runs on this machine, or starts Ray here.

    Raises `ExecutorUnavailable`.
    """
    started = not ray.is_initialized()
    if started:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        _require_answer(os.environ.get("RAY_ADDRESS", ""))
        with _signals_kept():
            try:
                ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            except (RayError, OSError, RuntimeError, ValueError) as error:
                raise ExecutorUnavailable(f"Ray cannot be had: {error!s:.300}") from error
    return RayExecutor(means, started=started)


def _require_answer(address: str) -> None:
    """Ray itself takes minutes to find out that nobody is there."""
    host, _, port = address.rpartition(":")
    if address.startswith("ray://"):
        raise ExecutorUnavailable(
            "Start lift-chat on a machine of the cluster; ray:// is not used."
        )
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
        except OSError as error:
            raise ExecutorUnavailable(
                f"No Ray answers at {address}, which RAY_ADDRESS names."
            ) from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself, whose end here is an orderly one."""
    held = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, held)


class RayExecutor:
    """One GPU for each task where the cluster has any and the settings allow it, else as many CPUs
    as the settings name threads, one by default."""

    def __init__(self, means: Means, *, started: bool) -> None:
        self._started = started
        there = _resources()
        if means.device != "cpu" and there.get("GPU", 0) >= 1:
            self._unit, self._share = "GPU", 1.0
        elif means.device == "cuda":
            raise ExecutorUnavailable("A CUDA device was asked for, but the Ray cluster has none.")
        else:
            self._unit = "CPU"
            self._share = min(float(means.threads or 1), max(there.get("CPU", 1.0), 1.0))
        wanted = {"num_gpus": 1} if self._unit == "GPU" else {"num_cpus": self._share}
        # Whether a task is tried again is for the one to decide who knows how far it came.
        task: Any = ray.remote(max_retries=0, **wanted)(work)
        self._task = task.options(name="lift-chat")
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        mailbox: Any = ray.remote(num_cpus=0)(_Mailbox)
        self._mailbox = mailbox.options(scheduling_strategy=here).remote()

    @property
    def at_once(self) -> int:
        """Of the cluster as it is now; it may grow."""
        return max(1, int(_resources().get(self._unit, 0.0) / self._share))

    def start(self, job_id: str, order: Path, results: Path) -> _RayTask:
        working = self._task.remote(job_id, ray.put(packed(order)), self._mailbox)
        return _RayTask(job_id, working, self._mailbox, results)

    def close(self) -> None:
        """Stops the Ray that was started here, and leaves any other as it is."""
        if self._started:
            ray.shutdown()
        else:
            ray.kill(self._mailbox)


class _RayTask:
    def __init__(self, job_id: str, working: Any, mailbox: Any, results: Path) -> None:
        self._job_id, self._working, self._mailbox = job_id, working, mailbox
        self._results = results
        self._request, self._heard = "", False

    def ask(self, request: str) -> None:
        self._request = request
        if request in ("discard", "close") and not self._heard:
            # It may still wait for a machine, and then nobody looks into the mailbox.
            ray.cancel(self._working)

    def messages(self) -> list[str]:
        lines: list[str] = ray.get(self._mailbox.take.remote(self._job_id, self._request))
        self._heard = self._heard or bool(lines)
        return lines

    def outcome(self) -> Outcome | None:
        ready, _ = ray.wait([self._working], timeout=0)
        if not ready:
            return None
        try:
            came: Files = ray.get(self._working)
            unpack({name: came[name] for name in FILES if name in came}, self._results)
            return read_result(self._results)
        except TaskCancelledError:
            return Left(self._request)
        except GONE:
            return Lost("The Ray worker with this job died.")
        except RayTaskError as error:
            return Failed("internal", f"The Ray worker could not do it ({error.cause!r:.200}).")

    def end(self) -> None:
        ray.cancel(self._working, force=True)


class _Mailbox:
    """Lines on their way from tasks, requests on their way to them."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, list[str]] = defaultdict(list)
        self._requests: dict[str, str] = {}

    def report(self, job_id: str, lines: Sequence[str]) -> str:
        self._lines[job_id].extend(lines)
        return self._requests.get(job_id, "")

    def take(self, job_id: str, request: str) -> list[str]:
        self._requests[job_id] = request
        return self._lines.pop(job_id, [])


def _resources() -> dict[str, float]:
    """What the cluster has by now, in use or not."""
    there: Any = ray.cluster_resources  # which has no types
    return dict(there())
