"""Who writes: the base model itself, many prompts at a time.

A writer is given requests and gives back replies in their own time; what is in a reply is not
its concern. The other writer is `endpoint.EndpointWriter`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from lift_chat.lift.study.openings import begun
from lift_chat.lift.study.request import Request
from lift_chat.models import batch
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import prompt_ids, user

ROUND = 60
"""Prompts that are written at once: twelve passages with five questions each. Enough to use a
device well, few enough that questions come while a reader waits for them."""

LEAST_REPLY = 24
"""Tokens that must be left for a reply in the model's limit, or it is not asked."""

Generate = Callable[..., Iterator[tuple[int, str]]]
"""`batch.generate`, or what stands in for it."""


Replies = Generator[tuple[int, str], None, None]


@dataclass
class Usage:
    """What a writer has used. Tokens are counted by those who send a bill."""

    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Writer(Protocol):
    """Yields (index of the request, reply) in any order, each index once; a reply is empty where
    its request failed. `note` is a sentence that the user has to know, or empty."""

    @property
    def origin(self) -> Literal["model", "endpoint"]: ...

    @property
    def note(self) -> str: ...

    @property
    def usage(self) -> Usage: ...

    def write(self, requests: Sequence[Request]) -> Replies: ...


class BaseWriter:
    """The base model, by greedy decoding: the same document and base give the same questions."""

    origin: Literal["model", "endpoint"] = "model"
    note = ""

    def __init__(
        self, loaded: LoadedModel, turn: Turn, generate: Generate = batch.generate
    ) -> None:
        self.loaded, self.turn, self._generate = loaded, turn, generate
        self.usage = Usage()

    def write(self, requests: Sequence[Request]) -> Replies:
        for start in range(0, len(requests), ROUND):
            yield from self._round(start, requests[start : start + ROUND])

    def _round(self, start: int, requests: Sequence[Request]) -> Iterator[tuple[int, str]]:
        prompts = {
            start + place: prompt_ids(self.loaded, [user(request.prompt)])
            + self._tokens(request.opening)
            for place, request in enumerate(requests)
        }
        room = self.loaded.limit - LEAST_REPLY
        short = [index for index, prompt in prompts.items() if len(prompt) <= room]
        self.usage.requests += len(requests)
        self.usage.failed += len(requests) - len(short)
        yield from ((index, "") for index in prompts if index not in short)
        if not short:
            return
        longest = max(len(prompts[index]) for index in short)
        wanted = max(request.max_new_tokens for request in requests)
        most = min(wanted, self.loaded.limit - longest)
        asked = [prompts[index] for index in short]
        replies = self._generate(
            self.loaded.model, self.loaded, asked, max_new_tokens=most, turn=self.turn
        )
        for place, reply in replies:
            whole, opening = self._finished(reply, most), requests[short[place] - start].opening
            yield short[place], begun(opening, whole) if opening else whole

    def _finished(self, reply: str, most: int) -> str:
        """Without the last line of a reply that ran out of tokens: it may be half an answer.

        A reply may take a few tokens less than the model spent on it.
        """
        return reply if len(self._tokens(reply)) < most - most // 16 else whole_lines(reply)

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self.loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def whole_lines(reply: str) -> str:
    """A reply that was cut off, without the line that it was cut off in."""
    return reply.rpartition("\n")[0]
