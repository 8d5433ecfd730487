"""Under the conversation: where the last answer came from, token by token, for who asks; and of a
gated memory which of its gates were open.

What is shown is asked anew each time, with the settings that the answer was given with; nothing of
it is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_chat import ChatSettings
from lift_chat.errors import InvalidConfig
from ui import gate_map, sources
from ui.cards import empty
from ui.errors import page
from ui.owner import owner_of
from ui.quiet import QUIET
from ui.words import NOTHING_TO_TINT, TINTING

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

NOTHING = "() => ''"


@dataclass(frozen=True)
class TintPanel:
    button: gr.Button
    shown: gr.HTML


def layout() -> TintPanel:
    with gr.Row(elem_classes="lc-actions"):
        button = gr.Button("Where from?", size="sm", elem_id="where-from")
    return TintPanel(button, gr.HTML("", elem_id="tint"))


class TintHandlers:
    """The panel's event over the service."""

    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def toggle(
        self,
        adapter_id: str | None,
        conversation_id: str,
        shown: str | None,
        request: gr.Request | None = None,
    ) -> Iterator[str]:
        """The last answer with its tint and gates; nothing when they are shown already."""
        if shown:
            yield ""
            return
        owner = owner_of(request)
        messages = self.service.messages(conversation_id, owner=owner) if conversation_id else []
        if not adapter_id or not messages or messages[-1].role != "assistant":
            raise InvalidConfig(NOTHING_TO_TINT)
        *asked, answer = messages
        yield empty(TINTING)
        settings = ChatSettings.from_dict(answer.facts.get("settings", {}))
        tint = self.service.tint(adapter_id, asked, answer.content, settings, owner=owner)
        yield sources.tinted(tint.tokens) + gate_map.draw(tint.gates)


def wire(
    service: LiftChat,
    panel: TintPanel,
    here: Sequence[Any],
    others: Sequence[Any],
) -> None:
    """`here` are the components with the adapter and the conversation, `others` the events after
    which another answer is the last one."""
    handlers = TintHandlers(service)
    panel.button.click(
        handlers.toggle,
        [*here, panel.shown],
        panel.shown,
        concurrency_id="chat",
        concurrency_limit=4,
        **QUIET,
    )
    for event in others:
        event(None, None, panel.shown, js=NOTHING, **QUIET)
