"""The chat: what is on it and which event runs which handler of `chat_handlers`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui import compare, settings_box, tint_panel
from ui.cards import notice
from ui.chat_choices import NEW_CONVERSATION
from ui.chat_handlers import ChatHandlers
from ui.quiet import QUIET
from ui.words import ASK, NO_ADAPTER

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

CHAT, COMPARE = "chat", "compare"


@dataclass(frozen=True)
class ChatTab:
    nothing: gr.HTML
    room: gr.Column
    adapter: gr.Dropdown
    mode: gr.Radio
    history: gr.Column
    conversation: gr.Dropdown
    new: gr.Button
    forget: gr.Button
    settings: settings_box.SettingsBox
    trouble: gr.HTML
    talk: gr.Column
    chatbot: gr.Chatbot
    tint: tint_panel.TintPanel
    box: gr.Textbox
    compare: compare.ComparePanel


def layout() -> ChatTab:
    nothing = gr.HTML(notice([NO_ADAPTER], "quiet"), elem_id="chat-nothing")
    with gr.Column(visible=False) as room:
        with gr.Row(elem_classes="lc-split"):
            adapter = gr.Dropdown(
                [], value=None, label="Talk to", elem_id="chat-adapter", scale=3, min_width=260
            )
            mode = gr.Radio(
                [("Chat", CHAT), ("Compare with the unread model", COMPARE)],
                value=CHAT,
                label="Mode",
                elem_id="mode",
                scale=2,
                min_width=260,
            )
        with gr.Row(elem_classes="lc-split"):
            with gr.Column(scale=3, min_width=320):
                trouble = gr.HTML(visible=False, elem_id="chat-trouble")
                with gr.Column(elem_id="talk") as talk:
                    chatbot, tint, box = _talk()
                panel = compare.layout()
            with gr.Column(scale=1, min_width=260):
                with gr.Column(elem_id="history") as history:
                    conversation = gr.Dropdown(
                        [("New conversation", NEW_CONVERSATION)],
                        value=NEW_CONVERSATION,
                        label="Conversation",
                        elem_id="conversation",
                    )
                    with gr.Row():
                        new = gr.Button("New", size="sm", min_width=90)
                        forget = gr.Button("Delete", size="sm", min_width=90)
                settings = settings_box.layout()
    return ChatTab(
        nothing, room, adapter, mode, history, conversation, new, forget, settings, trouble, talk,
        chatbot, tint, box, panel,
    )  # fmt: skip


def _talk() -> tuple[gr.Chatbot, tint_panel.TintPanel, gr.Textbox]:
    chatbot = gr.Chatbot(
        label="Conversation",
        show_label=False,
        height="56vh",
        layout="bubble",
        editable="user",
        buttons=["copy"],
        sanitize_html=True,
        allow_tags=False,
        latex_delimiters=[],
        feedback_options=None,
        elem_id="chatbot",
    )
    tint = tint_panel.layout()
    box = gr.Textbox(
        value="",
        label="Your question",
        placeholder="Ask a question, press Enter",
        submit_btn=ASK,
        max_lines=6,
        elem_id="question",
    )
    return chatbot, tint, box


def choose_mode(mode: str) -> tuple[Any, ...]:
    talking = mode == CHAT
    return gr.update(visible=talking), gr.update(visible=talking), gr.update(visible=not talking)


def wire(service: LiftChat, tab: ChatTab) -> ChatHandlers:
    """Connects the tab; returns its handlers, for the page's load and tab events."""
    handlers = ChatHandlers(service)
    opened = [tab.trouble, tab.chatbot, tab.conversation, tab.box]
    here = [tab.adapter, tab.conversation]
    changes = tab.settings.changes
    settings_box.wire(tab.settings)
    compare.wire(service, tab.compare, tab.adapter, changes)
    tab.mode.change(choose_mode, tab.mode, [tab.talk, tab.history, tab.compare.panel], **QUIET)
    tab.adapter.change(handlers.open, tab.adapter, opened, **QUIET).then(
        handlers.warm, [tab.adapter, changes], None, **QUIET
    )
    tab.conversation.input(handlers.show, tab.conversation, tab.chatbot, **QUIET)
    tab.new.click(lambda: (NEW_CONVERSATION, []), None, [tab.conversation, tab.chatbot], **QUIET)
    tab.forget.click(handlers.forget, here, opened, **QUIET)
    turns = [
        (tab.box.submit, handlers.respond, [*here, tab.box, changes]),
        (tab.chatbot.example_select, handlers.suggested, [*here, changes]),
        (tab.chatbot.retry, handlers.retry, [tab.conversation, changes]),
        (tab.chatbot.edit, handlers.edit, [tab.conversation, changes]),
    ]
    for event, handler, inputs in turns:
        event(
            handler,
            inputs,
            [tab.chatbot, tab.conversation, tab.box],
            concurrency_id="chat",
            concurrency_limit=4,
            **QUIET,
        ).then(handlers.settle, here, [tab.chatbot, tab.conversation, tab.box], **QUIET)
    tab.chatbot.undo(handlers.undo, [tab.conversation], [tab.chatbot, tab.box], **QUIET)
    tab.box.stop(handlers.stop, tab.conversation, None, queue=False, **QUIET)
    over = [tab.adapter.change, tab.conversation.change, tab.chatbot.undo]
    tint_panel.wire(service, tab.tint, here, [*over, *(event for event, _, _ in turns)])
    return handlers
