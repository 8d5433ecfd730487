"""Tasks on machines of Hugging Face: each a job that the account which is logged in pays for.

Imported only when it is used. The machine gets lift-chat by pip or in its image, as the settings
say, and the base model from the Hub.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lift_chat.errors import InvalidConfig, LiftChatError
from lift_chat.executors import container
from lift_chat.executors.hf_task import HfTask, Note
from lift_chat.executors.order import Means
from lift_chat.models.catalog import EMBEDDED
from lift_chat.models.embedded import INSTALL
from lift_chat.reader.merge import AUTO, NONE
from lift_chat.settings import Settings
from storage.hub import jobs, repository
from storage.values import new_id

PLAIN_IMAGE = "python:3.12"
"""For pip to install into; torch brings what it needs of CUDA."""


def connect(means: Means, settings: Settings) -> HfJobs:
    """Raises `InvalidConfig` for what a machine of Hugging Face cannot have, `HubRefused` where
    nobody is logged in."""
    if not (settings.jobs_source or settings.jobs_image):
        raise InvalidConfig(
            "Say where a machine of Hugging Face gets lift-chat from: set jobs_source to what pip "
            "installs there, or jobs_image to an image that has it."
        )
    for name in (means.base_model, means.reader):
        local = name not in (EMBEDDED, AUTO, NONE) and Path(name).expanduser().exists()
        if local or name.endswith(".gguf"):
            raise InvalidConfig(
                f"A machine of Hugging Face cannot see {name}: name a model of the Hub."
            )
    return HfJobs(means, settings, repository.account(None))


def command(means: Means, source: str | None, repo: str) -> tuple[str, ...]:
    """What the container runs."""
    run = ("python", "-m", container.__name__, repo)
    if not source:
        return run
    steps = ['pip install "$1"']
    if means.base_model == EMBEDDED:
        steps.append(INSTALL)
    steps.append(f'exec python -m {container.__name__} "$2"')
    return ("sh", "-c", " && ".join(steps), "sh", source, repo)


class HfJobs:
    def __init__(self, means: Means, settings: Settings, account: str) -> None:
        self._means, self._settings, self._account = means, settings, account

    @property
    def at_once(self) -> int:
        return self._settings.jobs_at_once

    def start(self, job_id: str, order: Path, results: Path) -> HfTask:
        return HfTask(self._send, order, results)

    def close(self) -> None:
        """Nothing is held."""

    def _send(self, order: Path) -> Note:
        """The order in a repository of its own, and a job for it. Raises `HubRefused`, and leaves
        nothing on the Hub then."""
        note = Note(self._account, f"{self._account}/{container.MARK}-{new_id().lower()}")
        note.write(order.parent)
        try:
            made = self._submit(order, note.repo)
        except LiftChatError:
            with suppress(LiftChatError):
                repository.forget(note.repo, token=None, repo_type=container.KIND)
            raise
        note = replace(note, job=made.id, url=made.url)
        note.write(order.parent)
        return note

    def _submit(self, order: Path, repo: str) -> jobs.HubJob:
        names = [path.relative_to(order.parent) for path in order.rglob("*") if path.is_file()]
        repository.push(
            order.parent,
            [name.as_posix() for name in names],
            repo,
            public=False,
            token=None,
            message="An order",
            repo_type=container.KIND,
        )
        settings = self._settings
        wanted = jobs.Container(
            image=settings.jobs_image or PLAIN_IMAGE,
            command=command(self._means, settings.jobs_source, repo),
            flavor=settings.jobs_flavor,
            hours=settings.jobs_hours,
        )
        return jobs.submit(wanted, self._account, token=None)
