"""Carries out one order, on whatever machine: files in a folder in, files in a folder out.

Everything else that an executor has to do is to bring the files there and back. Meanwhile the task
says how it goes and is told what is wanted of it, through its contact; it knows no library.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import torch

from lift_chat.adapters import kinds
from lift_chat.base_model import load_base
from lift_chat.costs import Costs
from lift_chat.executors.messages import Begun, Message, Saved, Wrote, to_line
from lift_chat.executors.order import Means, Order
from lift_chat.executors.results import Failed, Left, Made, write_result
from lift_chat.failures import told_of
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.preparation import STUDY
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.study.endpoint import EndpointWriter
from lift_chat.lift.study.writer import Writer
from lift_chat.models.device import pick_device
from lift_chat.models.engine import Engine
from lift_chat.settings import Settings

Contact = Callable[[Sequence[str]], str]
"""Takes lines of messages to whoever gave the order; gives what is wanted of the task by now: “”,
“keep”, “discard” or “close”."""

CONTACT_SECONDS = 0.25
"""At most this long between two contacts while training goes on."""


def carry_out(order: Path, work: Path, results: Path, contact: Contact) -> None:
    """Fills the empty folder `results`, also where the order cannot be carried out.

    Checkpoints lie in `work`, made if need be, from which the run goes on if there are any.
    Raises only what `contact` raises, and OSError if not even the failure can be written.
    """
    line = _Line(contact)
    outcome: Made | Left | Failed
    try:
        work.mkdir(parents=True, exist_ok=True)
        outcome = _absorb(Order.read(order), work, results, line)
    except _NoContact as error:
        raise error.reason from None
    except Exception as error:
        outcome = Failed(*told_of(error))
    line.flush()
    write_result(results, outcome)


def _absorb(order: Order, work: Path, results: Path, line: _Line) -> Made | Left:
    means = order.means
    if means.threads is not None:
        torch.set_num_threads(means.threads)
    engine = _engine(means)
    line.say(ProgressEvent("loading", 0, 1, message="Loading the base model."))
    base = engine.base
    line.say(ProgressEvent("reading", 0, 1))
    line.say(Begun(anew=not (work / STUDY).exists()))
    assignment = order.for_base(base.identity.fingerprint)
    config = assignment.config
    lesson = assignment.lesson(
        base,
        work,
        engine.turn,
        fit=Costs(lambda: base, engine.visit).fit(config),
        writer=_writer(means.settings()) if config.writer == "endpoint" else None,
        on_items=lambda items: line.say(Wrote(tuple(items))),
        on_checkpoint=lambda: line.say(Saved(lesson.step)),
    )
    try:
        request = _follow(lesson, line)
        if request == "close" and lesson.step:
            lesson.save_checkpoint()
        if request in ("close", "discard"):
            return Left(request)
        if request == "keep":
            lesson.measure_after()
        line.say(ProgressEvent("saving", 0, 1))
        kinds.save(lesson.adapted, results, base.identity)
        return Made(results, base.identity, lesson.metrics())
    finally:
        engine.release()


def _follow(lesson: Lesson, line: _Line) -> str:
    """To the end of the lesson, or to the first event after something was wanted."""
    with closing(lesson.run()) as events:
        for event in events:
            line.say(event)
            # Before the first step there is nothing to keep.
            if line.request and not (line.request == "keep" and not lesson.step):
                return line.request
    return ""


@lru_cache(maxsize=1)
def _engine(means: Means) -> Engine:
    """One base per process: the next task of the same process finds it loaded."""
    settings = means.settings()
    return Engine(lambda: load_base(settings, means.base_model, pick_device(means.device)))


def _writer(settings: Settings) -> Writer:
    """The endpoint that this machine's own settings name: its key travels in no order."""
    return EndpointWriter(settings.writer_url, settings.writer_model, settings.writer_key)


class _NoContact(BaseException):
    """Nobody is there to be told; no error of the run."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)
        self.reason = reason


class _Line:
    """Gathers messages, so that small steps do not wait for a far machine each time."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact
        self._waiting: list[str] = []
        self._stage = ""
        self._last = 0.0
        self.request = ""

    def say(self, message: Message) -> None:
        self._waiting.append(to_line(message))
        stage = message.stage if isinstance(message, ProgressEvent) else self._stage
        if stage != self._stage or time.monotonic() - self._last >= CONTACT_SECONDS:
            self._stage = stage
            self.flush()

    def flush(self) -> None:
        try:
            self.request = self._contact(self._waiting) or self.request
        except Exception as error:
            raise _NoContact(error) from error
        self._waiting = []
        self._last = time.monotonic()
