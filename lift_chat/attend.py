"""Following a lesson to its end, or to where somebody asks to leave it.

The worker follows one for as long as it takes, a slice for as long as the device is lent: what is
left behind is the same, and so is what a run that was stopped but is kept still has to do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

from lift_chat.lift.lesson import Lesson
from lift_chat.lift.progress import ProgressEvent


class Leave(Exception):
    """The lesson was left between two events or two turns of the device; `request` says why:
    “close” to go on later, “discard” for good."""

    def __init__(self, request: str) -> None:
        super().__init__(request)
        self.request = request


def attend(lesson: Lesson, asked: Callable[[], str]) -> Generator[ProgressEvent, None, None]:
    """Yields the lesson's events. After each, `asked` says whether to go on (""), or to leave.

    “keep” measures what was learned so far, and ends as the end of the lesson does; it waits until
    something was trained here. Raises `Leave` for other requests, after a checkpoint if the run is
    to go on.
    """
    try:
        yield from _events(lesson, asked)
    except Leave as leave:
        if leave.request == "close" and lesson.step:
            lesson.save_checkpoint()
        if leave.request != "keep":
            raise
        lesson.measure_after()


def _events(lesson: Lesson, asked: Callable[[], str]) -> Generator[ProgressEvent, None, None]:
    with closing(lesson.run()) as events:
        for event in events:
            yield event
            request = asked()
            if request and (request != "keep" or _can_be_kept(lesson, event)):
                raise Leave(request)


def _can_be_kept(lesson: Lesson, event: ProgressEvent) -> bool:
    """Whether something was trained; a run that goes on knows its exam again only from then on."""
    return bool(lesson.step) and event.stage in ("training", "exam")
