"""What runs in a container of Hugging Face Jobs: `python -m lift_chat.executors.container REPO`.

Fetches the order from a private repository, carries it out, and puts the results beside it. How far
it is stands in the job's log, by numbers alone: what is said of the document (questions, answers)
goes into the repository with the results, since logs are kept by others for longer.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from lift_chat.errors import HubRefused, LiftChatError, NotFound
from lift_chat.executors.carrying import carry_out
from lift_chat.executors.messages import Message, Wrote, from_line, to_line
from lift_chat.lift.progress import ProgressEvent
from storage.hub.repository import RepoType, fetch, look, push

KIND: RepoType = "dataset"
ORDER, RESULTS, REQUEST = "order/", "results/", "request/"
"""Where in the repository the order and the results lie; `request/keep` is there when wanted."""

MESSAGES = "messages.jsonl"
MARK = "lift-chat"
"""Begins the lines of the log that are meant for the one who gave the order."""

MOST_BYTES = 64 << 30
LOG_SECONDS = 1.0
ASK_SECONDS = 20.0
"""Between two looks into the repository for what is wanted."""


def main(arguments: Sequence[str]) -> int:
    (repo,) = arguments
    try:
        with tempfile.TemporaryDirectory(prefix="lift-chat-") as place:
            work_through(repo, Path(place))
    except LiftChatError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def work_through(repo: str, place: Path) -> None:
    """Raises `NotFound`, `HubRefused`. The token is the client's, from the job's secret."""
    found = look(repo, token=None, repo_type=KIND)
    names = [name for name in found.files if name.startswith(ORDER)]
    fetch(found, names, place, token=None, most_bytes=MOST_BYTES, repo_type=KIND)
    results = place / RESULTS
    results.mkdir()
    with open(results / MESSAGES, "w", encoding="utf-8") as kept:
        carry_out(place / ORDER, place / "work", results, Desk(repo, kept))
    look(repo, token=None, repo_type=KIND)  # gone by now if nobody wants the results any more
    made = [RESULTS + path.name for path in sorted(results.iterdir())]
    push(place, made, repo, public=False, token=None, message="What came of it", repo_type=KIND)


class Desk:
    """The contact of the task: writes down what is said, and asks what is wanted."""

    def __init__(self, repo: str, kept: TextIO) -> None:
        self._repo, self._kept = repo, kept
        self._number = 0
        self._stage = ""
        self._logged, self._asked = 0.0, time.monotonic()

    def __call__(self, lines: Sequence[str]) -> str:
        for line in lines:
            message = from_line(line)
            if isinstance(message, Wrote) or (
                isinstance(message, ProgressEvent) and message.pinned
            ):
                self._kept.write(line + "\n")
            if isinstance(message, ProgressEvent):
                self._log_progress(replace(message, pinned=()))
            elif not isinstance(message, Wrote):
                self._log(message)
        return self._request()

    def _log_progress(self, event: ProgressEvent) -> None:
        now = time.monotonic()
        edge = event.stage != self._stage or event.exam is not None or event.step >= event.total
        if edge or now - self._logged >= LOG_SECONDS:
            self._stage, self._logged = event.stage, now
            self._log(event)

    def _log(self, message: Message) -> None:
        self._number += 1
        print(MARK, self._number, to_line(message), flush=True)

    def _request(self) -> str:
        now = time.monotonic()
        if now - self._asked < ASK_SECONDS:
            return ""
        self._asked = now
        try:
            there = look(self._repo, token=None, repo_type=KIND).files
        except NotFound:
            return "discard"
        except HubRefused:
            return ""  # it is asked again
        return "keep" if REQUEST + "keep" in there else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
