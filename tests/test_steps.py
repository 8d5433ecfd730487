from __future__ import annotations

from collections.abc import Generator

import pytest

from lift_chat.steps import finished, retold


def work(log: list[str]) -> Generator[int, None, str]:
    try:
        yield from range(3)
        return "made"
    finally:
        log.append("closed")


def test_what_is_said_is_put_otherwise_and_what_is_made_comes_back() -> None:
    told: list[str] = []

    def outer() -> Generator[str, None, None]:
        told.append((yield from retold(work([]), lambda step: f"step {step}")))

    assert list(outer()) == ["step 0", "step 1", "step 2"]
    assert told == ["made"]


def test_nobody_has_to_watch() -> None:
    assert finished(work([])) == "made"


def test_closing_closes_the_work() -> None:
    log: list[str] = []
    running = retold(work(log), str)
    assert next(running) == "0"
    assert log == []
    running.close()
    assert log == ["closed"]


def test_an_error_of_the_work_is_the_callers() -> None:
    def broken() -> Generator[int, None, str]:
        yield 1
        raise ValueError("no disk")

    with pytest.raises(ValueError, match="no disk"):
        finished(broken())
