"""What the dispatcher needs of whatever runs tasks elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from lift_chat.executors.results import Outcome


class Task(Protocol):
    """One order that is being carried out."""

    def ask(self, request: str) -> None:
        """Wants “keep”, “discard” or “close” of it; may be said again and again."""

    def messages(self) -> list[str]:
        """The lines that it has said since the last time."""

    def outcome(self) -> Outcome | None:
        """None while it goes on. All that it said can be had from `messages` once it is over."""

    def end(self) -> None:
        """Stops it, or looks after it no longer: what it was asked for last may still happen."""


class Executor(Protocol):
    @property
    def at_once(self) -> int:
        """How many tasks it has room for, all in all."""

    def start(self, job_id: str, order: Path, results: Path) -> Task:
        """Carries out the order in the folder `order`; `results` is filled when it is over."""

    def close(self) -> None:
        """Lets go of the machines."""
