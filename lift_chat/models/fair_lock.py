"""A lock that is granted in the order of asking, and says whether others are about to ask.

Knows threads and a clock, nothing of what is locked.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARED_SECONDS = 20.0
"""Who asked for the device this short a while ago is about to ask again: a token of an answer, or
the next question."""


class FairLock:
    """A mutex that is granted in the order of asking; `threading.Lock` promises no order, and a
    training loop that releases and asks again at once would keep a chat waiting.

    Whoever gets it is told whether another thread asked for it lately, and did not leave since.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False
        self._asked: dict[threading.Thread, float] = {}  # a number is given to the next one, too

    @contextmanager
    def turn(self) -> Iterator[bool]:
        self._acquire()
        try:
            yield self._is_shared()
        finally:
            self._release()

    def leave(self) -> None:
        """The calling thread is not about to ask again."""
        with self._mutex:
            self._asked.pop(threading.current_thread(), None)

    def _is_shared(self) -> bool:
        with self._mutex:
            since = self._clock() - SHARED_SECONDS
            self._asked = {who: at for who, at in self._asked.items() if at > since}
            return not self._asked.keys() <= {threading.current_thread()}

    def _acquire(self) -> None:
        with self._mutex:
            self._asked[threading.current_thread()] = self._clock()
            if not self._held:
                self._held = True
                return
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        ticket.acquire()

    def _release(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False
