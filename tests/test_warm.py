"""Reading ahead: what it saves the first question, and when it does nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lift_chat import ChatSettings, LiftChat
from lift_chat.models.context_mode import ContextMode
from storage.records import LOCAL, Adapter
from tests.conftest import QUICK, TALE

LONG, LONGER = 3, 12
"""Times the tale: about 600 tokens, which the tiny model's window holds, and too many for it."""

SHORT = ChatSettings(max_new_tokens=6)
QUESTION = "Who lit the lamp?"


@pytest.fixture
def absorb(app: LiftChat, tmp_path: Path) -> Callable[[int], Adapter]:
    def absorb(times: int) -> Adapter:
        path = tmp_path / f"tale-{times}.txt"
        path.write_text("\n\n".join([TALE] * times), encoding="utf-8")
        return app.absorb(app.add_document(path).id, QUICK.with_changes(epochs=1)).wait(60)

    return absorb


@contextmanager
def reading(app: LiftChat, adapter: Adapter) -> Iterator[list[int]]:
    """The numbers of tokens that the adapter's tree is given at a time."""
    tree = app.engine.adapted(adapter, lambda: app.library.adapter_folder(adapter.id, LOCAL))
    read: list[int] = []

    def note(_: Any, __: Any, inputs: dict[str, Any]) -> None:
        read.append(inputs["input_ids"].shape[1])

    hook = tree.register_forward_pre_hook(note, with_kwargs=True)
    yield read
    hook.remove()


def asked(app: LiftChat, adapter: Adapter, settings: ChatSettings = SHORT) -> tuple[str, int]:
    """The answer, and how many tokens were read for its first one."""
    with reading(app, adapter) as read:
        pieces = app.reply(adapter.id, QUESTION, settings)
        first = next(pieces)
        before = sum(read)
        return first + "".join(pieces), before


@pytest.mark.parametrize(("times", "context"), [(LONG, "retrieved"), (LONGER, "truncated")])
def test_the_first_question_finds_the_document_read(
    app: LiftChat, absorb: Callable[[int], Adapter], times: int, context: ContextMode
) -> None:
    adapter, settings = absorb(times), replace(SHORT, context=context)
    app.engine.forget(adapter.id)
    answer, whole = asked(app, adapter, settings)
    app.engine.forget(adapter.id)
    app.warm(adapter.id, settings)
    assert asked(app, adapter, settings)[0] == answer
    app.engine.forget(adapter.id)
    app.warm(adapter.id, settings)
    assert asked(app, adapter, settings)[1] <= whole - 512
    with reading(app, adapter) as read:
        app.warm(adapter.id, settings)
    assert read == []  # there is nothing left to do


def test_a_finished_run_leaves_its_document_read(
    app: LiftChat, absorb: Callable[[int], Adapter]
) -> None:
    adapter = absorb(LONG)
    prefix = app.engine.prefix(
        app.engine.adapted(adapter, lambda: app.library.adapter_folder(adapter.id, LOCAL))
    )
    until = time.monotonic() + 30
    while prefix.is_empty and time.monotonic() < until:  # the job is over before that
        time.sleep(0.01)
    _, read = asked(app, adapter)
    assert 0 < read < app.window(adapter.id, QUESTION, SHORT).prompt_tokens - 256


@pytest.mark.parametrize("context", ["retrieved", "none"])
def test_where_each_question_is_shown_something_else_nothing_is_read(
    app: LiftChat, absorb: Callable[[int], Adapter], context: ContextMode
) -> None:
    adapter = absorb(LONGER)
    with reading(app, adapter) as read:
        app.warm(adapter.id, replace(SHORT, context=context))
    assert read == []


def test_a_chat_that_goes_on_keeps_its_adapter(
    app: LiftChat, absorb: Callable[[int], Adapter]
) -> None:
    mine, other = absorb(LONG), absorb(LONG + 1)
    "".join(app.reply(mine.id, QUESTION, SHORT))
    with reading(app, mine) as read:
        app.warm(other.id, SHORT)
        "".join(app.reply(mine.id, QUESTION, SHORT))
    assert 0 < sum(read) < 256
