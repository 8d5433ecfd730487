"""What a task says while it works: one message is one line of JSON.

Lines travel through anything: a mailbox, a log, a file. Knows nothing of who sends them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from lift_chat.lift.progress import PinnedAnswer, ProgressEvent
from storage.records import StudyItem


@dataclass(frozen=True)
class Begun:
    """The base is loaded. `anew` unless the run goes on from where an earlier one was cut off."""

    anew: bool


@dataclass(frozen=True)
class Wrote:
    """Study questions that the run has written, with offsets of the assignment's text."""

    items: tuple[StudyItem, ...]


@dataclass(frozen=True)
class Saved:
    """A checkpoint was reached."""

    step: int


Message = ProgressEvent | Begun | Wrote | Saved
_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (ProgressEvent, Begun, Wrote, Saved)
}


def to_line(message: Message) -> str:
    return json.dumps({"says": type(message).__name__, **asdict(message)})


def from_line(line: str) -> Message:
    """Inverse of `to_line`. Raises ValueError for anything else."""
    try:
        told: dict[str, Any] = json.loads(line)
        kind = _KINDS[told.pop("says")]
        if kind is ProgressEvent:
            told["pinned"] = tuple(PinnedAnswer(**answer) for answer in told["pinned"])
        if kind is Wrote:
            told["items"] = tuple(StudyItem(**item) for item in told["items"])
        return kind(**told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a task said what it cannot say: {error!r:.200}") from error
