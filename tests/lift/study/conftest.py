from __future__ import annotations

from collections.abc import Callable

import pytest

from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study import teacher
from lift_chat.lift.study.writer import BaseWriter
from lift_chat.lift.study.writing import WritingProgress, Written, write_items
from lift_chat.models.loading import LoadedModel
from tests.conftest import drained, no_turn
from tests.lift.study.script import CHRONICLE, TITLE, Say, scripted

Write = Callable[..., tuple[list[WritingProgress], Written]]
"""(reply to a prompt, recipe, text) -> events and result."""


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer passes the reader: a random model would agree with none."""
    monkeypatch.setattr(teacher, "AGREEMENT", 0.0)


@pytest.fixture
def write(tiny: LoadedModel) -> Write:
    def run(
        say: Say, config: LiftConfig, text: str = CHRONICLE
    ) -> tuple[list[WritingProgress], Written]:
        writer = BaseWriter(tiny, no_turn, scripted(say))
        writing = write_items(tiny, TITLE, text, config, turn=no_turn, writer=writer)
        return drained(writing)

    return run
