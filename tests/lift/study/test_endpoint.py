from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lift_chat.errors import InvalidConfig, ModelUnavailable
from lift_chat.lift.passages import Span
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study.endpoint import HOPELESS, PARALLEL, RETRIES, EndpointWriter
from lift_chat.lift.study.request import Request
from lift_chat.lift.study.writing import write_items
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import AS_JSON
from lift_chat.settings import Settings
from tests.conftest import no_turn
from tests.lift.study.script import CHRONICLE, FACTS, NAMES, TITLE, facts, named

KEY = "sk-lamp-of-orrin-7c41"

Answer = tuple[int, Any]
"""Status, and JSON value or raw bytes."""


@dataclass
class Seen:
    body: dict[str, Any]
    key: str | None

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def dialect(self) -> str:
        if "response_format" in self.body:
            return "schema"
        return "plain" if "max_tokens" in self.body else "bare"


@dataclass
class Endpoint:
    """A real HTTP server on loopback that answers by a script."""

    answer: Callable[[Seen], Answer]
    seen: list[Seen] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    busy: int = 0
    most_busy: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def respond(self, path: str, body: dict[str, Any], key: str | None) -> Answer:
        seen = Seen(body, key)
        with self.lock:
            self.seen.append(seen)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        try:
            return self.answer(seen) if path == "/v1/chat/completions" else (404, {})
        finally:
            with self.lock:
                self.busy -= 1

    def writer(self, **options: Any) -> EndpointWriter:
        return EndpointWriter(self.url, "writer-1", KEY, **{"backoff_seconds": 0, **options})


Serve = Callable[[Callable[[Seen], Answer]], Endpoint]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[Seen], Answer]) -> Endpoint:
        endpoint = Endpoint(answer)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                key = self.headers["authorization"]
                status, value = endpoint.respond(self.path, body, key)
                content = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for name, text in endpoint.headers.items():
                    self.send_header(name, text)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        endpoint.url = f"http://127.0.0.1:{server.server_port}/v1/"
        return endpoint

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def completion(content: str, **more: Any) -> Answer:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 7}
    return 200, {"choices": [choice | more], "usage": usage}


def as_json(seen: Seen) -> Answer:
    items = [
        {"question": f"What did {name} burn in winter?", "answer": f"The\n{FACTS[name]}"}
        for name in named(seen.prompt)
    ]
    return completion(json.dumps({"items": items}))


def as_lines(seen: Seen) -> Answer:
    return completion(facts(seen.prompt))


def requests_about(*names: str) -> list[Request]:
    return [Request(f"About {name}.", (Span(0, 10),), "fact", 1) for name in names]


def replies(writer: EndpointWriter, *names: str) -> list[str]:
    answered = dict(writer.write(requests_about(*(names or NAMES))))
    assert sorted(answered) == list(range(len(names or NAMES)))
    return [answered[index] for index in sorted(answered)]


def lines(name: str) -> str:
    return f"Question: What did {name} burn in winter?\nAnswer: The {FACTS[name]}"


def test_schema_replies_come_out_as_the_lines_of_the_prompt(serve: Serve) -> None:
    endpoint = serve(as_json)
    assert replies(endpoint.writer()) == [lines(name) for name in NAMES]
    assert {seen.dialect for seen in endpoint.seen} == {"schema"}
    assert all(seen.prompt.endswith(AS_JSON) for seen in endpoint.seen)
    assert {seen.key for seen in endpoint.seen} == {f"Bearer {KEY}"}
    body = endpoint.seen[0].body
    assert (body["model"], body["temperature"]) == ("writer-1", 0)
    item = body["response_format"]["json_schema"]["schema"]["properties"]["items"]["items"]
    assert item["required"] == ["question", "answer"]


def test_evidence_is_part_of_the_schema_where_it_is_asked_for(serve: Serve) -> None:
    told = {"question": "Who?", "answer": "She", "evidence": "It was she."}
    endpoint = serve(lambda seen: completion(json.dumps({"items": [told]})))
    request = Request("About it.", (Span(0, 10),), "evidence", with_evidence=True)
    assert list(endpoint.writer().write([request])) == [
        (0, "Question: Who?\nAnswer: She\nEvidence: It was she.")
    ]
    format_ = endpoint.seen[0].body["response_format"]["json_schema"]
    assert format_["schema"]["properties"]["items"]["items"]["required"][-1] == "evidence"


@pytest.mark.parametrize(
    ("refused", "attempts"),
    [(("schema",), ["schema", "plain"]), (("schema", "plain"), ["schema", "plain", "bare"])],
)
def test_what_an_endpoint_does_not_understand_is_tried_once(
    serve: Serve, refused: tuple[str, ...], attempts: list[str]
) -> None:
    def answer(seen: Seen) -> Answer:
        return (400, {"error": "unknown"}) if seen.dialect in refused else as_lines(seen)

    endpoint = serve(answer)
    writer = endpoint.writer()
    assert replies(writer) == [lines(name) for name in NAMES]
    assert replies(writer, NAMES[3]) == [lines(NAMES[3])]
    assert [seen.dialect for seen in endpoint.seen[: len(attempts)]] == attempts
    assert {seen.dialect for seen in endpoint.seen[len(attempts) :]} == {attempts[-1]}
    assert len(endpoint.seen) == len(attempts) + len(NAMES)
    assert not any(AS_JSON in seen.prompt for seen in endpoint.seen[1:])


def test_an_endpoint_that_ignores_the_schema_is_understood(serve: Serve) -> None:
    endpoint = serve(as_lines)
    assert replies(endpoint.writer()) == [lines(name) for name in NAMES]
    assert len(endpoint.seen) == len(NAMES)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_endpoint_is_asked_again(serve: Serve, status: int) -> None:
    refusals = iter([status] * RETRIES)

    def answer(seen: Seen) -> Answer:
        refused = next(refusals, None)
        return (refused, {}) if refused else as_lines(seen)

    endpoint = serve(answer)
    endpoint.headers = {"retry-after": "0"}
    writer = endpoint.writer()
    assert replies(writer, NAMES[0]) == [lines(NAMES[0])]
    assert len(endpoint.seen) == 1 + RETRIES
    assert (writer.usage.requests, writer.usage.failed) == (1, 0)


@pytest.mark.parametrize(
    "bad",
    [
        (500, {}),
        (400, {}),
        (404, {}),
        (302, {}),
        (200, b"<html>"),
        (200, [1, 2]),
        (200, {"choices": []}),
        (200, {"choices": [{"message": {"content": None}}]}),
    ],
)
def test_one_failed_request_costs_its_place_alone(serve: Serve, bad: Answer) -> None:
    def answer(seen: Seen) -> Answer:
        return bad if NAMES[5] in seen.prompt else as_lines(seen)

    writer = serve(answer).writer()
    expected = [lines(name) for name in NAMES]
    expected[5] = ""
    assert replies(writer) == expected
    assert (writer.usage.requests, writer.usage.failed) == (len(NAMES), 1)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_endpoint_that_refuses_at_once_stops_the_writing_with_one_sentence(
    serve: Serve, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = serve(lambda seen: (status, {"error": f"bad key {seen.key}: {seen.prompt}"}))
    writer = endpoint.writer()
    with caplog.at_level(logging.DEBUG), pytest.raises(ModelUnavailable) as failure:
        replies(writer)
    assert len(endpoint.seen) == 1
    assert f"status {status}" in str(failure.value)
    assert "127.0.0.1" in str(failure.value)
    for shown in (str(failure.value), repr(writer), caplog.text, writer.note):
        assert KEY not in shown
        assert NAMES[0] not in shown


def test_an_endpoint_that_never_works_is_given_up(serve: Serve) -> None:
    endpoint = serve(lambda seen: (503, {}))
    with pytest.raises(ModelUnavailable, match="status 503"):
        replies(endpoint.writer())
    assert len(endpoint.seen) == HOPELESS * (1 + RETRIES)


def test_an_endpoint_that_is_not_there_is_named(serve: Serve) -> None:
    writer = EndpointWriter("http://127.0.0.1:9/v1", "writer-1", KEY, backoff_seconds=0)
    with pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1 cannot be reached"):
        replies(writer)


def test_at_most_so_many_requests_are_under_way(serve: Serve) -> None:
    together = threading.Barrier(PARALLEL)

    def answer(seen: Seen) -> Answer:
        if NAMES[0] not in seen.prompt:
            together.wait(30)  # breaks, and fails, unless so many come at once
        return as_lines(seen)

    endpoint = serve(answer)
    names = NAMES[: 1 + 2 * PARALLEL]
    assert replies(endpoint.writer(), *names) == [lines(name) for name in names]
    assert endpoint.most_busy == PARALLEL
    few = serve(as_lines)
    replies(few.writer(parallel=2))
    assert few.most_busy <= 2


def test_requests_go_on_while_the_caller_is_busy_with_the_first_replies(serve: Serve) -> None:
    all_asked = threading.Event()

    def answer(seen: Seen) -> Answer:
        if len(endpoint.seen) == len(NAMES):
            all_asked.set()
        return as_lines(seen)

    endpoint = serve(answer)
    writing = endpoint.writer().write(requests_about(*NAMES))
    next(writing)
    next(writing)
    assert all_asked.wait(30)
    assert len(list(writing)) == len(NAMES) - 2


def test_leaving_early_asks_for_nothing_more(serve: Serve) -> None:
    go_on = threading.Event()

    def answer(seen: Seen) -> Answer:
        if len(endpoint.seen) > 3:
            go_on.wait(30)
        return as_lines(seen)

    endpoint = serve(answer)
    writing = endpoint.writer(parallel=2).write(requests_about(*NAMES))
    next(writing)
    next(writing)
    writing.close()
    asked = len(endpoint.seen)
    go_on.set()
    assert asked < len(NAMES)
    assert len(endpoint.seen) <= asked + 2


def test_tokens_are_counted(serve: Serve) -> None:
    writer = serve(as_lines).writer()
    replies(writer)
    assert writer.usage.prompt_tokens == 100 * len(NAMES)
    assert writer.usage.completion_tokens == 7 * len(NAMES)


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": "many"}, {"prompt_tokens": -1}])
def test_nonsense_about_tokens_counts_as_none(serve: Serve, usage: Any) -> None:
    writer = serve(lambda seen: (200, as_lines(seen)[1] | {"usage": usage})).writer()
    assert replies(writer, NAMES[0]) == [lines(NAMES[0])]
    assert writer.usage.prompt_tokens == 0


def test_a_reply_that_was_cut_off_loses_its_last_line(serve: Serve) -> None:
    cut = f"{lines(NAMES[0])}\nQuestion: What did {NAMES[1]} burn?\nAnswer: The ro"
    writer = serve(lambda seen: completion(cut, finish_reason="length")).writer()
    assert replies(writer, NAMES[0]) == [cut.rpartition("\n")[0]]


@pytest.mark.usefixtures("trusting")
def test_a_document_is_written_about_by_an_endpoint_and_the_user_is_told(
    serve: Serve, tiny: LoadedModel
) -> None:
    writer = serve(as_json).writer()
    config = LiftConfig(study="passages", questions=4, passage_tokens=80, writer="endpoint")
    events = list(write_items(tiny, TITLE, CHRONICLE, config, turn=no_turn, writer=writer))
    items = [checked.item for event in events for checked in event.items]
    assert [item.answer for item in items] == [f"The {thing}" for thing in FACTS.values()]
    assert {item.origin for item in items} == {"endpoint"}
    assert {event.message for event in events} == {
        "The document's text is sent to 127.0.0.1, which writes the questions."
    }


@pytest.mark.parametrize(
    ("url", "model", "named"),
    [
        (None, "writer-1", "writer_url"),
        ("http://localhost/v1", None, "writer_model"),
        ("localhost:8000", "writer-1", "writer_url"),
        ("file:///etc/passwd", "writer-1", "writer_url"),
        (f"https://me:{KEY}@example.org/v1", "writer-1", "writer_key"),
        (f"https://example.org/v1?key={KEY}", "writer-1", "writer_key"),
        ("http://[", "writer-1", "writer_url"),
        ("http://example.org:port/v1", "writer-1", "writer_url"),
    ],
)
def test_an_endpoint_that_is_not_one_is_refused(
    url: str | None, model: str | None, named: str
) -> None:
    with pytest.raises(InvalidConfig, match=named) as failure:
        EndpointWriter(url, model)
    assert KEY not in str(failure.value)


def test_the_key_is_a_setting_that_nothing_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFT_CHAT_WRITER_URL", "http://localhost:8000/v1")
    monkeypatch.setenv("LIFT_CHAT_WRITER_KEY", KEY)
    settings = Settings(writer_model="writer-1")
    assert (settings.writer_url, settings.writer_key) == ("http://localhost:8000/v1", KEY)
    assert KEY not in repr(settings)
    with pytest.raises(InvalidConfig) as failure:
        Settings(writer_key=[KEY])
    assert KEY not in str(failure.value)
