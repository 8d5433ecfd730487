"""How an adapter comes into the library on the page: from a file, or from the Hugging Face Hub."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_chat.errors import LiftChatError
from ui.errors import page, warn
from ui.owner import owner_of, token_of
from ui.payloads import uploaded
from ui.quiet import QUIET
from ui.words import ARRIVAL_HELP

if TYPE_CHECKING:
    from lift_chat.service import LiftChat
    from storage.records import Adapter


@dataclass(frozen=True)
class Arrivals:
    box: gr.Accordion
    file: gr.File
    repo: gr.Textbox
    revision: gr.Textbox
    pull: gr.Button


def layout() -> Arrivals:
    with gr.Accordion("Bring in an adapter", open=False, elem_id="arrivals") as box:
        gr.HTML(f'<p class="lc-sub">{ARRIVAL_HELP}</p>')
        file = gr.File(
            label="Drop an exported adapter (.zip)",
            file_types=[".zip"],
            elem_classes="lc-drop",
            elem_id="arrival-file",
            height=112,
        )
        with gr.Row(equal_height=True):
            repo = gr.Textbox(
                value="",
                label="From the Hub",
                placeholder="user/name",
                max_lines=1,
                scale=3,
                elem_id="arrival-repo",
            )
            revision = gr.Textbox(
                value="", label="Version", placeholder="the newest", max_lines=1, scale=1
            )
            pull = gr.Button("Pull", elem_id="arrival-pull", scale=1, min_width=120)
    return Arrivals(box, file, repo, revision, pull)


class ArrivalHandlers:
    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def take_in(self, path: str | None, request: gr.Request | None = None) -> None:
        """Empties the drop zone, also when the file was refused: an error would cover it."""
        if not path:
            return
        try:
            owner = owner_of(request)
            _greet(self.service.import_adapter(uploaded(path, owner), owner=owner))
        except LiftChatError as error:
            warn(error)

    @page
    def pull(self, repo: str, revision: str, request: gr.Request | None = None) -> tuple[str, str]:
        """Empties both fields when the adapter is there."""
        arrived = self.service.pull_adapter(
            repo.strip(),
            revision=revision.strip() or None,
            token=token_of(request),
            owner=owner_of(request),
        )
        _greet(arrived)
        return "", ""


def _greet(adapter: Adapter) -> None:
    gr.Info(html.escape(f"“{adapter.name}” is in the library."), title="Checked and kept")


def wire(
    service: LiftChat,
    arrivals: Arrivals,
    *,
    refresh: tuple[Callable[..., Any], list[Any], list[Any]],
) -> None:
    """`refresh` shows the library anew."""
    handlers = ArrivalHandlers(service)
    show, asked, view = refresh
    intake: dict[str, Any] = {
        "concurrency_id": "intake",
        "concurrency_limit": 2,
        "api_visibility": "private",
    }
    arrivals.file.upload(handlers.take_in, arrivals.file, arrivals.file, **intake).then(
        show, asked, view, **QUIET
    )
    fields = [arrivals.repo, arrivals.revision]
    gr.on(
        [arrivals.pull.click, arrivals.repo.submit], handlers.pull, fields, fields, **intake
    ).success(show, asked, view, **QUIET)
