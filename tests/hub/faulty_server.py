"""An HTTP server on localhost that remembers every request and can be told to fail at any of them.

Knows nothing of what is served: routes are added to it.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""

    body: bytes = field(repr=False)

    @property
    def token(self) -> str | None:
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind == "Bearer" else None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Self:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        body = json.dumps(value).encode()
        return cls(status, {"Content-Type": "application/json", **named}, body)

    @classmethod
    def error(cls, status: int, message: str, code: str = "") -> Self:
        told = {"X_Error_Message": message.partition("\n")[0]} | (
            {"X_Error_Code": code} if code else {}
        )
        return cls.of({"error": message}, status, **told)


@dataclass(frozen=True)
class Cut:
    """The connection is closed: after `sent` bytes of the answer's body, when given, so that the
    request has been carried out; otherwise after `read` bytes of the request's body, and it has
    not."""

    read: int = 0
    sent: int | None = None


Fault = Cut | Answer
Route = Callable[[Request, re.Match[str]], Answer]


class FaultyServer:
    """`with FaultyServer() as server:`; the address is `server.url`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.routes: list[tuple[str, re.Pattern[str], Route]] = []
        self.pause = 0.0
        """Seconds before every answer."""

        self._fault: Fault | None = None
        self._faulty = range(0)
        self._lock = threading.RLock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.elsewhere = f"http://localhost:{self._http.server_port}"
        """The same server as another host."""

    def __enter__(self) -> Self:
        serve = self._http.serve_forever
        threading.Thread(target=serve, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def route(self, methods: str, path: str, answer: Route) -> None:
        """A later one goes before those that are there."""
        self.routes.insert(0, (methods, re.compile(path), answer))

    def fail(self, fault: Fault, *, at: int = 0, times: int = 1_000_000) -> None:
        """The next request is number 0; `times` of them meet the fault, from number `at` on."""
        first = len(self.requests) + at
        self._fault, self._faulty = fault, range(first, first + times)

    def heal(self) -> None:
        self._fault = None

    def begun(self, request: Request) -> tuple[int, Fault | None]:
        """Writes the request down; its number, and what is to go wrong with it."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            return number, self._fault if number in self._faulty else None

    def answer(self, request: Request) -> Answer:
        time.sleep(self.pause)
        with self._lock:
            for methods, path, route in self.routes:
                found = path.fullmatch(request.path)
                if found and request.method in methods.split():
                    return route(request, found)
        return Answer.error(404, f"The fake does not know {request.method} {request.path}.")


def _handler(server: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client may be gone as well
                super().handle()

        def log_message(self, *args: object) -> None:
            pass

        def serve(self) -> None:
            split = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(split.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            length = int(headers.get("content-length", 0))
            bare = Request(self.command, unquote(split.path), query, headers, b"")
            number, fault = server.begun(bare)
            if isinstance(fault, Cut) and fault.sent is None:
                self.rfile.read(min(fault.read, length))
                return self.cut()
            request = replace(bare, body=self.rfile.read(length))
            server.requests[number] = request
            answer = fault if isinstance(fault, Answer) else server.answer(request)
            self.send(answer, fault.sent if isinstance(fault, Cut) else None)

        def send(self, answer: Answer, most: int | None) -> None:
            body = b"" if self.command == "HEAD" else answer.body
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            # In one piece with the body: two small ones wait for each other on the way.
            head = b"".join(self._headers_buffer) + b"\r\n"  # type: ignore[attr-defined]
            self._headers_buffer = []
            self.wfile.write(head + body[:most])
            if most is not None:
                self.cut()

        def cut(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve

    return Handler
