"""The library, which is home: what is absorbed, what runs, what waits to be absorbed.

Draws and forwards only; the picked item's own panel is `details`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_chat.examples import EXAMPLE
from lift_chat.hosting import space_id
from storage.records import Job
from ui import arrivals, cards, details, shell
from ui.chat_choices import troubles
from ui.errors import page
from ui.intake import read_in
from ui.owner import owner_of
from ui.quiet import QUIET
from ui.words import DOCUMENT_TYPES, FIRST_VISIT, FIRST_VISIT_OF_SPACE, SMALL_PRINT

if TYPE_CHECKING:
    from lift_chat.service import LiftChat
    from ui.shell import Shell

ANY_TAG = ""


@dataclass(frozen=True)
class LibraryTab:
    hero: gr.HTML
    drop: gr.File
    example: gr.Button
    arrivals: arrivals.Arrivals
    filters: gr.Row
    query: gr.Textbox
    tag: gr.Dropdown
    running: gr.HTML
    shelves: gr.HTML
    seen: gr.State
    details: details.Details


def layout() -> LibraryTab:
    first_visit = FIRST_VISIT_OF_SPACE if space_id() else FIRST_VISIT
    hero = gr.HTML(cards.hero(first_visit, SMALL_PRINT), elem_id="hero")
    with gr.Row(elem_classes="lc-intake"):
        drop = gr.File(
            label="Drop a PDF or a book",
            file_types=DOCUMENT_TYPES,
            elem_classes="lc-drop",
            elem_id="library-drop",
            height=112,
            scale=4,
        )
        example = gr.Button("Try the example", elem_id="try-example", scale=1, min_width=160)
    arriving = arrivals.layout()
    with gr.Row(visible=False, elem_classes="lc-filters") as filters:
        query = gr.Textbox(
            value="",
            label="Search",
            placeholder="Title, author, tag or note",
            scale=3,
            max_lines=1,
            elem_id="search",
        )
        tag = gr.Dropdown([("All tags", ANY_TAG)], value=ANY_TAG, label="Tag", scale=1)
    running = gr.HTML(js_on_load=cards.CLICK, elem_id="running")
    with gr.Row(elem_classes="lc-home"):
        with gr.Column(scale=3, min_width=320):
            shelves = gr.HTML(js_on_load=cards.CLICK, elem_id="shelves")
        panel = details.layout()
    return LibraryTab(
        hero, drop, example, arriving, filters, query, tag, running, shelves, gr.State(()), panel
    )


class LibraryHandlers:
    """The library's events over the service."""

    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def show(self, query: str, tag: str, request: gr.Request | None = None) -> tuple[Any, ...]:
        """Everything on the tab: hero, filters, tags, runs, shelves, and a mark of the last two."""
        owner = owner_of(request)
        adapters = self.service.adapters(owner=owner)
        documents = self.service.documents(owner=owner)
        first_visit = not adapters and not documents
        names = sorted({name for adapter in adapters for name in adapter.tags})
        choices = [("All tags", ANY_TAG), *((name, name) for name in names)]
        running, shelves = self.running(owner), self.shelves(query, tag, owner)
        return (
            gr.update(visible=first_visit),
            gr.update(visible=not first_visit),
            gr.update(choices=choices, value=tag if tag in names else ANY_TAG),
            running,
            shelves,
            (running, shelves),
        )

    @page
    def tick(
        self, seen: tuple[str, ...], query: str, tag: str, request: gr.Request | None = None
    ) -> Any:
        """As `show`, but leaves alone what did not change, so that focus stays where it is."""
        fresh = self.show(query, tag, request)
        if tuple(seen) == fresh[-1]:
            return gr.skip()
        same = [old == new for old, new in zip(seen or ("", ""), fresh[-1], strict=True)]
        running = gr.skip() if same[0] else fresh[3]
        shelves = gr.skip() if same[1] else fresh[4]
        return (*fresh[:3], running, shelves, fresh[-1])

    def running(self, owner: str) -> str:
        """Runs that are under way or want a decision."""
        wanted = [job for job in self.service.jobs(owner=owner) if is_open(job)]
        return cards.shelf("Under way", [cards.job_card(job) for job in wanted])

    def shelves(self, query: str, tag: str, owner: str) -> str:
        chosen = (tag,) if tag else ()
        trouble = troubles(self.service, owner)
        adapters = self.service.adapters(query=query, tags=chosen, owner=owner)
        documents = () if tag else self.service.documents(query=query, owner=owner)
        busy = {job.document_id for job in self.service.jobs(owner=owner) if is_open(job)}
        read = {adapter.document_id for adapter in self.service.adapters(owner=owner)} | busy
        return cards.library(
            [cards.adapter_card(a, trouble[a.id]) for a in adapters],
            [cards.document_card(d) for d in documents if d.id not in read],
            searching=bool(query or tag),
        )

    @page
    def upload(self, path: str | None, request: gr.Request | None = None) -> tuple[Any, ...]:
        """Reads a dropped file in and goes to the absorb tab with it; the drop zone is emptied."""
        document_id = read_in(self.service, path, owner_of(request))
        if not document_id:
            return None, gr.skip(), gr.skip()
        return None, document_id, gr.Tabs(selected=shell.ABSORB)

    @page
    def try_example(self, request: gr.Request | None = None) -> tuple[Any, ...]:
        document = self.service.add_document(EXAMPLE.pdf, owner=owner_of(request))
        return document.id, gr.Tabs(selected=shell.ABSORB)


def is_open(job: Job) -> bool:
    """Under way, or ended in a way that the person can do something about."""
    return job.state in ("queued", "running", "interrupted", "failed")


def wire(service: LiftChat, tab: LibraryTab, shared: Shell, chat_adapter: gr.Dropdown) -> Any:
    """Connects the tab; returns its `show` and outputs, for the page's load and tab events."""
    handlers = LibraryHandlers(service)
    view = [tab.hero, tab.filters, tab.tag, tab.running, tab.shelves, tab.seen]
    asked = [tab.query, tab.tag]
    gr.on([tab.query.input, tab.tag.input], handlers.show, asked, view, **QUIET)
    shared.timer.tick(handlers.tick, [tab.seen, *asked], view, **QUIET)
    tab.drop.upload(
        handlers.upload,
        tab.drop,
        [tab.drop, shared.document_id, shared.tabs],
        concurrency_id="intake",
        concurrency_limit=2,
        api_visibility="private",
    )
    tab.example.click(
        handlers.try_example,
        None,
        [shared.document_id, shared.tabs],
        concurrency_id="intake",
        concurrency_limit=2,
        api_visibility="private",
    )
    arrivals.wire(service, tab.arrivals, refresh=(handlers.show, asked, view))
    for source in (tab.running, tab.shelves):
        details.wire_pick(service, source, tab.details, shared)
    details.wire(service, tab.details, shared, chat_adapter, refresh=(handlers.show, asked, view))
    return handlers.show, asked, view
