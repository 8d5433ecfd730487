"""Chat completions on the wire: what is sent for a request, and a reply as the lines asked for.

Whatever form a reply comes in, what leaves here is lines “Question:”, “Answer:”, “Evidence:”, so
that one strict parser judges base model and endpoint alike. Pure functions of JSON values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lift_chat.lift.study.parsing import PAIR, PROVEN
from lift_chat.lift.study.request import Request
from lift_chat.lift.study.writer import whole_lines
from lift_chat.models.prompts import AS_JSON


class Dialect(Enum):
    """What an endpoint understands, best first: a JSON schema; the common parameters; the prompt
    alone, for models that know other names for these or refuse them."""

    SCHEMA = "schema"
    PLAIN = "plain"
    BARE = "bare"


@dataclass(frozen=True)
class EndpointReply:
    text: str
    prompt_tokens: int
    completion_tokens: int


def body(request: Request, model: str, dialect: Dialect) -> dict[str, Any]:
    """The JSON of a chat completion request."""
    prompt = f"{request.prompt} {AS_JSON}" if dialect is Dialect.SCHEMA else request.prompt
    asked: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    if dialect is not Dialect.BARE:
        # Twice the room of the base model: names of fields, and languages that take more tokens.
        asked |= {"temperature": 0, "max_tokens": 2 * request.max_new_tokens}
    if dialect is Dialect.SCHEMA:
        schema = {"name": "questions", "strict": True, "schema": _schema(request)}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    return asked


def _schema(request: Request) -> dict[str, Any]:
    names = [label.lower() for label in (PROVEN if request.with_evidence else PAIR)]
    item = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": item}},
        "required": ["items"],
        "additionalProperties": False,
    }


def lines_of(response: Any) -> EndpointReply:
    """The reply in a chat completion. Raises `ValueError` for what is none."""
    try:
        choice = response["choices"][0]
        content = choice["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise ValueError("not a chat completion") from None
    if not isinstance(content, str):
        raise ValueError("a chat completion without text")
    text = _from_json(content)
    if text is None:
        cut = choice.get("finish_reason") == "length"
        text = whole_lines(content) if cut else content
    usage = response.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return EndpointReply(text, _count(counts, "prompt_tokens"), _count(counts, "completion_tokens"))


def _count(counts: dict[str, Any], name: str) -> int:
    value = counts.get(name)
    return value if type(value) is int and value > 0 else 0


def _from_json(content: str) -> str | None:
    """The items as lines; None when `content` is no JSON object with items."""
    try:
        items = json.loads(content)["items"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(items, list):
        return None
    return "\n\n".join(_lines(item) for item in items if isinstance(item, dict))


def _lines(item: dict[str, Any]) -> str:
    return "\n".join(
        f"{label}: {' '.join(str(item[label.lower()]).split())}"
        for label in PROVEN
        if label.lower() in item
    )
