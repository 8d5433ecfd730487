"""Any OpenAI-compatible endpoint as the writer: vLLM, llama.cpp, a hosted service.

The document's text leaves this machine, and only because the user named an endpoint and chose it
in the recipe; `EndpointWriter.note` says so in a sentence. The same prompts as for the base model
go out, in chat completions. A reply is held to a JSON schema where the endpoint can do that, which
its first real request finds out; there are no probes. The key is in the request's header and
nowhere else: no log, no error, no repr. What an endpoint says about a failure is not repeated
either, since it may quote both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from lift_chat.errors import InvalidConfig, ModelUnavailable
from lift_chat.lift.study.reply import Dialect, body, lines_of
from lift_chat.lift.study.request import Request
from lift_chat.lift.study.writer import Replies, Usage

PARALLEL = 8
RETRIES = 4
BACKOFF_SECONDS = 0.5
"""Before the first retry; doubled for each further one (LIFT's later code: the same)."""

MOST_PATIENCE_SECONDS = 60.0
"""The longest wait that an endpoint may ask for."""

TIMEOUT_SECONDS = 120.0
HOPELESS = 8
"""Failed requests without a single success after which the endpoint is given up."""

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_REFUSED = frozenset({401, 402, 403, 404})


class EndpointWriter:
    """Writes through `url` (with its “/v1” or whatever its path is) as `model`.

    Raises `InvalidConfig` when either is missing, and `ModelUnavailable` from `write` when the
    endpoint refuses or cannot be reached before any request has succeeded; later on a failed
    request costs its own place alone.
    """

    origin: Literal["model", "endpoint"] = "endpoint"

    def __init__(
        self,
        url: str | None,
        model: str | None,
        key: str | None = None,
        *,
        parallel: int = PARALLEL,
        timeout_seconds: float = TIMEOUT_SECONDS,
        backoff_seconds: float = BACKOFF_SECONDS,
    ) -> None:
        if not url or not model:
            raise InvalidConfig(
                "The recipe has questions written by an endpoint: set writer_url and writer_model."
            )
        self._url, self._model, self._key = url.rstrip("/"), model, key
        self.host = _host(url)
        self._parallel, self._timeout, self._backoff = parallel, timeout_seconds, backoff_seconds
        self._dialect: Dialect | None = None
        self._lock = threading.Lock()
        self.usage = Usage()
        self.succeeded = 0

    @property
    def note(self) -> str:
        return f"The document's text is sent to {self.host}, which writes the questions."

    def write(self, requests: Sequence[Request]) -> Replies:
        """Yields (index, reply) as replies come; they go on coming while the caller is busy."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        stopped = threading.Event()
        with httpx.Client(headers=headers, timeout=self._timeout) as client:
            first = 0
            while first < len(requests) and self._dialect is None:
                yield first, self._place(client, requests[first], stopped)
                first += 1
            yield from self._pooled(client, requests, first, stopped)

    def _pooled(
        self,
        client: httpx.Client,
        requests: Sequence[Request],
        first: int,
        stopped: threading.Event,
    ) -> Iterator[tuple[int, str]]:
        pool = ThreadPoolExecutor(self._parallel, thread_name_prefix="writer")
        try:
            places: dict[Future[str], int] = {
                pool.submit(self._place, client, requests[index], stopped): index
                for index in range(first, len(requests))
            }
            while places:
                for future in wait(places, return_when=FIRST_COMPLETED).done:
                    yield places.pop(future), future.result()
        finally:
            # Who stops does not wait for replies that are under way; they end with the client.
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _place(self, client: httpx.Client, request: Request, stopped: threading.Event) -> str:
        """The reply to one request; empty where it failed."""
        reply, why = None, ""
        for dialect in [self._dialect] if self._dialect else list(Dialect):
            response, why = self._patiently(client, body(request, self._model, dialect), stopped)
            if response is None:
                break
            if response.status_code != 400:
                reply = self._read(response)
                break
            why = "does not take the request (status 400)"
        with self._lock:
            self.usage.requests += 1
            if reply is None:
                self.usage.failed += 1
            else:
                self.succeeded += 1
                self._dialect = dialect
            hopeless = not self.succeeded and self.usage.failed >= HOPELESS
        if hopeless:
            raise ModelUnavailable(f"The writing endpoint {self.host} {why or 'makes no sense'}.")
        return reply or ""

    def _patiently(
        self, client: httpx.Client, content: dict[str, Any], stopped: threading.Event
    ) -> tuple[httpx.Response | None, str]:
        """(response, "") for one to be read, (None, why) when there is none to be had."""
        why = "was not asked"
        for attempt in range(1 + RETRIES):
            pause = self._backoff * 2**attempt
            if stopped.is_set():
                break
            try:
                response = client.post(f"{self._url}/chat/completions", json=content)
            except httpx.HTTPError as error:
                why = f"cannot be reached ({type(error).__name__})"
            else:
                status = response.status_code
                if status not in _PASSING:
                    return self._decided(response)
                why = f"is busy or broken (status {status})"
                pause = max(pause, _asked_wait(response))
            if attempt < RETRIES:
                stopped.wait(pause)
        return None, why

    def _decided(self, response: httpx.Response) -> tuple[httpx.Response | None, str]:
        status = response.status_code
        if status in (200, 400):
            return response, ""
        why = f"refuses the request (status {status})"
        if status in _REFUSED and not self.succeeded:
            advice = "check writer_url, writer_model and writer_key"
            raise ModelUnavailable(f"The writing endpoint {self.host} {why}: {advice}.")
        return None, why

    def _read(self, response: httpx.Response) -> str | None:
        try:
            reply = lines_of(response.json())
        except ValueError:
            return None
        with self._lock:
            self.usage.prompt_tokens += reply.prompt_tokens
            self.usage.completion_tokens += reply.completion_tokens
        return reply.text


def _host(url: str) -> str:
    """The host of an address. Raises `InvalidConfig`, without repeating what may hold a secret."""
    try:
        parts = urlsplit(url)
        host = httpx.URL(url).host if parts.hostname and parts.scheme in ("http", "https") else ""
    except (ValueError, httpx.InvalidURL):
        host = ""
    if not host or any(sign in url for sign in "@?#"):
        raise InvalidConfig(
            "writer_url must be an http(s) address without user, password or query, like "
            "http://localhost:8000/v1; a key belongs in writer_key."
        )
    return host


def _asked_wait(response: httpx.Response) -> float:
    """Seconds that the endpoint asks to wait; dates and nonsense count as none."""
    try:
        return min(max(float(response.headers.get("retry-after", 0)), 0.0), MOST_PATIENCE_SECONDS)
    except ValueError:
        return 0.0
