"""The panel beside the shelves: one adapter or document, and what can be done with it.

What is picked is kept as a pair (kind, id); everything else is asked from the service again.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_chat.learned import Learned
from ui import cards, present, report, share_box, shell, study_box
from ui.chat_choices import adapter_choices, trouble_of
from ui.errors import page
from ui.owner import owner_of, token_of
from ui.quiet import QUIET
from ui.words import DELETE_ADAPTER, DELETE_DOCUMENT

if TYPE_CHECKING:
    from lift_chat.service import LiftChat
    from ui.shell import Shell

NOTHING = ("", "")
MISSING = {True: "deleted since", False: "not here"}
"""What is said of a document by whether it was here once."""
STUDY = "details-study"
"""Name of this panel's study box."""


@dataclass(frozen=True)
class Details:
    picked: gr.State
    panel: gr.Column
    body: gr.HTML
    report: gr.HTML
    chat: gr.Button
    absorb: gr.Button
    edit: gr.Accordion
    name: gr.Textbox
    tags: gr.Textbox
    note: gr.Textbox
    save: gr.Button
    delete: gr.Button
    confirm: gr.Column
    warning: gr.HTML
    really: gr.Button
    keep: gr.Button
    source: gr.State
    share: share_box.ShareBox
    study: study_box.StudyBox

    @property
    def view(self) -> list[Any]:
        """The outputs of `DetailsHandlers.show`, in its order."""
        return [
            self.picked, self.panel, self.body, self.chat, self.absorb, self.edit,
            self.name, self.tags, self.note, self.confirm, self.warning, self.source,
            self.report,
        ]  # fmt: skip


def layout() -> Details:
    picked = gr.State(NOTHING)
    with gr.Column(scale=2, min_width=320, visible=False, elem_id="details") as panel:
        body = gr.HTML()
        with gr.Row(elem_classes="lc-actions"):
            chat = gr.Button("Chat", variant="primary", elem_id="details-chat", min_width=120)
            absorb = gr.Button("Absorb", variant="primary", elem_id="details-absorb", min_width=120)
            delete = gr.Button("Delete…", elem_id="details-delete", min_width=120)
        with gr.Column(visible=False, elem_classes="lc-confirm") as confirm:
            warning = gr.HTML()
            with gr.Row(elem_classes="lc-actions"):
                really = gr.Button("Delete for good", variant="stop", elem_id="delete-really")
                keep = gr.Button("Keep it")
        learned = gr.HTML(elem_id="details-report")
        with gr.Accordion("Name, tags and note", open=False) as edit:
            name = gr.Textbox(value="", label="Name", max_lines=1)
            tags = gr.Textbox(value="", label="Tags", info="Separated by commas", max_lines=1)
            note = gr.Textbox(value="", label="Note", lines=3)
            save = gr.Button("Save", elem_id="details-save")
        share = share_box.layout()
        study = study_box.layout(STUDY)
    return Details(
        picked, panel, body, learned, chat, absorb, edit, name, tags, note, save, delete, confirm,
        warning, really, keep, gr.State(""), share, study,
    )  # fmt: skip


class DetailsHandlers:
    """The panel's events over the service."""

    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def pick(self, event: gr.EventData, request: gr.Request | None = None) -> tuple[Any, ...]:
        """A click on a card: a run opens in the absorb tab, anything else in the panel."""
        kind, item_id = str(event.kind), str(event.id)
        if kind == "job":
            return item_id, gr.Tabs(selected=shell.ABSORB), *self.show(NOTHING, request)
        return gr.skip(), gr.skip(), *self.show((kind, item_id), request)

    def show(self, picked: tuple[str, str], request: gr.Request | None = None) -> tuple[Any, ...]:
        kind, item_id = picked
        owner = owner_of(request)
        if kind == "adapter":
            return self._adapter(item_id, owner)
        if kind == "document":
            return self._document(item_id, owner)
        hidden = gr.update(visible=False)
        return NOTHING, hidden, "", *(gr.skip(),) * 6, hidden, "", "", ""

    def _adapter(self, adapter_id: str, owner: str) -> tuple[Any, ...]:
        adapter = self.service.adapter(adapter_id, owner=owner)
        source = [d for d in self.service.documents(owner=owner) if d.id == adapter.document_id]
        document = present.title(source[0]) if source else MISSING[bool(adapter.document_id)]
        body = cards.adapter_details(adapter, document, trouble_of(self.service, adapter))
        warning = DELETE_ADAPTER.format(name=adapter.name, size=present.size(adapter.bytes))
        return (
            ("adapter", adapter.id),
            gr.update(visible=True),
            body,
            gr.update(visible=True),
            gr.update(visible=bool(source), value="Absorb again", variant="secondary"),
            gr.update(visible=True, open=False),
            adapter.name,
            ", ".join(adapter.tags),
            adapter.note,
            gr.update(visible=False),
            cards.notice([warning], "bad"),
            source[0].id if source else "",
            report.learned(Learned.of(adapter.metrics)),
        )

    def _document(self, document_id: str, owner: str) -> tuple[Any, ...]:
        document = self.service.document(document_id, owner=owner)
        warning = DELETE_DOCUMENT.format(
            name=present.title(document), size=present.size(document.bytes)
        )
        return (
            ("document", document.id),
            gr.update(visible=True),
            cards.document_details(document),
            gr.update(visible=False),
            gr.update(visible=True, value="Absorb", variant="primary"),
            gr.update(visible=False),
            *("", "", ""),
            gr.update(visible=False),
            cards.notice([warning], "bad"),
            document.id,
            "",
        )

    @page
    def save(
        self,
        picked: tuple[str, str],
        name: str,
        tags: str,
        note: str,
        request: gr.Request | None = None,
    ) -> tuple[Any, ...]:
        adapter = self.service.update_adapter(
            picked[1], name=name, tags=present.tags(tags), note=note, owner=owner_of(request)
        )
        return self._adapter(adapter.id, owner_of(request))

    @page
    def delete(self, picked: tuple[str, str], request: gr.Request | None = None) -> tuple[Any, ...]:
        kind, item_id = picked
        owner = owner_of(request)
        if kind == "adapter":
            self.service.drop_kept(item_id, token=token_of(request), owner=owner)
            freed = self.service.delete_adapter(item_id, owner=owner)
        else:
            freed = self.service.delete_document(item_id, owner=owner)
        gr.Info(html.escape(f"{present.size(freed)} freed."), title="Deleted")
        return self.show(NOTHING, request)

    @page
    def chat(self, picked: tuple[str, str], request: gr.Request | None = None) -> tuple[Any, ...]:
        choices = adapter_choices(self.service, owner_of(request))
        return gr.Dropdown(choices=choices, value=picked[1]), gr.Tabs(selected=shell.CHAT)

    @page
    def absorb(self, document_id: str) -> tuple[Any, ...]:
        return document_id, gr.Tabs(selected=shell.ABSORB)


def wire_pick(service: LiftChat, source: gr.HTML, panel: Details, shared: Shell) -> None:
    handlers = DetailsHandlers(service)
    outputs = [shared.job_id, shared.tabs, *panel.view]
    # Beside the shelves the panel is in view already; on a phone it is below them.
    scroll = (
        "() => { if (innerWidth < 760) document.querySelector('#details')"
        "?.scrollIntoView({behavior: 'smooth'}); }"
    )
    source.click(handlers.pick, None, outputs, **QUIET).then(None, js=scroll)


def wire(
    service: LiftChat,
    panel: Details,
    shared: Shell,
    chat_adapter: gr.Dropdown,
    *,
    refresh: tuple[Callable[..., Any], list[Any], list[Any]],
) -> None:
    handlers = DetailsHandlers(service)
    show, asked, view = refresh
    edits = [panel.picked, panel.name, panel.tags, panel.note]
    panel.save.click(handlers.save, edits, panel.view, **QUIET).then(show, asked, view, **QUIET)
    panel.delete.click(lambda: gr.update(visible=True), None, panel.confirm, **QUIET)
    panel.keep.click(lambda: gr.update(visible=False), None, panel.confirm, **QUIET)
    panel.really.click(handlers.delete, panel.picked, panel.view, **QUIET).then(
        show, asked, view, **QUIET
    )
    panel.chat.click(handlers.chat, panel.picked, [chat_adapter, shared.tabs], **QUIET)
    panel.absorb.click(handlers.absorb, panel.source, [shared.document_id, shared.tabs], **QUIET)
    share_box.wire(service, panel.share, panel.picked)
    study_box.wire(service, panel.study, STUDY)
    study_box.follow(service, panel.study, panel.source)
