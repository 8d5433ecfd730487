"""Absorbing slice by slice, where a device is lent for a while: one click, one slice.

The slice runs inside the event of the click, since it is the visitor's own share of the device.
What it did is a row like that of any run; here it is only asked for, and said what came of it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from ui import cards, present
from ui.errors import page
from ui.owner import owner_of
from ui.quiet import QUIET
from ui.words import SLICE_OVER, SLICE_STARTS, SLICES_OVER

if TYPE_CHECKING:
    from lift_chat.service import LiftChat
    from ui.shell import Shell


@dataclass(frozen=True)
class SliceBox:
    room: gr.Column
    said: gr.HTML
    go: gr.Button


def layout() -> SliceBox:
    """Out of sight until it is wired, and a run waits."""
    with gr.Column(visible=False, elem_id="slices") as room:
        said = gr.HTML(elem_id="slice-said")
        with gr.Row(elem_classes="lc-actions"):
            go = gr.Button("Absorb one slice", variant="primary", elem_id="slice-go")
    return SliceBox(room, said, go)


class SliceHandlers:
    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def show(self, job_id: str, request: gr.Request | None = None) -> tuple[Any, Any]:
        """The box and its button, for a run that waits. What it still needs is said after a
        slice: to look at a run must not cost seconds of a device."""
        owner = owner_of(request)
        waits = bool(job_id) and self.service.job(job_id, owner=owner).job.state == "queued"
        return gr.update(visible=waits), gr.update(visible=True, interactive=True)

    @page
    def take(
        self, job_id: str, request: gr.Request | None = None
    ) -> Iterator[tuple[Any, Any, str]]:
        """One slice: the box, its button and what happens; at the end what came of it."""
        owner = owner_of(request)
        yield gr.update(visible=True), gr.update(interactive=False), cards.empty(SLICE_STARTS)
        events = self.service.absorb_slice(job_id, owner=owner)
        try:
            with closing(cast("Generator[Any]", events)):
                for _ in events:
                    job = self.service.job(job_id, owner=owner).job
                    yield gr.skip(), gr.skip(), cards.empty(present.stage(job))
        except Exception:
            # The button is there for another try; the error is told by the page.
            yield gr.update(visible=True), gr.update(interactive=True), ""
            raise
        need = self.service.slices_left(job_id, owner=owner)
        said = SLICE_OVER.format(left=need.sentence()) if need else SLICES_OVER
        yield (
            gr.update(visible=True),
            gr.update(interactive=True, visible=bool(need)),
            cards.empty(said),
        )


def wire(service: LiftChat, box: SliceBox, shared: Shell, queued: Any) -> None:
    """`queued` is the event that puts a run into the queue: its first slice is that click's."""
    if not service.in_slices:
        return
    handlers = SliceHandlers(service)
    shared.job_id.change(handlers.show, shared.job_id, [box.room, box.go], **QUIET)
    taken: dict[str, Any] = {
        "fn": handlers.take,
        "inputs": shared.job_id,
        "outputs": [box.room, box.go, box.said],
        "concurrency_id": "slices",
        "concurrency_limit": 8,
        **QUIET,
    }
    queued.success(**taken)
    box.go.click(**taken)
