"""The real app as a Space serves it, and visitors of it who speak plain HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import httpx
import pytest
from gradio import http_server, oauth

from lift_chat.lent import Lend
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from tests.ui.conftest import free_port, in_loop
from tests.ui.provider import Provider
from ui.app import build_app, launch_options

CLIENT = "lift-chat-space"
PATIENCE = 60.0


@contextmanager
def space_environment(cache: Path, provider: str) -> Iterator[pytest.MonkeyPatch]:
    """What the Hub sets for a Space with sign-in, and Gradio's cache in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYSTEM", "spaces")
        patch.setenv("SPACE_ID", "somebody/lift-chat")
        patch.setenv("GRADIO_TEMP_DIR", str(cache))
        # Gradio reads these once, when it is imported.
        patch.setattr(oauth, "OAUTH_CLIENT_ID", CLIENT)
        patch.setattr(oauth, "OAUTH_CLIENT_SECRET", "secret of the tests")
        patch.setattr(oauth, "OAUTH_SCOPES", "openid profile contribute-repos")
        patch.setattr(oauth, "OPENID_PROVIDER_URL", provider)
        # The Hub's own package that reloads a Space in development is not needed here.
        patch.setattr(http_server, "watchfn_spaces", lambda _: None)
        yield patch


@dataclass
class Visitor:
    """Somebody with a cookie, or without one."""

    address: str
    cookie: str = ""
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        self.http = httpx.Client(base_url=self.address, headers=headers, timeout=PATIENCE)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return self.http.post(path, json=body, **options)

    def status(self, method: str, path: str, **options: Any) -> int:
        """Without waiting for the answer's end, which an open stream does not have."""
        with self.http.stream(method, path, **options) as answer:
            return answer.status_code

    def begin(self, name: str, *data: Any) -> httpx.Response:
        return self.post(f"/gradio_api/call/{name}", {"data": list(data)})

    def call(self, name: str, *data: Any) -> Any:
        """The last answer of an endpoint. Raises AssertionError with an error's text."""
        begun = self.begin(name, *data)
        assert begun.status_code == 200, begun.text
        text = self.get(f"/gradio_api/call/{name}/{begun.json()['event_id']}").text
        kind, told = text.strip().split("\n\n")[-1].split("\n", 1)
        answer = json.loads(told.removeprefix("data: "))
        assert kind == "event: complete", json.dumps(answer)
        return answer[0]

    def refused(self, name: str, *data: Any) -> str:
        """The text of the error that an endpoint gives."""
        with pytest.raises(AssertionError) as error:
            pytest.fail(f"{name} answered {self.call(name, *data)}")
        return str(error.value)

    def upload(self, path: Path) -> str:
        with path.open("rb") as file:
            sent = self.http.post("/gradio_api/upload", files={"files": (path.name, file)})
        sent.raise_for_status()
        address: str = sent.json()[0]
        return address

    def file(self, address: str) -> int:
        return self.get(f"/gradio_api/file={quote(address)}").status_code

    def trigger(self, event: int, session: str, data: list[Any], told: Any = None) -> str:
        """All that a page is sent when it sends the event `event`."""
        body = {"fn_index": event, "session_hash": session, "data": data, "event_data": told}
        joined = self.post("/gradio_api/queue/join", body)
        if joined.status_code != 200:
            return joined.text
        return self.get("/gradio_api/queue/data", params={"session_hash": session}).text


@dataclass
class Space:
    service: LiftChat
    app: gr.Blocks
    address: str
    provider: Provider
    visitors: list[Visitor] = field(default_factory=list)

    def visitor(self, name: str = "") -> Visitor:
        """Somebody who signs in under this name, through Gradio's own routes; "" does not."""
        found = Visitor(self.address, self._signed_in(name) if name else "")
        self.visitors.append(found)
        return found

    def _signed_in(self, name: str) -> str:
        with httpx.Client() as browser:
            begun = browser.get(f"{self.address}/login/huggingface")
            agreed = browser.get(f"{begun.headers['location']}&as={name}")
            # The cookie is marked as secure, and this is plain HTTP.
            back = browser.get(agreed.headers["location"], headers={"Cookie": cookie_of(begun)})
            assert back.status_code == 307, back.text
            return cookie_of(back)


def cookie_of(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"].split(";")[0]


@contextmanager
def served_space(settings: Settings, cache: Path, lend: Lend | None = None) -> Iterator[Space]:
    """`settings` are made anew inside, since some defaults are others on a Space. With `lend` it
    stands on ZeroGPU hardware."""
    with Provider(CLIENT) as provider, space_environment(cache, provider.url):
        told = Settings(**settings.model_dump(exclude_unset=True))
        with LiftChat.open(settings=told, lend=lend) as service:
            if service.in_slices:
                service.prepare()
            app = in_loop(lambda: build_app(service))
            options = {**launch_options(told), "server_port": free_port()}
            _, address, _ = in_loop(
                lambda: app.launch(**options, prevent_thread_lock=True, quiet=True)
            )
            space = Space(service, app, address.rstrip("/"), provider)
            try:
                yield space
            finally:
                for visitor in space.visitors:
                    visitor.http.close()
                app.close()
