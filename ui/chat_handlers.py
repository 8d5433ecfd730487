"""The chat's events over the service.

Conversations live in the service; the page keeps only the id of the open one. What is drawn while
an answer grows is redrawn from the service when it ends, however it ended (`settle`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from threading import Event
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_chat.errors import InvalidConfig, LiftChatError, NotFound
from storage.records import Message
from ui import present, sources
from ui.cards import notice
from ui.chat_choices import (
    NEW_CONVERSATION,
    adapter_choices,
    conversation_choices,
    suggestions,
    trouble_of,
)
from ui.errors import page
from ui.owner import owner_of
from ui.settings_box import chosen
from ui.words import (
    ASK,
    ASK_SOMETHING,
    CHOOSE_ADAPTER,
    EMPTY_CHAT,
    NOT_IN_CONVERSATION,
    STOP,
)

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

PENDING = "…"
Changes = Mapping[str, Any]
Turn = tuple[Any, ...]


class ChatHandlers:
    def __init__(self, service: LiftChat) -> None:
        self.service = service
        self.stops: dict[str, Event] = {}
        """By conversation, the flag that ends the answer under way."""

    @page
    def refresh(self, adapter_id: str | None, request: gr.Request | None = None) -> Turn:
        """The choices of adapters; what is chosen stays, else the first one.

        Returns (adapter, room, nothing): the chat is only there when there is somebody to talk to.
        """
        choices = adapter_choices(self.service, owner_of(request))
        ids = [value for _, value in choices]
        chosen_id = adapter_id if adapter_id in ids else (ids[0] if ids else None)
        adapter = gr.update(choices=choices, value=chosen_id)
        return adapter, gr.update(visible=bool(ids)), gr.update(visible=not ids)

    @page
    def open(self, adapter_id: str | None, request: gr.Request | None = None) -> Turn:
        """An adapter was chosen: does it fit, its newest conversation, questions to begin with.

        Returns (trouble, chatbot, conversation, box).
        """
        if not adapter_id:
            return (gr.skip(),) * 4
        owner = owner_of(request)
        adapter = self.service.adapter(adapter_id, owner=owner)
        trouble = trouble_of(self.service, adapter)
        choices = conversation_choices(self.service, adapter_id, owner)
        newest = choices[1][1] if len(choices) > 1 else NEW_CONVERSATION
        chatbot = gr.update(
            value=self._history(newest, owner),
            placeholder=present.harmless(EMPTY_CHAT.format(name=adapter.name)),
            examples=[{"text": question} for question in suggestions(self.service, adapter, owner)],
        )
        conversation = gr.update(choices=choices, value=newest, interactive=True)
        why = gr.update(value=notice([trouble]), visible=bool(trouble))
        return why, chatbot, conversation, gr.update(interactive=not trouble)

    def warm(
        self, adapter_id: str | None, changes: Changes, request: gr.Request | None = None
    ) -> None:
        """Has the document read ahead while the first question is thought of. What is wrong with
        the adapter or the settings, `open` or the question itself will tell."""
        if adapter_id:
            with suppress(LiftChatError):
                self.service.warm(adapter_id, chosen(changes), owner=owner_of(request))

    @page
    def show(self, conversation_id: str, request: gr.Request | None = None) -> Any:
        return self._history(conversation_id, owner_of(request))

    @page
    def respond(
        self,
        adapter_id: str | None,
        conversation_id: str,
        text: str,
        changes: Changes,
        request: gr.Request | None = None,
    ) -> Iterator[Turn]:
        """One turn, streamed; begins a conversation when none is open."""
        if not adapter_id:
            raise InvalidConfig(CHOOSE_ADAPTER)
        if not text.strip():
            raise InvalidConfig(ASK_SOMETHING)
        owner = owner_of(request)
        opened = gr.skip()
        if not conversation_id:
            conversation_id = self.service.start_conversation(adapter_id, owner=owner).id
            choices = conversation_choices(self.service, adapter_id, owner)
            opened = gr.update(choices=choices, value=conversation_id)
        yield from self._stream(conversation_id, text.strip(), changes, owner, opened=opened)

    @page
    def suggested(
        self,
        adapter_id: str | None,
        conversation_id: str,
        changes: Changes,
        event: gr.SelectData,
        request: gr.Request | None = None,
    ) -> Iterator[Turn]:
        """A suggested question was clicked."""
        question = str(event.value["text"])
        yield from self.respond(adapter_id, conversation_id, question, changes, request)

    @page
    def retry(
        self,
        conversation_id: str,
        changes: Changes,
        event: gr.RetryData,
        request: gr.Request | None = None,
    ) -> Iterator[Turn]:
        """The same question again, without what came after it."""
        owner = owner_of(request)
        turn, question = self._question(conversation_id, event.index, owner)
        self.service.rewind(conversation_id, turn, owner=owner)
        yield from self._stream(conversation_id, question, changes, owner)

    @page
    def edit(
        self,
        conversation_id: str,
        changes: Changes,
        event: gr.EditData,
        request: gr.Request | None = None,
    ) -> Iterator[Turn]:
        """A question was rewritten: the conversation goes on from there."""
        text = present.typed(str(event.value))
        if not text:
            raise InvalidConfig(ASK_SOMETHING)
        owner = owner_of(request)
        turn, _ = self._question(conversation_id, event.index, owner)
        self.service.rewind(conversation_id, turn, owner=owner)
        yield from self._stream(conversation_id, text, changes, owner)

    @page
    def undo(
        self, conversation_id: str, event: gr.UndoData, request: gr.Request | None = None
    ) -> Turn:
        """Takes the last question back into the box."""
        owner = owner_of(request)
        turn, question = self._question(conversation_id, event.index, owner)
        self.service.rewind(conversation_id, turn, owner=owner)
        return self._history(conversation_id, owner), question

    @page
    def stop(self, conversation_id: str, request: gr.Request | None = None) -> None:
        if conversation_id in self.stops:
            self.service.messages(conversation_id, owner=owner_of(request))
            self.stops[conversation_id].set()

    @page
    def forget(
        self, adapter_id: str | None, conversation_id: str, request: gr.Request | None = None
    ) -> Turn:
        """Deletes the open conversation and opens the newest that is left."""
        if conversation_id:
            self.service.delete_conversation(conversation_id, owner=owner_of(request))
        return self.open(adapter_id, request)

    @page
    def settle(
        self, adapter_id: str | None, conversation_id: str, request: gr.Request | None = None
    ) -> Turn:
        """After a turn, however it ended: what is stored, and the box ready again."""
        owner = owner_of(request)
        choices = conversation_choices(self.service, adapter_id, owner) if adapter_id else []
        ready = gr.update(submit_btn=ASK, stop_btn=False)
        return self._history(conversation_id, owner), gr.update(choices=choices), ready

    def _history(self, conversation_id: str, owner: str) -> list[dict[str, Any]]:
        if not conversation_id:
            return []
        messages = self.service.messages(conversation_id, owner=owner)
        bubbles = present.bubbles(messages)
        return [sources.followed(b, m.facts) for b, m in zip(bubbles, messages, strict=True)]

    def _question(
        self, conversation_id: str, index: int | Sequence[int], owner: str
    ) -> tuple[int, str]:
        """Place and text of the question at or above the bubble `index`."""
        at = index if isinstance(index, int) else index[0]
        messages: list[Message] = self.service.messages(conversation_id, owner=owner)
        for place in range(min(at, len(messages) - 1), -1, -1):
            if messages[place].role == "user":
                return place, messages[place].content
        raise NotFound(NOT_IN_CONVERSATION)

    def _stream(
        self,
        conversation_id: str,
        text: str,
        changes: Changes,
        owner: str,
        *,
        opened: Any = None,
    ) -> Iterator[Turn]:
        """Yields (chatbot, conversation, box). Leaving it in any way closes the generation."""
        settings = chosen(changes)
        stop = self.stops[conversation_id] = Event()
        past = [*self._history(conversation_id, owner), present.bubble("user", text)]
        busy = gr.update(value="", submit_btn=False, stop_btn=STOP)
        yield [*past, present.bubble("assistant", PENDING)], opened or gr.skip(), busy
        answer = ""
        pieces = self.service.converse(conversation_id, text, settings, owner=owner)
        with closing(pieces):
            for piece in pieces:
                answer += piece
                yield [*past, present.bubble("assistant", answer)], gr.skip(), gr.skip()
                if stop.is_set():
                    break
