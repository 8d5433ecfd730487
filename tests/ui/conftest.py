"""A fake service, an app over it, and that app served on a free port of this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
import pytest
from gradio_client import Client

from lift_chat.settings import Settings
from tests.ui.fakes import FakeLiftChat
from ui.app import build_app, launch_options

T = TypeVar("T")


def in_loop(make: Callable[[], T]) -> T:
    """`make()` inside a running event loop; outside of one, Gradio makes two and leaks them."""

    async def run() -> T:
        return make()

    return asyncio.run(run())


@pytest.fixture
def fake() -> Iterator[FakeLiftChat]:
    service = FakeLiftChat()
    yield service
    service.close()


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "a-note.txt"
    path.write_text("The Lathrin drains the lake.", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("library"), port=free_port())


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[tuple[FakeLiftChat, str]]:
    """(the fake, the app's address); shared by a module's tests, so they use their own rows."""
    service: Any = FakeLiftChat(seconds_per_step=0.02)
    app = in_loop(lambda: build_app(service))
    options = {**launch_options(settings), "server_port": free_port()}
    _, address, _ = in_loop(lambda: app.launch(**options, prevent_thread_lock=True, quiet=True))
    yield service, address
    service.close()
    app.close()


@pytest.fixture(scope="module")
def client(served: tuple[FakeLiftChat, str]) -> Iterator[Client]:
    connection = Client(served[1], verbose=False)
    yield connection
    connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def event(**data: Any) -> gr.EventData:
    """The event that a click on a card sends."""
    return gr.EventData(None, data)
