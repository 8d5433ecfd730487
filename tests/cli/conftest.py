"""A desk to type commands at: a library of its own, no settings from this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lift_chat.cli import run
from tests.cli.fakes import Desk


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Type = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def bare_desk(bare_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIFT_CHAT_HOME", str(tmp_path / "home"))
    # A fake job gets on only when it is looked at.
    monkeypatch.setattr("lift_chat.commands.watching.POLL_SECONDS", 0.0)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "home")


@pytest.fixture
def type_in(desk: Desk, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types one command line; what came out of it."""

    def typed(*arguments: str) -> Outcome:
        capsys.readouterr()
        status = run(arguments, desk.program)
        out, err = capsys.readouterr()
        return Outcome(status, out, err)

    return typed


@pytest.fixture
def tale(tmp_path: Path) -> Path:
    path = tmp_path / "tale.txt"
    path.write_text("The lamp of Orrin Vale was lit by a keeper named Sable Quist.")
    return path
