"""A judge behind a real local endpoint."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lift_chat.errors import InvalidConfig, ModelUnavailable
from lift_chat.evaluation.judge import Judge, verdict_of


class Endpoint(BaseHTTPRequestHandler):
    """Says True where the answer has the gold in it, and keeps what it was asked."""

    asked: ClassVar[list[dict[str, Any]]] = []
    keys: ClassVar[list[str | None]] = []
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Endpoint.asked.append({"path": self.path, **body})
        Endpoint.keys.append(self.headers["Authorization"])
        prompt = body["messages"][0]["content"]
        gold, answer = (
            prompt.split(f"{name} = ")[1].split("\n")[0]
            for name in ("groundtruth", "predict_answer")
        )
        said = str(gold in answer)
        reply = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
        self.send_response(Endpoint.status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Endpoint.asked, Endpoint.keys, Endpoint.status = [], [], 200
    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def row(answer: str, *golds: str, **scores: float) -> dict[str, Any]:
    return {"question": "Who?", "golds": list(golds), "answer": answer, "scores": scores}


LINES = [
    {
        "arm": "base/closed",
        "answers": [
            row("It was Sable.", "Quist", "Sable", f1=0.5),
            row("It was Ilse.", "Sable", f1=0.0),
            row("", "Sable", f1=0.0),
            row("a bell", "a bell", choice=1.0),
        ],
    }
]


def test_any_gold_may_be_meant_and_empty_answers_are_wrong(url: str, tmp_path: Path) -> None:
    with Judge(url, "judge-1", "secret", tmp_path) as judge:
        (judged,) = judge.judged(LINES)
    scores = [answer["scores"] for answer in judged["answers"]]
    assert [score.get("judge") for score in scores] == [1.0, 0.0, 0.0, None]
    assert scores[0] == {"f1": 0.5, "judge": 1.0}
    assert "judge" not in LINES[0]["answers"][0]["scores"]  # type: ignore[index]


def test_the_judge_sees_question_gold_and_answer_greedily(url: str, tmp_path: Path) -> None:
    with Judge(url, "judge-1", "secret", tmp_path) as judge:
        judge.equal("Who {lit} it?", "Sable", "It was Ilse.")
    (asked,) = Endpoint.asked
    assert (asked["path"], asked["model"]) == ("/v1/chat/completions", "judge-1")
    assert asked["temperature"] == 0
    prompt = asked["messages"][0]["content"]
    for words in (
        "Question: Who {lit} it?",
        "groundtruth = Sable",
        "predict_answer = It was Ilse.",
    ):
        assert words in prompt
    assert Endpoint.keys == ["Bearer secret"]


def test_nothing_is_asked_twice(url: str, tmp_path: Path) -> None:
    for _ in range(2):
        with Judge(url, "judge-1", None, tmp_path) as judge:
            list(judge.judged(LINES))
    assert len(Endpoint.asked) == 3
    assert Endpoint.keys == [None] * 3
    with Judge(url, "judge-2", None, tmp_path) as judge:
        list(judge.judged(LINES))
    assert len(Endpoint.asked) == 6


def test_a_refusal_is_one_sentence_without_the_key(url: str, tmp_path: Path) -> None:
    Endpoint.status = 401
    refused = pytest.raises(ModelUnavailable, match="status 401")
    with Judge(url, "judge-1", "secret", tmp_path) as judge, refused as caught:
        judge.equal("Who?", "Sable", "Ilse")
    assert "secret" not in str(caught.value)


def test_an_endpoint_that_is_not_there_is_said(tmp_path: Path) -> None:
    silent = pytest.raises(ModelUnavailable, match="gave no answer")
    with Judge("http://127.0.0.1:1/v1", "judge-1", None, tmp_path) as judge, silent:
        judge.equal("Who?", "Sable", "Ilse")


def test_without_an_endpoint_there_is_no_judge(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="LIFT_CHAT_WRITER_URL"):
        Judge(None, "judge-1", None, tmp_path)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("True", True),
        ("'False'.", False),
        ("The answer is true.", True),
        ("Untrue", None),
        ("", None),
    ],
)
def test_a_verdict_is_the_first_true_or_false(said: str, verdict: bool | None) -> None:
    assert verdict_of(said) is verdict
