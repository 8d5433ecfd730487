"""A model as the judge: does an answer say the same as the gold one? Asked only when named.

The question, the prompt's words and the True or False are LooGLE's (arXiv 2311.04939, its
automatic evaluation). Any OpenAI-compatible endpoint will do; question, gold answer and answer are
sent there, never the document. Verdicts are kept, so nothing is asked twice. The key goes into the
request's header and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from lift_chat.errors import InvalidConfig, ModelUnavailable
from lift_chat.evaluation.ledger import Ledger, Line, key_of

TIMEOUT_SECONDS = 120.0
VERDICTS = "verdicts.jsonl"

PROMPT = (
    "Given one question, there is a groundtruth and a predict_answer. Please decide whether they "
    "are the same or not in semantic. Please only output 'True' or 'False'.\n"
    "Question: {question}\ngroundtruth = {gold}\npredict_answer = {answer}"
)


class Judge:
    """`model` at `url` (with its "/v1"). Use it as a context manager; verdicts go into `folder`.

    Raises `InvalidConfig` without a URL.
    """

    def __init__(self, url: str | None, model: str, key: str | None, folder: Path) -> None:
        if not url:
            raise InvalidConfig(
                "A judge needs an endpoint: set LIFT_CHAT_WRITER_URL, like http://localhost:8000/v1."
            )
        self._model = model
        self._verdicts = Ledger(folder / VERDICTS)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            base_url=url.rstrip("/") + "/", headers=headers, timeout=TIMEOUT_SECONDS
        )

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def judged(self, lines: Sequence[Line]) -> Iterator[Line]:
        """The same lines with a score "judge" for every generated answer.

        Raises `ModelUnavailable` when the endpoint does not answer; verdicts so far are kept.
        """
        for line in lines:
            answers = [self._scored(answer) for answer in line["answers"]]
            yield {**line, "answers": answers}

    def equal(self, question: str, gold: str, answer: str) -> bool | None:
        """The verdict; None if the judge says neither True nor False."""
        asked = {"judge": self._model, "question": question, "gold": gold, "answer": answer}
        key = key_of(asked)
        if key not in self._verdicts:
            said = self._ask(PROMPT.format(question=question, gold=gold, answer=answer))
            self._verdicts.append({"key": key, **asked, "verdict": verdict_of(said)})
        verdict: bool | None = self._verdicts[key]["verdict"]
        return verdict

    def _scored(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Equal to any of the golds; empty answers and multiple choice need no judge."""
        if "choice" in answer["scores"]:
            return answer
        verdicts = [
            self.equal(answer["question"], gold, answer["answer"])
            for gold in (answer["golds"] if answer["answer"] else [])
        ]
        return {**answer, "scores": {**answer["scores"], "judge": float(True in verdicts)}}

    def _ask(self, prompt: str) -> str:
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": 16,
        }
        try:
            reply = self._client.post("chat/completions", json=body)
            reply.raise_for_status()
            return str(reply.json()["choices"][0]["message"]["content"])
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise ModelUnavailable(f"The judge's endpoint refused with status {status}.") from None
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            kind = type(error).__name__
            raise ModelUnavailable(f"The judge's endpoint gave no answer ({kind}).") from None


def verdict_of(said: str) -> bool | None:
    """The first True or False that is said."""
    found = re.search(r"\b(true|false)\b", said, re.IGNORECASE)
    return None if found is None else found[1].lower() == "true"
