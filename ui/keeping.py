"""Keeping a visitor's library on the Hub, on a Space whose disk does not last: taken in when they
come, brought up to date while their page is open.

A token is at hand only while a visitor's own event runs, so all of it happens in such events.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_chat.errors import LiftChatError
from lift_chat.sharing.keeping import Kept
from storage.records import NOBODY
from ui.errors import page, warn
from ui.owner import owner_of, token_of
from ui.quiet import QUIET
from ui.words import KEEP_HELP, NOT_KEPT, NOT_KEPT_UP

if TYPE_CHECKING:
    from lift_chat.service import LiftChat
    from ui.shell import Shell


@dataclass(frozen=True)
class KeepBox:
    box: gr.Accordion
    line: gr.HTML
    keep: gr.Button

    @property
    def view(self) -> list[Any]:
        """The outputs of all handlers, in their order."""
        return [self.box, self.line, self.keep]


def layout() -> KeepBox:
    with gr.Accordion("Keep my library", open=False, visible=False, elem_id="keeping") as box:
        gr.HTML(f'<p class="lc-sub">{KEEP_HELP}</p>')
        line = gr.HTML(elem_id="kept-line")
        keep = gr.Button("Keep it in a private repository", elem_id="keep-library")
    return KeepBox(box, line, keep)


class KeepHandlers:
    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def welcome(self, request: gr.Request | None = None) -> tuple[Any, ...]:
        """Takes in what is kept of whoever has signed in."""
        owner = owner_of(request)
        if owner == NOBODY:
            return gr.update(visible=False), "", gr.skip()
        kept = None
        try:
            kept = self.service.restore_library(token=token_of(request), owner=owner)
        except LiftChatError as error:
            warn(error)
        if kept and kept.arrived:
            gr.Info(f"{kept.arrived} of your adapters are back.", title="Your library")
        return self._shown(kept)

    @page
    def keep(self, request: gr.Request | None = None) -> tuple[Any, ...]:
        kept = self.service.keep_library(token=token_of(request), owner=owner_of(request))
        return self._shown(kept)

    @page
    def tick(self, request: gr.Request | None = None) -> Any:
        """Adds what came about since; a kept library only."""
        owner = owner_of(request)
        if not self.service.library_is_behind(owner=owner):
            return gr.skip()
        try:
            return self._shown(self.service.keep_library(token=token_of(request), owner=owner))
        except LiftChatError as error:
            # Said once: until the button is pressed, nothing is tried again.
            warn(error)
            return self._shown(None, NOT_KEPT_UP)

    def _shown(self, kept: Kept | None, line: str = NOT_KEPT) -> tuple[Any, ...]:
        if kept:
            count = "1 adapter" if kept.adapters == 1 else f"{kept.adapters} adapters"
            line = f"Kept in {html.escape(kept.repo)}, for you alone: {count}."
        shown = f'<p role="status">{line}</p>'
        return gr.update(visible=True), shown, gr.update(visible=kept is None)


def wire(
    service: LiftChat,
    app: gr.Blocks,
    box: KeepBox,
    shared: Shell,
    refresh: tuple[Callable[..., Any], list[Any], list[Any]],
) -> None:
    """`refresh` shows the library anew."""
    handlers = KeepHandlers(service)
    show, asked, view = refresh
    app.load(handlers.welcome, None, box.view, **QUIET).then(show, asked, view, **QUIET)
    box.keep.click(handlers.keep, None, box.view, api_visibility="private")
    shared.timer.tick(handlers.tick, None, box.view, **QUIET)
