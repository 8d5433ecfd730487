from __future__ import annotations

import io
from dataclasses import replace

import pytest

from lift_chat.commands.watching import Seen, facts_of, follow, stage_of
from storage.records import LOCAL, Job, Metric

JOB = Job(
    id="1", owner=LOCAL, document_id="d", adapter_id=None, name="Tale", state="running",
    request="", recipe={}, stage="training", step=1, total=2, attempts=1, message="",
    error_code="", error="", created_at="", started_at="", finished_at="",
)  # fmt: skip
POINT = Metric(1, "training", 1, 2, 1.5, 512, 1234.5, 1.0, 65.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    told = replace(JOB, message="Goes on with [bold]half\x1b[2J the windows.")
    end = replace(JOB, state="done", step=2)
    assert follow([Seen(told, (POINT,), 0), Seen(told, (), 0), Seen(end, (), 0)]) == end
    shown = terminal.getvalue()
    assert shown.count("the windows.") == 1
    assert "[bold]half" in shown, "a message is text, not markup"
    assert "half\x1b[2J" not in shown
    assert "loss 1.500, 1,234 tokens/s" in shown
    assert "100%" in shown


def test_without_a_terminal_a_stage_is_at_most_eleven_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = [replace(JOB, step=step, total=1000) for step in range(1001)]
    follow(Seen(job, (POINT,), 0) for job in steps)
    assert 10 <= len(capsys.readouterr().err.splitlines()) <= 11


def test_the_time_left_is_that_of_the_stage() -> None:
    assert facts_of(None, JOB) == ""
    assert facts_of(POINT, JOB) == "loss 1.500, 1,234 tokens/s, 1 min 05 s left"
    assert "left" not in facts_of(POINT, replace(JOB, stage="after"))
    assert "left" not in facts_of(POINT, replace(JOB, state="done"))


def test_the_latest_exam_is_told_until_the_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held = replace(POINT, loss=None, stage="exam", exam=27.5)
    told = [Seen(JOB, (POINT, held, POINT), 0), Seen(replace(JOB, step=2), (POINT,), 0)]
    follow(told)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("loss 1.500, exam 28 %" in line for line in lines)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    follow(told)
    assert "exam 28 %" in terminal.getvalue()


def test_a_stage_reads_as_what_happens() -> None:
    queued = replace(JOB, state="queued")
    assert stage_of(Seen(queued, (), 3)) == "waiting, number 3 in line"
    assert stage_of(Seen(JOB, (), 0)) == "absorbing"
    assert stage_of(Seen(replace(JOB, stage="writing"), (), 0)) == "writing questions"
    assert stage_of(Seen(replace(JOB, stage="new"), (), 0)) == "new"
    assert stage_of(Seen(replace(JOB, state="failed"), (), 0)) == "failed"


def test_nothing_to_follow_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no status"):
        follow([])
