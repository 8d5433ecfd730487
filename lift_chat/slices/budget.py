"""The seconds that a device is lent for, and leaving it in time.

A turn of the device is granted only while there is time for the longest of the latest turns, and
for saving after it. Nothing that computes has to know of it: everything takes turns.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lift_chat.attend import Leave
from lift_chat.lift.train import TrainState
from lift_chat.models.device import Turn

SPARE = 0.05
"""Share of the time that is never planned with: what is done between turns, and a process that is
slow to end."""

LATEST = 64
"""Turns whose longest the next one is expected to take at most `GROWTH` times."""

GROWTH = 1.5

DISK = 100e6
"""Bytes per second that a checkpoint is expected to be written and hashed with, until one was."""


class TimeUp(Leave):
    """There is no time for another turn."""

    def __init__(self) -> None:
        super().__init__("close")


class Budget:
    """`seconds` from `begun`, a moment of `clock`."""

    def __init__(
        self, seconds: float, begun: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._end, self._clock = begun + seconds * (1 - SPARE), clock
        self._latest: deque[float] = deque([0.0], maxlen=LATEST)
        self._saving = 0.0

    def plan_saving(self, state: TrainState | None, measured: float) -> None:
        """Time is kept for a checkpoint of `state`; the last one took `measured` seconds, if
        any."""
        if measured:
            self._saving = GROWTH * measured
        elif state is not None:
            # A master and two moments in fp32.
            numbers = sum(master.numel() for master in state.optimizer.masters)
            self._saving = 12 * numbers / DISK

    def over(self, turn: Turn) -> Turn:
        """`turn`, as long as there is time. Raises `TimeUp` from then on."""

        @contextmanager
        def granted() -> Iterator[bool | None]:
            started = self._clock()
            if started + GROWTH * max(self._latest) + self._saving > self._end:
                raise TimeUp
            with turn() as shared:
                yield shared
            self._latest.append(self._clock() - started)

        return granted
