"""One request of a visitor: read ahead and passed on whole, its answer seen before it leaves.

Knows nothing of routes, and of owners only the name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from ui.words import NOT_YOURS, TOO_LARGE

MOST_JSON = 8_000_000
"""Bytes of one request that is no upload; far above the longest list of study questions."""


class Refused(Exception):
    def __init__(self, status: int = 404, why: str = NOT_YOURS) -> None:
        super().__init__(why)
        self.status, self.why = status, why


@dataclass(frozen=True)
class Visit:
    """One request: whose, what the route's pattern found in the path, and the connection."""

    owner: str
    found: dict[str, str]
    scope: Scope
    receive: Receive
    send: Send

    def query(self, name: str) -> str:
        asked: dict[str, list[str]] = parse_qs(self.scope["query_string"].decode("latin-1"))
        return asked.get(name, [""])[-1]

    async def read_json(self) -> tuple[dict[str, Any], Visit]:
        """The request's body, and the request with the body to be read once more."""
        body = b""
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise Refused(400)
            body += message.get("body", b"")
            if len(body) > MOST_JSON:
                raise Refused(413, TOO_LARGE)
            if not message.get("more_body"):
                break
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            raise Refused(400) from None
        if not isinstance(told, dict):
            raise Refused(400)
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return unread.pop() if unread else await self.receive()

        return told, replace(self, receive=receive)

    def noting(self, note: Callable[[Any, str], None]) -> Send:
        """Holds the answer, a short JSON text, back until what it hands out is noted as theirs."""
        held: list[Message] = []

        async def send(message: Message) -> None:
            held.append(message)
            if message["type"] != "http.response.body" or message.get("more_body"):
                return
            if held[0].get("status") == 200:
                note(json.loads(b"".join(part.get("body", b"") for part in held)), self.owner)
            for part in held:
                await self.send(part)

        return send


def is_foreign(headers: Headers) -> bool:
    """Whether a page of another site sent the request; a program names no origin."""
    origin = headers.get("origin")
    ours = {headers.get("host"), *os.environ.get("SPACE_HOST", "").split(",")}
    return origin is not None and (urlsplit(origin).netloc or "none") not in ours
