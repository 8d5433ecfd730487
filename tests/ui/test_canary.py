"""A visitor's token through every endpoint, event and failure: it stays in the visitor's cookie."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from lift_chat.__main__ import QUIETED
from lift_chat.settings import Settings
from storage.connection import Index
from tests.conftest import QUICK, TALE
from tests.hub.fake_hub import FakeHub
from tests.hub.faulty_server import Answer, Cut
from tests.ui.space import Space, Visitor, served_space
from tests.ui.test_matrix import ALICE, ENTRIES, OPTIONS, Things, handlers, pytestmark, walked
from ui.owner import token_of

__all__ = ["pytestmark"]

CANARY = f"hf_oauth_{secrets.token_hex(20)}"
NOTHING = Things(upload="/x", export="/x", document="x", job="x", adapter="x", conversation="x")


@pytest.fixture
def space(tiny_folder: Path, tmp_path: Path) -> Iterator[Space]:
    settings = Settings(
        home=tmp_path / "home",
        cache=tmp_path / "cache",
        base_model=str(tiny_folder),
        device="cpu",
        threads=1,
        log_level="DEBUG",
    )
    with served_space(settings, tmp_path / "gradio") as served:
        served.provider.tokens["alice"] = CANARY
        yield served


def told_by_every_endpoint(visitor: Visitor, has: Things) -> str:
    """All answers, right or wrong, to the matrix's arguments and to none that make sense."""

    def told(name: str, data: list[Any]) -> str:
        begun = visitor.begin(name, *data)
        if begun.status_code != 200:
            return begun.text
        return visitor.get(f"/gradio_api/call/{name}/{begun.json()['event_id']}").text

    asked = [
        (name, data)
        for name, entry in ENTRIES.items()
        for data in (entry.arguments(has), [{"token": 1}] * 4)
    ]
    with ThreadPoolExecutor(4) as pool:
        return "".join(pool.map(lambda one: told(*one), asked))


def log_everything(caplog: pytest.LogCaptureFixture) -> None:
    """As the program does where it is asked to."""
    caplog.set_level(logging.DEBUG)
    for name, level in QUIETED.items():
        caplog.set_level(level, name)


def in_files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and CANARY.encode() in p.read_bytes()]


def test_a_token_is_in_no_file_log_or_answer(
    space: Space,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    log_everything(caplog)
    alice = space.visitor("alice")
    book = tmp_path / "book.txt"
    book.write_text(TALE, encoding="utf-8")
    file = {"path": alice.upload(book), "orig_name": "b", "meta": {"_type": "gradio.FileData"}}
    begun = alice.call("absorb", file, "skim", OPTIONS)
    has = Things(
        upload=file["path"],
        export="/x",
        document=begun["document_id"],
        job=begun["job_id"],
        adapter="x",
        conversation="x",
    )
    told = [told_by_every_endpoint(alice, NOTHING), told_by_every_endpoint(alice, has)]
    told += walked(alice, space.app, NOTHING).values()

    def broken(*_: object) -> None:
        raise RuntimeError("the index is broken")

    monkeypatch.setattr(Index, "read", broken)
    told += [told_by_every_endpoint(alice, has), *walked(alice, space.app, has).values()]
    monkeypatch.undo()
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/openapi.json"):
        told.append(alice.get(path).text)
    assert sum("internal" in text.lower() for text in told) > 20, "errors were forced"
    assert CANARY not in "".join(told)
    assert CANARY not in caplog.text + "".join(capfd.readouterr())
    assert CANARY not in json.dumps(space.app.config, default=str)
    assert in_files(tmp_path) == []
    assert "RuntimeError: the index is broken" in caplog.text, "tracebacks were looked at"


def test_a_token_that_went_to_the_hub_stays_between_the_two(
    space: Space,
    hub: FakeHub,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    log_everything(caplog)
    hub.users[CANARY] = "alice"
    alice = space.visitor("alice")
    book = tmp_path / "book.txt"
    book.write_text(TALE, encoding="utf-8")
    file = {"path": alice.upload(book), "orig_name": "b", "meta": {"_type": "gradio.FileData"}}
    document = alice.call("absorb", file, "skim", OPTIONS)["document_id"]
    adapter = space.service.absorb(document, QUICK, owner=ALICE).wait(120)
    told = [json.dumps(alice.call("push", adapter.id, "alice/tale", False, False))]
    told.append(json.dumps(alice.call("pull", "alice/tale", "")))
    assert [request.token for request in hub.requests].count(CANARY) > 5
    for repo in ("alice/tale", "bob/tale"):
        for status in (401, 403, 412, 429, 500):
            hub.fail(Answer.error(status, f"Not with {CANARY}"))
            told.append(alice.refused("push", adapter.id, repo, False, False))
        hub.fail(Cut())
        told.append(alice.refused("pull", repo, ""))
    assert CANARY not in "".join(told) + caplog.text + "".join(capfd.readouterr())
    assert in_files(tmp_path) == []


def test_an_endpoint_that_asks_for_the_token_gets_the_visitors_own(space: Space) -> None:
    seen: list[object] = []

    def ask(request: gr.Request) -> str:
        seen.append(token_of(request))
        return "asked"

    event = handlers(space.app)["LibraryHandlers.show2"]
    event.fn, event.inputs, event.outputs = ask, [], event.outputs[:1]
    signed_in = space.visitor("alice")
    for visitor in (signed_in, space.visitor()):
        visitor.trigger(event._id, f"page-{visitor.cookie[-6:]}", [])
    assert seen == [CANARY, False]
    space.provider.seconds = -1
    ended = space.visitor("alice")
    ended.trigger(event._id, "page-ended", [])
    assert seen[2:] == [False]
