"""The ownership matrix: every endpoint, event, file, session and route of the running app, asked by
somebody else with the ids and the addresses of whoever owns the things.

The app is the real one, on a simulated Space; people sign in through Gradio's own routes.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import pytest
from starlette.routing import BaseRoute

from lift_chat.examples import EXAMPLE
from lift_chat.models.context import ChatSettings
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from tests.conftest import QUICK, TALE
from tests.ui.space import Space, Visitor, served_space

pytestmark = [
    # Gradio sums its queue up every now and then, in ways that pandas will drop.
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
    # A stranger's list of choices has nothing of what is asked for.
    pytest.mark.filterwarnings("ignore:The value passed into gr.Dropdown"),
]

ALICE = "hf:sub-alice"
MARKS = (
    "Sable Quist",
    "alices-book",
    "The Lamp of Orrin Vale",
    "Alice's own",
    "The-Lamp-of-Orrin-Vale",
)
"""What nobody but Alice may ever be sent."""
OPTIONS = {key: value for key, value in QUICK.to_dict().items() if key != "based_on"}
SHORT = ChatSettings(max_new_tokens=4)


@dataclass(frozen=True)
class Things:
    """What Alice has."""

    upload: str
    export: str
    document: str
    job: str
    adapter: str
    conversation: str

    @property
    def file(self) -> dict[str, Any]:
        return {"path": self.upload, "orig_name": "f.txt", "meta": {"_type": "gradio.FileData"}}

    @property
    def ids(self) -> list[str]:
        return [self.document, self.job, self.adapter, self.conversation]


@dataclass(frozen=True)
class Entry:
    """Arguments that name Alice's things, and what a stranger gets for them."""

    arguments: Callable[[Things], list[Any]]
    stranger: Any = "not_found"
    anonymous: Any = None


def reading(has: Things) -> list[Any]:
    return [has.file, "skim", OPTIONS]


NO_FILE = "invalid_config: The file has to be uploaded"
ANYBODYS = object()
"""An answer that is the same for everybody."""

ENTRIES = {
    "absorb": Entry(reading, NO_FILE, "sign_in_needed"),
    "estimate": Entry(reading, NO_FILE, "sign_in_needed"),
    "job_status": Entry(lambda has: [has.job, 0]),
    "list_jobs": Entry(lambda has: [], []),
    "stop_job": Entry(lambda has: [has.job, False]),
    "absorb_slice": Entry(lambda has: [has.job, False]),
    "resume_job": Entry(lambda has: [has.job]),
    "list_documents": Entry(lambda has: [""], []),
    "delete_document": Entry(lambda has: [has.document]),
    "study_items": Entry(lambda has: [has.document]),
    "update_study_items": Entry(lambda has: [has.document, []]),
    "list_adapters": Entry(lambda has: [""], []),
    "get_adapter": Entry(lambda has: [has.adapter]),
    "exam": Entry(lambda has: [has.adapter]),
    "update_adapter": Entry(lambda has: [has.adapter, {"name": "mine"}]),
    "delete_adapter": Entry(lambda has: [has.adapter]),
    "chat": Entry(lambda has: [has.adapter, "Who lit the lamp?", {}]),
    "compare": Entry(lambda has: [has.adapter, "Who lit the lamp?", {}]),
    "tint": Entry(lambda has: [has.adapter, "Who?", "Sable", {}]),
    "citations": Entry(lambda has: [has.adapter, "She burned her own letters.", ""]),
    "export_adapter": Entry(lambda has: [has.adapter, True]),
    "import_adapter": Entry(lambda has: [has.file], NO_FILE, "sign_in_needed"),
    "leak": Entry(lambda has: [has.adapter]),
    "push": Entry(lambda has: [has.adapter, "bob/hers", False, False]),
    "pull": Entry(lambda has: ["no-repository", ""], "invalid_config", "sign_in_needed"),
    "health": Entry(lambda has: [], ANYBODYS),
}
"""By endpoint; a new one needs an entry here."""


@pytest.fixture(scope="module")
def space(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    folder = tmp_path_factory.mktemp("space")
    settings = Settings(
        home=folder / "home",
        cache=folder / "cache",
        base_model=str(tiny_folder),
        device="cpu",
        threads=1,
    )
    with served_space(settings, folder / "gradio") as served:
        yield served


@pytest.fixture(scope="module")
def alice(space: Space) -> Visitor:
    return space.visitor("alice")


@pytest.fixture(scope="module")
def bob(space: Space) -> Visitor:
    return space.visitor("bob")


@pytest.fixture(scope="module")
def has(space: Space, alice: Visitor, tmp_path_factory: pytest.TempPathFactory) -> Things:
    folder = tmp_path_factory.mktemp("alice")
    book = folder / "alices-book.txt"
    book.write_text("The Lamp of Orrin Vale\n\n" + TALE, encoding="utf-8")
    upload = alice.upload(book)
    file = {"path": upload, "orig_name": book.name, "meta": {"_type": "gradio.FileData"}}
    begun = alice.call("absorb", file, "skim", OPTIONS)
    service = space.service
    adapter = service.absorb(begun["document_id"], QUICK, owner=ALICE).wait(120)
    alice.call("update_adapter", adapter.id, {"note": "Alice's own", "tags": ["alice"]})
    talk = service.start_conversation(adapter.id, owner=ALICE)
    list(service.converse(talk.id, "Is this Alice's own question?", SHORT, owner=ALICE))
    return Things(
        upload=upload,
        export=alice.call("export_adapter", adapter.id, True)["path"],
        document=begun["document_id"],
        job=service.jobs(owner=ALICE)[0].id,
        adapter=adapter.id,
        conversation=talk.id,
    )


def kept(service: LiftChat, has: Things) -> Any:
    """All that Alice has, for comparison."""
    talks = service.conversations(has.adapter, owner=ALICE)
    return (
        service.documents(owner=ALICE),
        service.study_items(has.document, owner=ALICE),
        service.jobs(owner=ALICE),
        service.adapters(owner=ALICE),
        [(talk, service.messages(talk.id, owner=ALICE)) for talk in talks],
    )


def clean(text: str) -> str:
    """The text. Fails where it holds anything of Alice's."""
    assert [mark for mark in MARKS if mark in text] == [], text[:2000]
    return text


def offered(visitor: Visitor) -> set[str]:
    told = visitor.get("/gradio_api/info").json()
    assert told["unnamed_endpoints"] == {}
    return {name.removeprefix("/") for name in told["named_endpoints"]}


def test_every_endpoint_of_the_running_app_has_an_entry(bob: Visitor) -> None:
    assert offered(bob) == set(ENTRIES)


def test_the_owner_is_served_so_that_a_refusal_means_something(alice: Visitor, has: Things) -> None:
    for name in ("list_documents", "list_adapters"):
        assert any(mark in json.dumps(alice.call(name, "")) for mark in MARKS)
    for name in ("job_status", "get_adapter", "citations"):
        assert alice.call(name, *ENTRIES[name].arguments(has))
    assert alice.call("chat", has.adapter, "Who?", {"max_new_tokens": 4}) is not None


@pytest.mark.parametrize("who", ["bob", ""])
@pytest.mark.parametrize("name", ENTRIES)
def test_an_endpoint_gives_a_stranger_nothing(
    space: Space, bob: Visitor, has: Things, name: str, who: str
) -> None:
    before = kept(space.service, has)
    entry, visitor = ENTRIES[name], bob if who else space.visitor()
    expected = entry.stranger if who or entry.anonymous is None else entry.anonymous
    arguments = entry.arguments(has)
    if isinstance(expected, str):
        assert expected in clean(visitor.refused(name, *arguments))
    else:
        answer = visitor.call(name, *arguments)
        clean(json.dumps(answer))
        assert expected is ANYBODYS or answer == expected
    assert kept(space.service, has) == before


def test_the_events_of_the_page_have_no_names_for_anybody(
    space: Space, alice: Visitor, has: Things
) -> None:
    names = {str(event.api_name) for event in space.app.fns.values()} - set(ENTRIES)
    assert len(names) > 100
    for name in sorted(names):
        for way in ("call", "call/v2", "run", "api"):
            answer = alice.post(f"/gradio_api/{way}/{name}", {"data": []})
            assert answer.status_code == 404, f"{way}/{name}"


def handlers(app: gr.Blocks) -> dict[str, gr.blocks.BlockFunction]:
    """One event for each handler of the page; those that pick something come first."""
    found = {
        inspect.unwrap(getattr(event.fn, "func", event.fn)).__qualname__ + str(len(event.inputs)):
            event
        for event in app.fns.values()
        if event.fn and event.api_name not in ENTRIES
    }  # fmt: skip
    return dict(sorted(found.items(), key=lambda item: ".pick" not in item[0]))


def filled_in(event: gr.blocks.BlockFunction, has: Things) -> list[Any]:
    """What a browser could send: its own values are all that a session's states do not hold."""
    by_place = {"chat-adapter": has.adapter, "conversation": has.conversation}
    by_kind = {"Textbox": "Sable", "File": has.file, "Number": 1, "CheckboxGroup": [0]}
    return [
        by_place.get(str(box.elem_id), by_kind.get(type(box).__name__, getattr(box, "value", None)))
        for box in event.inputs
    ]


def walked(visitor: Visitor, app: gr.Blocks, has: Things) -> dict[str, str]:
    """What every handler of the page sends in one session that names Alice's things."""
    session, told = f"walk-of-{visitor.cookie[-6:]}", {}
    for name, event in handlers(app).items():
        for item in has.ids if ".pick" in name else [has.adapter]:
            value = "Who?" if "edit" in name else {"text": "Who?"}
            click = {"id": item, "kind": "adapter", "index": 0, "value": value,
                     "previous_value": ""}  # fmt: skip
            answer = visitor.trigger(event._id, session, filled_in(event, has), click)
            told[name] = told.get(name, "") + answer
    return told


@pytest.fixture
def any_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio refuses what is not among a list's choices; handlers must not rely on that."""
    for kind in (gr.Dropdown, gr.CheckboxGroup):
        monkeypatch.setattr(kind, "preprocess", lambda _, payload: payload)


@pytest.mark.usefixtures("any_choice")
def test_no_event_of_the_page_gives_a_stranger_anything(
    space: Space, bob: Visitor, has: Things
) -> None:
    before = kept(space.service, has)
    strangers = [bob, space.visitor()]
    with ThreadPoolExecutor(len(strangers)) as pool:
        all_told = list(pool.map(lambda who: walked(who, space.app, has), strangers))
    for told in all_told:
        assert len(told) > 50
        for name, text in told.items():
            assert "process_completed" in text and '"error":null' not in text, f"{name}: {text}"
            assert [mark for mark in MARKS if mark in text] == [], name
    assert kept(space.service, has) == before
    assert {found.name for found in space.service.documents(owner="hf:sub-bob")} <= {
        EXAMPLE.pdf.name
    }
    assert space.service.documents(owner="") == space.service.jobs(owner="") == []


@pytest.mark.usefixtures("any_choice")
def test_the_same_walk_shows_the_owner_her_things(
    space: Space, alice: Visitor, has: Things
) -> None:
    by_name = handlers(space.app)
    told = ""
    for name in ("LibraryHandlers.show2", "ChatHandlers.open1", "ChatHandlers.show1"):
        told += alice.trigger(by_name[name]._id, "alices-page", filled_in(by_name[name], has))
    assert "Alice's own question" in told.replace("&#x27;", "'")
    assert "The Lamp of Orrin Vale" in told


def addresses(path: str) -> list[str]:
    folder, _, name = path.rpartition("/")
    dotted = f"{folder}/./{name}"
    return [
        f"/gradio_api/file={path}",
        f"/gradio_api/file={quote(path, safe='')}",
        f"/gradio_api/file/{path}",
        f"/gradio_api/file={dotted}",
        f"/gradio_api/file=/proc/self/cwd/../../../../../../..{path}",
        f"/gradio_api/proxy={path}",
        f"/file={path}",
        f"/gradio_api//file={path}",
        f"/gradio_api/%66ile={path}",
    ]


def test_a_files_address_is_good_for_its_owner_alone(
    space: Space, alice: Visitor, bob: Visitor, has: Things
) -> None:
    for path in (has.upload, has.export):
        assert alice.file(path) == 200
        for stranger in (bob, space.visitor()):
            for address in addresses(path):
                answer = stranger.get(address)
                assert answer.status_code in (404, 405), address
                clean(answer.text)
            assert stranger.http.head(f"/gradio_api/file={path}").status_code == 404


def test_nothing_else_on_the_disk_has_an_address(space: Space, alice: Visitor, has: Things) -> None:
    home = space.service.settings.home
    original = next((home / "documents").glob("*/original.*"))
    for path in (original, home / "library.sqlite", "/etc/hostname", "/etc/hostname\0", "."):
        assert alice.file(str(path)) == 404


def test_the_same_upload_is_somebody_elses_too_once_they_have_the_file(
    space: Space, has: Things, tmp_path: Path
) -> None:
    book = tmp_path / "alices-book.txt"
    book.write_text("The Lamp of Orrin Vale\n\n" + TALE, encoding="utf-8")
    carol = space.visitor("carol")
    assert carol.file(has.upload) == 404
    assert carol.upload(book) == has.upload, "Gradio names a file by its content"
    assert carol.file(has.upload) == 200


def test_a_page_session_is_its_visitors_alone(
    space: Space, alice: Visitor, bob: Visitor, has: Things
) -> None:
    show = handlers(space.app)["LibraryHandlers.show2"]
    body = {"fn_index": show._id, "session_hash": "alices-hash", "data": ["", ""]}
    event = alice.post("/gradio_api/queue/join", body).json()["event_id"]
    for stranger in (bob, space.visitor()):
        gone = {"session_hash": "alices-hash", "fn_index": show._id, "event_id": event}
        own = {**gone, "session_hash": f"own-{stranger.cookie[-6:]}"}
        hers = {"session_hash": "alices-hash"}
        refused = [
            stranger.status("POST", "/gradio_api/queue/join", json=body),
            stranger.status("GET", "/gradio_api/queue/data", params=hers),
            stranger.status("GET", "/gradio_api/heartbeat/alices-hash"),
            stranger.status("GET", "/gradio_api/deep_link", params=hers),
            stranger.status("POST", "/gradio_api/cancel", json=gone),
            stranger.status("POST", "/gradio_api/cancel", json=own),
            stranger.status("GET", f"/gradio_api/call/chat/{event}"),
            stranger.status("GET", f"/gradio_api/call/v2/chat/{event}"),
            stranger.status("POST", f"/gradio_api/stream/{event}/close", json={}),
        ]
        assert refused == [404] * len(refused)
    told = alice.get("/gradio_api/queue/data", params={"session_hash": "alices-hash"}).text
    assert "The Lamp of Orrin Vale" in told, "what was refused took nothing away"


def test_what_a_program_asked_for_is_read_by_itself_alone(
    space: Space, alice: Visitor, bob: Visitor, has: Things
) -> None:
    event = alice.begin("get_adapter", has.adapter).json()["event_id"]
    for stranger in (bob, space.visitor()):
        assert stranger.status("GET", f"/gradio_api/call/get_adapter/{event}") == 404
    assert "Alice's own" in alice.get(f"/gradio_api/call/get_adapter/{event}").text


def test_a_page_of_another_site_cannot_act_for_who_is_signed_in(
    alice: Visitor, has: Things
) -> None:
    for origin in ("https://evil.example", "null"):
        headers = {"Origin": origin}
        body = {"data": [has.adapter]}
        asked = alice.post("/gradio_api/call/delete_adapter", body, headers=headers)
        assert asked.status_code == 403
        assert alice.get("/config", headers=headers).status_code == 403
    own = alice.post(
        "/gradio_api/call/get_adapter", {"data": [has.adapter]}, headers={"Origin": alice.address}
    )
    assert own.status_code == 200


SAME_FOR_EVERYBODY = {
    "/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt",
    "/login/huggingface", "/login/callback", "/logout", "/gradio_api/info",
    "/gradio_api/openapi.json", "/gradio_api/theme.css", "/gradio_api/startup-events",
    "/gradio_api/app_id", "/gradio_api/user", "/gradio_api/login_check",
    "/gradio_api/queue/status", "/gradio_api/reset", "/assets/x", "/static/x", "/svelte/x",
}  # fmt: skip


def routes(app: Any) -> Iterator[str]:
    """The paths of all routes, each parameter filled in with an x."""
    found: list[BaseRoute] = list(app.routes)
    for route in found:
        if hasattr(route, "effective_candidates"):
            found.extend(route.effective_candidates())
        elif path := getattr(route, "path", ""):
            yield re.sub(r"\{[^}]*\}", "x", path).rstrip("/") or "/"


def test_a_route_that_nobody_thought_of_is_closed(space: Space, bob: Visitor, has: Things) -> None:
    there = set(routes(space.app.app))
    assert len(there) > 50 and there >= SAME_FOR_EVERYBODY
    for path in sorted(there - SAME_FOR_EVERYBODY):
        for method in ("GET", "POST"):
            if (method, path) in ANSWERED_BY_NAME:
                continue
            answer = bob.http.request(method, path, json={})
            assert answer.status_code == 404, f"{method} {path}"


ANSWERED_BY_NAME = {
    ("GET", "/gradio_api/heartbeat/x"),
    ("GET", "/gradio_api/queue/data"),
    ("GET", "/gradio_api/upload_progress"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/upload"),
}
"""To whoever began the session or the upload; tried with Alice's above."""
