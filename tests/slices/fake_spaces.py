"""What a ZeroGPU Space brings: `GPU`, whose functions run in a forked process.

As in spaces 0.51 (zero/wrappers.py): the process is forked at the call, arguments and results are
pickled, a generator's values come one by one, closing it closes the one in the process at its next
value, of an exception only the name of its class comes back, a process that is over its time is
killed, and one that ended its work in order is used again for the next call.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import wraps
from multiprocessing.connection import Connection
from typing import Any

CONTEXT = multiprocessing.get_context("fork")
END = "end"


class Error(Exception):
    """Stands for `gr.Error`, which keeps its words in `message`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass
class Spaces:
    """In the next call the process is killed instead of giving value number `kill_at`; `refuse` is
    why none is lent."""

    reuses: bool = True
    kill_at: int = 0
    refuse: str = ""
    calls: list[float] = field(default_factory=list)
    """The seconds that each call asked for."""
    pids: list[int] = field(default_factory=list)
    _workers: dict[int, _Worker] = field(default_factory=dict)

    def GPU(self, *, duration: float) -> Callable[[Any], Any]:  # as it is named there
        def decorate(task: Callable[..., Iterator[Any]]) -> Callable[..., Generator[Any]]:
            @wraps(task)
            def handler(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
                if self.refuse:
                    raise Error(self.refuse)
                self.calls.append(duration)
                worker = self._workers.pop(id(task), None) or _Worker(task)
                self.pids.append(worker.process.pid or 0)
                timer = threading.Timer(duration, worker.kill)
                timer.start()
                try:
                    kill_at, self.kill_at = self.kill_at, 0
                    yield from self._values(worker, pickle.dumps((args, kwargs, kill_at)))
                finally:
                    timer.cancel()
                    if self.reuses and worker.process.is_alive():
                        self._workers[id(task)] = worker
                    else:
                        worker.kill()

            return handler

        return decorate

    def _values(self, worker: _Worker, call: bytes) -> Iterator[Any]:
        worker.stop.clear()
        worker.pipe.send_bytes(call)
        while True:
            kind, value = worker.receive()
            if kind == END:
                return
            if kind == "error":
                raise Error(value)
            try:
                yield value
            except GeneratorExit:
                worker.stop.set()
                while worker.receive()[0] != END:
                    pass
                raise

    def close(self) -> None:
        for worker in self._workers.values():
            worker.kill()


class _Worker:
    def __init__(self, task: Callable[..., Iterator[Any]]) -> None:
        self.pipe, there = CONTEXT.Pipe()
        self.stop = CONTEXT.Event()
        self.process = CONTEXT.Process(target=_serve, args=(task, there, self.stop), daemon=True)
        self.process.start()
        there.close()

    def receive(self) -> tuple[str, Any]:
        try:
            kind, value = pickle.loads(self.pipe.recv_bytes())
            return kind, value
        except (EOFError, ConnectionResetError) as error:
            self.process.join()
            raise Error("GPU task aborted") from error

    def kill(self) -> None:
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.join()


def _serve(task: Callable[..., Iterator[Any]], pipe: Connection, stop: Any) -> None:
    sys.addaudithook(_no_database)
    while True:
        args, kwargs, kill_at = pickle.loads(pipe.recv_bytes())
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_iterate, task(*args, **kwargs), pipe, stop, kill_at).result()
        pipe.send_bytes(pickle.dumps((END, None)))


def _iterate(values: Iterator[Any], pipe: Connection, stop: Any, kill_at: int) -> None:
    for count in itertools.count(1):
        try:
            value = next(values)
        except StopIteration:
            return
        except Exception as error:
            pipe.send_bytes(pickle.dumps(("error", type(error).__name__)))
            return
        if stop.is_set():
            values.close()  # type: ignore[attr-defined]
            return
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        pipe.send_bytes(pickle.dumps(("value", value)))


def _no_database(event: str, args: tuple[Any, ...]) -> None:
    """A connection must not cross a fork, and no library may be opened on the other side of one.
    What lies in memory alone is the process's own."""
    if event == "sqlite3.connect" and args != (":memory:",):
        raise RuntimeError(f"the forked process opened a database: {args!r}")
