"""What can be chosen to talk to: adapters and their conversations, as choices for dropdowns."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

from lift_chat.examples import EXAMPLE, questions
from storage.records import Adapter
from ui import present
from ui.words import FILES_MISSING, SUGGESTIONS

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

NEW_CONVERSATION = ""
MOST_CONVERSATIONS = 100


def adapter_choices(service: LiftChat, owner: str) -> list[tuple[str, str]]:
    """(label, id) of every adapter; those that cannot be used now say so in their label."""
    trouble = troubles(service, owner)
    return [
        (
            f"{adapter.name} (cannot be used now)" if trouble[adapter.id] else adapter.name,
            adapter.id,
        )
        for adapter in service.adapters(owner=owner)
    ]


def troubles(service: LiftChat, owner: str) -> dict[str, str]:
    """By adapter id, why it cannot be used now; "" if it can, as far as is known.

    Whether an adapter fits is only known once the base model is loaded. A list does not load
    it; opening one adapter does.
    """
    loaded = service.health()["base_loaded"]
    return {
        adapter.id: trouble_of(service, adapter) if loaded or adapter.state == "missing" else ""
        for adapter in service.adapters(owner=owner)
    }


def trouble_of(service: LiftChat, adapter: Adapter) -> str:
    """One sentence, or "". Loads the base model."""
    return FILES_MISSING if adapter.state == "missing" else service.compatible(adapter)


def conversation_choices(service: LiftChat, adapter_id: str, owner: str) -> list[tuple[str, str]]:
    """(label, id), newest first after a new one; an untitled one is named by its first question."""
    found = sorted(service.conversations(adapter_id, owner=owner), key=lambda c: c.id, reverse=True)
    choices = [("New conversation", NEW_CONVERSATION)]
    for conversation in found[:MOST_CONVERSATIONS]:
        asked = [m.content for m in service.messages(conversation.id, owner=owner)[:1]]
        label = conversation.title or "".join(asked) or present.day(conversation.created_at)
        choices.append((shorten(label, 60, placeholder="…"), conversation.id))
    return choices


def suggestions(service: LiftChat, adapter: Adapter, owner: str) -> list[str]:
    """Questions to begin with: pinned ones for the example document, general ones otherwise."""
    names = [d.name for d in service.documents(owner=owner) if d.id == adapter.document_id]
    if names != [EXAMPLE.pdf.name]:
        return list(SUGGESTIONS)
    return [question.question for question in questions() if question.pinned]
