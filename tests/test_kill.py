"""`kill -9` of the server at random moments, in the middle of everything.

`LIFT_CHAT_KILLS` sets how often (20); every start must come up by itself.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file

from lift_chat import LiftChat
from lift_chat.lift.recipe import LiftConfig
from lift_chat.settings import Settings
from storage.library import Library
from tests.conftest import QUICK

KILLS = int(os.environ.get("LIFT_CHAT_KILLS", "20"))
START_SECONDS = 120
OPTIONS = {**QUICK.with_changes(epochs=60, checkpoint_seconds=0.2).to_dict()}

pytestmark = [
    pytest.mark.slow,
    # gradio_client leaves its connections to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """The real program as its own process; killed with all its children."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "lift_chat", "serve", "--no-browser"),
                *("--home", str(settings.home), "--port", str(self.port)),
                *("--base-model", settings.base_model, "--log-level", "WARNING"),
            ],
            env={**os.environ, "LIFT_CHAT_CACHE": str(settings.cache), "LIFT_CHAT_THREADS": "1"},
            start_new_session=True,
        )

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def is_up(self) -> bool:
        assert self.process.poll() is None, "the server did not come up by itself"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self) -> Client:
        return Client(f"http://127.0.0.1:{self.port}", verbose=False)


@contextmanager
def served(settings: Settings, *, wait: bool = True) -> Iterator[Server]:
    server = Server(settings)
    try:
        deadline = time.monotonic() + START_SECONDS
        while wait and not server.is_up():
            assert time.monotonic() < deadline, "the server did not answer"
            time.sleep(0.1)
        yield server
    finally:
        server.kill()


def library_is_sound(home: Path) -> None:
    """No half adapter, no stale row, no leftover, whatever was going on."""
    with Library.open(home) as library:
        jobs = library.jobs("local")
        adapters = library.adapters("local")
        for adapter in adapters:
            library.verify_adapter(adapter.id, "local")
        folders = {path.name for path in (home / "adapters").iterdir()}
        assert folders == {adapter.id for adapter in adapters}
        # A done job whose adapter was deleted since names none.
        done = {job.adapter_id for job in jobs if job.state == "done"} - {None}
        assert done == {adapter.id for adapter in adapters}
        assert not [path for path in (home / "staging").iterdir()]
        library.recover_jobs()
        assert not [job for job in library.jobs("local") if job.state == "running"]


def test_a_server_killed_at_random_moments_loses_nothing(settings: Settings, tale: Path) -> None:
    chance = random.Random(20_26)
    with served(settings) as server:
        answer: dict[str, Any] = server.client().predict(
            handle_file(str(tale)), "read", OPTIONS, api_name="/absorb"
        )
        job_id = answer["job_id"]
        time.sleep(chance.uniform(0, 2))
    reached = 0
    for _ in range(KILLS - 1):
        library_is_sound(settings.home)
        with Library.read_only(settings.home) as library:
            job = library.job(job_id, "local")
        assert job.state in ("queued", "interrupted", "done")
        reached = max(reached, job.step)
        # Every third kill falls somewhere into the start itself.
        with served(settings, wait=chance.random() > 0.33) as server:
            if job.state == "interrupted" and server.is_up():
                server.client().predict(job_id, api_name="/resume_job")
            time.sleep(chance.uniform(0, 3))
    library_is_sound(settings.home)
    assert reached > 0, "no kill fell into the training"
    finish_and_check(settings, job_id)


def finish_and_check(settings: Settings, job_id: str) -> None:
    """The job ends by itself after the last kill, with the adapter of an undisturbed run."""
    with LiftChat.open(settings=settings) as app:
        job = app.job(job_id).job
        if job.state == "interrupted":
            app.resume_job(job_id)
        handle = app.absorb(job.document_id, LiftConfig.from_dict(job.recipe))
        assert handle.id == job_id
        killed = handle.wait(120)
        weights = (app.library.adapter_folder(killed.id, "local") / FILE).read_bytes()
        app.delete_adapter(killed.id)
        calm = app.absorb(job.document_id, LiftConfig.from_dict(job.recipe)).wait(120)
        undisturbed = (app.library.adapter_folder(calm.id, "local") / FILE).read_bytes()
    assert weights == undisturbed
    library_is_sound(settings.home)


FILE = "adapter_model.safetensors"
