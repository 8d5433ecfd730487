"""A limit on the processor time of a piece of pure Python, without a second process.

Raises in the middle of whatever runs. On systems without interval timers it does nothing; there
the wall clock of the parent is the only limit.
"""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

_AGAIN: Final = 0.5
"""Seconds until it rings again, should the first time have been in a destructor."""


class OutOfTime(BaseException):
    """The limit is reached. Not an `Exception`: parsers that go on after those must not go on."""


def _ring(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise OutOfTime


@contextmanager
def processor_time(seconds: float) -> Iterator[None]:
    """Raises `OutOfTime` inside the block after `seconds` of processor time. Main thread only."""
    setitimer = getattr(signal, "setitimer", None)
    if setitimer is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGPROF, _ring)
    # Python drops what is raised inside a callback of its garbage collector.
    collects = gc.isenabled()
    gc.disable()
    setitimer(signal.ITIMER_PROF, seconds, _AGAIN)
    try:
        yield
    finally:
        setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        if collects:
            gc.enable()
