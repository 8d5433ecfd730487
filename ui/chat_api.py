"""The endpoints of the chat: answers, comparisons, and where an answer came from.

Plain JSON in and out; each asks the service with the caller's own ownership.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from lift_chat import ChatSettings
from ui.errors import endpoint
from ui.owner import owner_of
from ui.payloads import messages_of

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

GENERATING = ("chat", "compare", "tint")
"""Those that need the model."""


class ChatApi:
    """One method per endpoint; its docstring is what the API page shows."""

    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @endpoint
    def chat(
        self,
        adapter_id: str,
        messages: str | list[dict[str, Any]],
        settings: dict[str, Any] | None = None,
        request: gr.Request | None = None,
    ) -> Iterator[str]:
        """Streams the growing answer. `messages` is a question, or a list of
        {"role": "user" | "assistant", "content": text} that ends with one."""
        pieces = self.service.reply(
            adapter_id,
            messages_of(messages),
            ChatSettings.from_dict(settings or {}),
            owner=owner_of(request),
        )
        answer = ""
        with closing(pieces):
            for piece in pieces:
                answer += piece
                yield answer

    @endpoint
    def compare(
        self,
        adapter_id: str,
        message: str,
        settings: dict[str, Any] | None = None,
        request: gr.Request | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Streams the growing answers of the adapter and of the base, in the same window, on the
        same seed: {"adapted", "base", "window"}."""
        options = ChatSettings.from_dict(settings or {})
        growing = self.service.compare(adapter_id, message, options, owner=owner_of(request))
        with closing(cast("Generator[Any]", growing)):
            for texts in growing:
                yield asdict(texts)

    @endpoint
    def citations(
        self,
        adapter_id: str,
        answer: str,
        question: str = "",
        request: gr.Request | None = None,
    ) -> list[dict[str, Any]]:
        """Where the claims of an answer stand in the document, by its words: a list of {"page",
        "label", "start", "end", "quote", "score"}. What `question` says counts as no claim."""
        owner = owner_of(request)
        found = self.service.citations(adapter_id, answer, question=question, owner=owner)
        return [asdict(citation) for citation in found]

    @endpoint
    def tint(
        self,
        adapter_id: str,
        messages: str | list[dict[str, Any]],
        answer: str,
        settings: dict[str, Any] | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Where an answer to `messages` came from: {"tokens", "gates"}. A token is {"text", "gain",
        "gate"}: `gain` is how much the adapter added to its log-probability, in nats; `gate`, in
        0..1, how far a gated memory was open, null without one. `gates` has one {"layer", "heads"}
        for each layer with a memory: the mean gate of each head over the answer; [] without."""
        tint = self.service.tint(
            adapter_id,
            messages_of(messages),
            answer,
            ChatSettings.from_dict(settings or {}),
            owner=owner_of(request),
        )
        return asdict(tint)
