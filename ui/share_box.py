"""How an adapter leaves the library from the page: as a file, or to the Hugging Face Hub.

Part of the library's panel; always about the adapter that is picked there. What is made public
is asked about once more, with what the adapter gives away.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_chat.errors import NotConfirmed
from ui import cards
from ui.errors import page
from ui.outbox import exported
from ui.owner import owner_of, token_of
from ui.quiet import QUIET
from ui.words import SHARE_HELP

if TYPE_CHECKING:
    from lift_chat.service import LiftChat
    from storage.hub.repository import Pushed


@dataclass(frozen=True)
class ShareBox:
    box: gr.Accordion
    document: gr.Checkbox
    export: gr.Button
    file: gr.File
    repo: gr.Textbox
    public: gr.Checkbox
    push: gr.Button
    confirm: gr.Column
    warning: gr.HTML
    publish: gr.Button
    keep: gr.Button
    result: gr.HTML

    @property
    def view(self) -> list[Any]:
        """The outputs of `ShareHandlers.show`, in its order."""
        return [self.box, self.document, self.file, self.confirm, self.result]

    @property
    def answer(self) -> list[Any]:
        """The outputs of `ShareHandlers.push` and `publish`, in their order."""
        return [self.confirm, self.warning, self.result]


def layout() -> ShareBox:
    with gr.Accordion("Share", open=False, visible=False, elem_id="share") as box:
        document = gr.Checkbox(False, label="With the document and its study questions")
        export = gr.Button("Export as a file", elem_id="share-export")
        file = gr.File(visible=False, interactive=False, label="To save", elem_id="share-file")
        gr.HTML(f'<p class="lc-sub">{SHARE_HELP}</p>')
        repo = gr.Textbox(
            value="",
            label="Repository on the Hub",
            placeholder="user/name",
            max_lines=1,
            elem_id="share-repo",
        )
        public = gr.Checkbox(False, label="Public: everybody can see and use it")
        push = gr.Button("Push to the Hub", elem_id="share-push")
        with gr.Column(visible=False, elem_classes="lc-confirm") as confirm:
            warning = gr.HTML(elem_id="share-warning")
            with gr.Row(elem_classes="lc-actions"):
                publish = gr.Button("Publish it", variant="stop", elem_id="share-publish")
                keep = gr.Button("Do not publish")
        result = gr.HTML(elem_id="share-result")
    return ShareBox(
        box, document, export, file, repo, public, push, confirm, warning, publish, keep, result
    )


class ShareHandlers:
    """The box's events over the service; `picked` is a pair of kind and id."""

    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def show(self, picked: tuple[str, str], request: gr.Request | None = None) -> tuple[Any, ...]:
        """A fresh box for what was picked; documents have none."""
        hidden = gr.update(visible=False)
        if picked[0] != "adapter":
            return hidden, False, hidden, hidden, ""
        source = self.service.adapter(picked[1], owner=owner_of(request)).document_id
        return (
            gr.update(visible=True, open=False),
            gr.update(value=False, visible=bool(source)),
            gr.update(visible=False, value=None),
            hidden,
            "",
        )

    @page
    def export(
        self, picked: tuple[str, str], document: bool, request: gr.Request | None = None
    ) -> Any:
        file = exported(self.service, picked[1], owner_of(request), document=document)
        return gr.update(visible=True, value=str(file))

    @page
    def push(
        self,
        picked: tuple[str, str],
        repo: str,
        public: bool,
        request: gr.Request | None = None,
    ) -> tuple[Any, ...]:
        """Pushes, or asks first where it would be for everybody."""
        try:
            return self._pushed(picked, repo, request, public=public)
        except NotConfirmed as told:
            return gr.update(visible=True), cards.notice([str(told)], "bad"), ""

    @page
    def publish(
        self, picked: tuple[str, str], repo: str, request: gr.Request | None = None
    ) -> tuple[Any, ...]:
        return self._pushed(picked, repo, request, public=True, confirmed=True)

    def _pushed(
        self, picked: tuple[str, str], repo: str, request: gr.Request | None, **how: bool
    ) -> tuple[Any, ...]:
        pushed = self.service.push_adapter(
            picked[1], repo.strip(), token=token_of(request), owner=owner_of(request), **how
        )
        return gr.update(visible=False), "", pushed_line(pushed)


def pushed_line(pushed: Pushed) -> str:
    """Where it is now, as a link."""
    seen = "for you alone" if pushed.private else "for everybody"
    link = f'<a href="{html.escape(pushed.url)}" target="_blank" rel="noopener">'
    return f'<p role="status">Pushed to {link}{html.escape(pushed.repo)}</a>, {seen}.</p>'


def wire(service: LiftChat, box: ShareBox, picked: gr.State) -> None:
    handlers = ShareHandlers(service)
    picked.change(handlers.show, picked, box.view, **QUIET)
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
    box.export.click(handlers.export, [picked, box.document], box.file, **private)
    box.push.click(handlers.push, [picked, box.repo, box.public], box.answer, **private)
    box.publish.click(handlers.publish, [picked, box.repo], box.answer, **private)
    box.keep.click(lambda: gr.update(visible=False), None, box.confirm, **QUIET)
