from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lift_chat.demo import ask_unread, run_demo
from lift_chat.examples import questions
from lift_chat.models.engine import Engine
from lift_chat.models.loading import LoadedModel
from lift_chat.settings import Settings
from storage.library import Library
from tests.cli.fakes import FakeLiftChat


@pytest.fixture
def service(tmp_path: Path) -> FakeLiftChat:
    return _PdfReader(Library.open(tmp_path / "home"), Settings(), worker=True)


class _PdfReader(FakeLiftChat):
    """Takes the example's text for its PDF: reading PDFs is not what is shown here."""

    def add_document(self, path: str | Path) -> Any:
        return super().add_document(Path(path).with_suffix(".md"))


def test_the_demo_asks_before_and_after(
    service: FakeLiftChat, capsys: pytest.CaptureFixture[str]
) -> None:
    with service:
        assert run_demo(service, unread=lambda *_: iter(["I do ", "not know."]))  # type: ignore[arg-type]
    out = capsys.readouterr().out
    before, after = out.split("Absorbing it:")
    pinned = [question for question in questions() if question.pinned]
    assert len(pinned) == 3
    for question in pinned:
        for part in (before, after):
            assert question.question in part
            assert f"document: {question.answers[0]}" in part
    assert before.count("model:    I do not know.") == 3
    assert after.count("model:    It was lit by Sable Quist.") == 3
    assert "3.50 before, 0.50 after" in after


def test_a_failed_demo_says_why(service: FakeLiftChat, capsys: pytest.CaptureFixture[str]) -> None:
    service.fail = "The disk is full."
    with service:
        assert not run_demo(service, unread=lambda *_: iter(["?"]))  # type: ignore[arg-type]
    assert capsys.readouterr().err.splitlines()[-1] == "The disk is full."


def test_the_unread_model_is_shown_no_text_of_the_document(
    service: FakeLiftChat, tiny: LoadedModel, tale: Path
) -> None:
    class _Service:
        engine = Engine(lambda: tiny)

    with service:
        document = service.add_document(tale.rename(tale.with_suffix(".md")))
        first = "".join(ask_unread(_Service(), document, "Who lit it?"))  # type: ignore[arg-type]
        service.delete_document(document.id)
        again = "".join(ask_unread(_Service(), document, "Who lit it?"))  # type: ignore[arg-type]
    assert first == again
