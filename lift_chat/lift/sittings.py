"""When the exam is held during a run, what of it is shown, and which weights it chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lift_chat.lift.best import Best
from lift_chat.lift.exam import Exam, Sitting
from lift_chat.lift.progress import PinnedAnswer, ProgressEvent, Stage
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.train import TrainState

Control = Callable[[], tuple[str, Any] | None]
"""Another document's adapter: its name and the model, or None where there is none."""


CLEAR = 10.0
"""Points by which a sitting must beat the last one for its weights to be taken. With the usual 16
questions two sittings differ by 8 points by chance alone (a standard error), and going back throws
away all that was read since."""


class Sittings:
    """Over one run's exam. Without questions nothing is ever due."""

    def __init__(self, exam: Exam, best: Best, config: LiftConfig) -> None:
        self.exam, self.best, self._config = exam, best, config

    def missed(self, state: TrainState) -> bool:
        """Whether the run was left between this step and its exam."""
        return self.due(state) and self.exam.history[-1]["step"] < state.step

    @property
    def chooses(self) -> bool:
        """Whether there are weights of an earlier sitting to choose from."""
        return bool(self.exam) and bool(self.best.step)

    def due(self, state: TrainState) -> bool:
        """Whether the exam is held after this step; the last one belongs to `last`."""
        parts = self._config.exams
        steps = {round(state.total * part / parts) for part in range(1, parts)}
        return bool(self.exam) and state.step in steps - {0, state.total}

    @property
    def enough(self) -> bool:
        """Whether so many sittings in a row brought nothing that training stops."""
        return 0 < self._config.patience <= self.exam.waited

    def first(self, state: TrainState) -> ProgressEvent:
        return self._told("exam", state, self.exam.before(state.adapted))

    def hold(self, state: TrainState) -> ProgressEvent:
        pinned = self.exam.during(state.adapted, state.step)
        self.best.offer(state, self.exam.history[-1]["closed"])
        return self._told("exam", state, pinned)

    def take_best(self, state: TrainState) -> Sitting | None:
        """Goes back to the best sitting, if the last one is clearly worse, or if training was
        stopped because none came up to it for so long. Returns the last one where it stays."""
        closed = None if self.enough else self.exam.hold(state.adapted, "closed")
        if closed is None or closed.f1 + CLEAR < self.best.score:
            self.best.take(state)
            return None
        return closed

    def last(
        self, state: TrainState, control: Control, closed: Sitting | None = None
    ) -> ProgressEvent:
        """`closed` is what these very weights said closed book, if they were asked already."""
        pinned = self.exam.after(state.adapted, state.step, closed)
        other = control()
        if other is not None:
            self.exam.compare(other[1], other[0])
        return self._told("after", state, pinned)

    def report(self, step: int) -> dict[str, Any]:
        """What is kept with the adapter; nothing where no exam was held to the end."""
        report = self.exam.report()
        if report is None:
            return {}
        return {
            "exam": report,
            "absorption": self.exam.absorption,
            "pinned": self.exam.pinned,
            "best_step": self.best.taken or step,
        }

    def _told(
        self, stage: Stage, state: TrainState, pinned: tuple[PinnedAnswer, ...]
    ) -> ProgressEvent:
        score = self.exam.history[-1]["closed"]
        return ProgressEvent(stage, state.step, state.total, exam=score, pinned=pinned)
