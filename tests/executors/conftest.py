"""An executor that carries out orders in threads of this process, and can lose its workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lift_chat import LiftChat
from lift_chat.executors.carrying import carry_out
from lift_chat.executors.executor import Executor
from lift_chat.executors.messages import Message, from_line
from lift_chat.executors.order import Means
from lift_chat.executors.results import Lost, Outcome, read_result
from lift_chat.lift.progress import ProgressEvent
from lift_chat.settings import Settings


class Killed(Exception):
    """Ends a worker without a word."""


Watch = Callable[["ThreadTask", Message], None]


@dataclass
class ThreadTask:
    """`watch` sees every message in the worker's thread before it is sent."""

    order: Path
    work: Path
    results: Path
    watch: Watch
    lines: list[str] = field(default_factory=list)
    request: str = ""
    lost: bool = False

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            carry_out(self.order, self.work, self.results, self._contact)
        except Killed:
            self.lost = True

    def _contact(self, lines: Sequence[str]) -> str:
        for line in lines:
            self.lines.append(line)
            self.watch(self, from_line(line))
        return self.request

    def ask(self, request: str) -> None:
        self.request = request

    def messages(self) -> list[str]:
        taken, self.lines = self.lines, []
        return taken

    def outcome(self) -> Outcome | None:
        if self.thread.is_alive():
            return None
        return Lost("The worker died.") if self.lost else read_result(self.results)

    def end(self) -> None:
        self.request = "discard"
        self.thread.join()


@dataclass
class Threads:
    """`starts` are the jobs of the tasks, in the order of their starts."""

    base: Path
    watch: Watch = lambda task, message: None
    at_once: int = 2
    starts: list[str] = field(default_factory=list)
    closed: bool = False

    def start(self, job_id: str, order: Path, results: Path) -> ThreadTask:
        self.starts.append(job_id)
        work = self.base / job_id
        work.mkdir(parents=True, exist_ok=True)
        return ThreadTask(order, work, results, self.watch)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def threads(tmp_path: Path) -> Threads:
    return Threads(tmp_path / "workers")


@pytest.fixture
def elsewhere(
    settings: Settings, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., LiftChat]:
    """Opens the app with `threads` as its executor, and with other settings if there are any."""

    def connector(settings: Settings, means: Means) -> Callable[[], Executor]:
        return lambda: threads

    monkeypatch.setattr("lift_chat.service.connector", connector)
    # Every message at once: a worker is to die at a step, not somewhere near it.
    monkeypatch.setattr("lift_chat.executors.carrying.CONTACT_SECONDS", 0.0)

    def opened(wanted: Settings = settings) -> LiftChat:
        return LiftChat.open(settings=wanted.model_copy(update={"executor": "ray"}))

    return opened


def at_step(step: int, act: Callable[[], object]) -> Watch:
    """Once training has come to `step`: `act`, and then nothing until something is wanted."""

    def watch(task: ThreadTask, message: Message) -> None:
        if trained(message) >= step and not task.request:
            act()
            while not task.request:
                time.sleep(0.01)

    return watch


def trained(message: Message) -> int:
    """The step, of a message from training."""
    if isinstance(message, ProgressEvent) and message.stage == "training":
        return message.step
    return 0
