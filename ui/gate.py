"""What a visitor of a Space can reach: the routes that the page and the API use, each as its owner.

Gradio answers whoever knows the name of a file, a page session, an event or a handler. This stands
before it, behind the session: a name is answered to the owner who began it or was given it, anybody
else gets 404, and a route that is not listed does not exist. Requests that another site's page
sends in a signed-in visitor's name are refused. Not installed on a desktop. Knows nothing of what
an endpoint does; endpoints check their owner themselves.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from storage.records import NOBODY
from ui.claims import Claims
from ui.owner import owner_in
from ui.private_files import FILES
from ui.visit import Refused, Visit, is_foreign
from ui.words import OTHER_SITE, SIGN_IN_TO_UPLOAD, TOO_LARGE, UPLOADS_FULL

MB = 10**6

OPEN = (
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt)/?"
    r"|/(login/huggingface|login/callback|logout)|/(assets|static|svelte)/.+"
    r"|/gradio_api/(info|openapi\.json|theme\.css|startup-events|app_id|user|login_check"
    r"|queue/status|reset)/?"
)
"""Routes that say the same to everybody, or only of who asks."""


class Gate:
    """ASGI middleware. `public` are the endpoints that may be called by name; None limits
    nothing."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        public: Collection[str],
        most_upload_mb: int | None = None,
        free_disk_mb: int | None = None,
    ) -> None:
        self._app, self._public, self._claims = app, public, Claims()
        self._most, self._floor = most_upload_mb, free_disk_mb
        rules: dict[str, Callable[[Visit], Awaitable[None]]] = {
            f"(GET|HEAD|POST) ({OPEN})": self._pass,
            r"(GET|HEAD) /gradio_api/file[=/](?P<path>.+)": self._file,
            r"GET /gradio_api/queue/data": self._page_session,
            r"GET /gradio_api/heartbeat/(?P<session>[^/]+)": self._page_session,
            r"POST /gradio_api/(queue/join|cancel)": self._event,
            r"POST /gradio_api/call/(v2/)?(?P<name>[^/]+)/?": self._call,
            r"GET /gradio_api/call/(v2/)?[^/]+/(?P<event>[^/]+)": self._answer,
            r"POST /gradio_api/upload": self._upload,
            r"GET /gradio_api/upload_progress": self._upload_progress,
        }
        self._rules = [(re.compile(pattern, re.DOTALL), rule) for pattern, rule in rules.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if scope.get("session") and is_foreign(Headers(scope=scope)):
                raise Refused(403, OTHER_SITE)
            asked = f"{scope['method']} {scope['path']}"
            for pattern, rule in self._rules:
                if match := pattern.fullmatch(asked):
                    visit = Visit(owner_in(scope), match.groupdict(), scope, receive, send)
                    await rule(visit)
                    return
            raise Refused
        except Refused as refused:
            answer = JSONResponse({"detail": refused.why}, refused.status)
            await answer(scope, receive, send)

    async def _pass(self, visit: Visit) -> None:
        await self._app(visit.scope, visit.receive, visit.send)

    async def _file(self, visit: Visit) -> None:
        try:
            theirs = FILES.belongs(visit.found["path"], visit.owner)
        except (OSError, ValueError):
            raise Refused from None
        if not theirs:
            raise Refused
        await self._pass(visit)

    async def _page_session(self, visit: Visit) -> None:
        name = visit.found.get("session") or visit.query("session_hash")
        if not self._claims.claim("session", name, visit.owner):
            raise Refused
        await self._pass(visit)

    async def _event(self, visit: Visit) -> None:
        """Begins or ends an event of a page session."""
        body, visit = await visit.read_json()
        session, event = body.get("session_hash"), body.get("event_id")
        if session and not self._claims.claim("session", str(session), visit.owner):
            raise Refused
        if event and not self._claims.holds("event", str(event), visit.owner):
            raise Refused
        await self._app(visit.scope, visit.receive, visit.noting(self._note_event))

    async def _call(self, visit: Visit) -> None:
        """Begins an event by the name of its endpoint; the page's own have names too."""
        if visit.found["name"] not in self._public:
            raise Refused
        await self._event(visit)

    async def _answer(self, visit: Visit) -> None:
        if not self._claims.holds("event", visit.found["event"], visit.owner):
            raise Refused
        await self._pass(visit)

    async def _upload(self, visit: Visit) -> None:
        if visit.owner == NOBODY:
            raise Refused(401, SIGN_IN_TO_UPLOAD)
        size = Headers(scope=visit.scope).get("content-length", "")
        if not size.isdecimal():
            raise Refused(411, TOO_LARGE)
        if self._most is not None and FILES.held(visit.owner) + int(size) > self._most * MB:
            raise Refused(413, TOO_LARGE)
        if self._floor is not None and free_bytes() - int(size) < self._floor * MB:
            raise Refused(507, UPLOADS_FULL)
        upload = visit.query("upload_id")
        if upload and not self._claims.claim("upload", upload, visit.owner):
            raise Refused
        await self._app(visit.scope, visit.receive, visit.noting(self._note_files))

    async def _upload_progress(self, visit: Visit) -> None:
        if not self._claims.claim("upload", visit.query("upload_id"), visit.owner):
            raise Refused
        await self._pass(visit)

    def _note_event(self, answer: Any, owner: str) -> None:
        if isinstance(answer, dict) and isinstance(answer.get("event_id"), str):
            self._claims.give("event", answer["event_id"], owner)

    def _note_files(self, answer: Any, owner: str) -> None:
        for path in answer if isinstance(answer, list) else ():
            FILES.give(path, owner)


def free_bytes() -> int:
    """On the disk of Gradio's cache, whose folder may not be there yet."""
    folder = get_upload_folder()
    return shutil.disk_usage(folder if os.path.isdir(folder) else os.path.dirname(folder)).free
