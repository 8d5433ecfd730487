"""A thread of the program that works until it is told to end, and sleeps until it is woken.

What it works on is written in rows by others; waking it only spares them its sleep.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Background(ABC):
    """`start` the thread, `wake` it when there is work, `close` it with the app."""

    def __init__(self, name: str) -> None:
        self._closing = threading.Event()
        self._awake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._awake.set()

    def close(self) -> None:
        """Returns when the thread has ended."""
        self._closing.set()
        self._awake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _sleep(self, seconds: float) -> None:
        """At most so long."""
        self._awake.wait(seconds)
        self._awake.clear()

    @abstractmethod
    def _run(self) -> None:
        """What the thread does, until `_closing` is set."""
