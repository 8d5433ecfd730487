"""One job of Hugging Face, from the order that is sent there to the results that come back.

The repository with both is private, made for this one task, and deleted when it is over. When the
program ends before, the job goes on: the note of it lies in the run's folder, and the next start
takes it up again.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from lift_chat.errors import HubRefused, NotFound
from lift_chat.executors import container
from lift_chat.executors.messages import Begun, from_line
from lift_chat.executors.results import FILES, RESULT, Failed, Left, Outcome, read_result
from lift_chat.failures import told_of
from storage.files import write_file
from storage.hub import jobs, repository

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
PATIENCE = 60
"""Looks in a row at which the Hub may not answer."""

END_SECONDS = 30.0
NOTE = "hf-job.json"
_SAID = re.compile(rf"{container.MARK} (\d+) (\{{.*\}})")


@dataclass(frozen=True)
class Note:
    """Which job works on the run; `job` is empty as long as none was made."""

    account: str
    repo: str
    job: str = ""
    url: str = ""

    def write(self, folder: Path) -> None:
        write_file(folder / NOTE, json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, folder: Path) -> Note | None:
        try:
            return cls(**json.loads((folder / NOTE).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def hub_job(self) -> jobs.HubJob:
        return jobs.HubJob(self.account, self.job, self.url)


class HfTask:
    """Looks after one job from a thread of its own, since the Hub may take its time to answer.

    `send` brings an order to the Hub and makes a job for it.
    """

    def __init__(self, send: Callable[[Path], Note], order: Path, results: Path) -> None:
        self._send, self._order, self._results = send, order, results
        self._folder = order.parent
        self._lines: list[str] = []
        self._heard = 0
        self._request, self._kept = "", False
        self._resumed = False
        self._outcome: Outcome | None = None
        self._awake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hf-job", daemon=True)
        self._thread.start()

    def ask(self, request: str) -> None:
        if request != self._request:
            self._request = request
            self._awake.set()

    def messages(self) -> list[str]:
        count = len(self._lines)
        taken, self._lines[:count] = self._lines[:count], []
        return taken

    def outcome(self) -> Outcome | None:
        return self._outcome

    def end(self) -> None:
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        try:
            self._outcome = self._follow(self._taken_up() or self._send(self._order))
        except Exception as error:
            code, sentence = told_of(error)
            log.warning("a job on Hugging Face: %s", code)
            self._outcome = Failed(code, sentence)

    def _taken_up(self) -> Note | None:
        """The job that was left alone when the program ended."""
        note = Note.read(self._folder)
        if note is not None and not note.job:
            self._forget(note)
            return None
        self._resumed = note is not None
        return note

    def _follow(self, note: Note) -> Outcome:
        silent = 0
        while True:
            try:
                outcome, silent = self._look(note), 0
            except HubRefused:
                outcome, silent = None, silent + 1
                if silent >= PATIENCE:
                    raise
            if outcome is not None:
                return outcome
            self._awake.wait(LOOK_SECONDS)
            self._awake.clear()

    def _look(self, note: Note) -> Outcome | None:
        if self._request == "close":
            return Left("close")
        if self._request == "discard":
            jobs.cancel(note.hub_job, token=None)
            self._forget(note)
            return Left("discard")
        if self._request == "keep" and not self._kept:
            self._tell(note, "keep")
        try:
            stage, said = jobs.stage(note.hub_job, token=None)
        except NotFound:
            stage, said = "failed", "it is not there any more"
        if stage in ("running", "done"):
            self._hear(jobs.log_lines(note.hub_job, token=None))
        if stage == "cancelled":
            self._forget(note)
            return Failed(stage, "The job was cancelled on Hugging Face; resume it to start over.")
        return self._ended(note, said) if stage in ("done", "failed") else None

    def _hear(self, log_lines: list[str]) -> None:
        for line in log_lines:
            found = _SAID.search(line)
            if found is None or int(found[1]) <= self._heard:
                continue
            self._heard = int(found[1])
            try:
                begun = isinstance(from_line(found[2]), Begun)
            except ValueError:
                continue  # a log is no letter: what it cuts short is left out
            if not (begun and self._resumed):  # with what it began, an earlier run was told
                self._lines.append(found[2])

    def _tell(self, note: Note, request: str) -> None:
        (self._folder / container.REQUEST).mkdir(exist_ok=True)
        name = container.REQUEST + request
        (self._folder / name).touch()
        repository.push(
            self._folder,
            [name],
            note.repo,
            public=False,
            token=None,
            message="What is wanted",
            repo_type=container.KIND,
        )
        self._kept = True

    def _ended(self, note: Note, said: str) -> Outcome:
        try:
            found = repository.look(note.repo, token=None, repo_type=container.KIND)
        except NotFound:
            found = None
        wanted = [container.RESULTS + name for name in (*FILES, container.MESSAGES)]
        names = [name for name in wanted if found is not None and name in found.files]
        if found is None or container.RESULTS + RESULT not in names:
            # Not again by itself: what a machine cannot do costs as much the second time.
            self._forget(note)
            why = said or "without a word"
            return Failed(
                "worker_lost", f"The job on Hugging Face failed ({why}); its log: {note.url}"
            )
        shutil.rmtree(self._results, ignore_errors=True)
        repository.fetch(
            found,
            names,
            self._folder,
            token=None,
            most_bytes=container.MOST_BYTES,
            repo_type=container.KIND,
        )
        self._lines += (self._results / container.MESSAGES).read_text("utf-8").splitlines()
        outcome = read_result(self._results)
        self._forget(note)
        return outcome

    def _forget(self, note: Note) -> None:
        """Nothing of the document stays on the Hub."""
        repository.forget(note.repo, token=None, repo_type=container.KIND)
        (self._folder / NOTE).unlink(missing_ok=True)
