"""From a file to a run: what was read, which chapters, how thoroughly, what it will cost.

The run itself is shown by `job_panel`; this tab only puts it into the queue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui import cards, form, job_panel, present, slices, study_box
from ui.errors import page
from ui.intake import read_in
from ui.owner import owner_of
from ui.quiet import QUIET
from ui.words import (
    CHOOSE_DOCUMENT,
    DOCUMENT_TYPES,
    ESTIMATING,
    NO_DOCUMENT,
    PRESETS,
)

if TYPE_CHECKING:
    from lift_chat.service import LiftChat
    from ui.shell import Shell

DEFAULT_PRESET = "read"
STUDY = "absorb-study"
"""Name of this tab's study box."""


@dataclass(frozen=True)
class AbsorbTab:
    job: job_panel.JobPanel
    intake: gr.Column
    drop: gr.File
    reading: gr.Column
    facts: gr.HTML
    chapter_box: gr.Accordion
    chapters: gr.CheckboxGroup
    page: gr.Number
    text: gr.HTML
    study: study_box.StudyBox
    preset: gr.Radio
    changes: gr.State
    controls: dict[str, gr.components.Component]
    estimate: gr.HTML
    absorb: gr.Button
    other: gr.Button


def layout() -> AbsorbTab:
    """A chosen document comes first, then the run, then the place for the next document."""
    with gr.Column(visible=False, elem_id="reading") as reading, gr.Row(elem_classes="lc-split"):
        with gr.Column(scale=3, min_width=320):
            facts = gr.HTML(elem_id="document-facts")
            with gr.Accordion("Chapters", open=False, visible=False) as chapter_box:
                chapters = gr.CheckboxGroup(
                    label="Chapters to absorb", show_select_all=True, elem_classes="lc-chapters"
                )
            with gr.Accordion("Look at the text"):
                number = gr.Number(1, minimum=1, maximum=1, precision=0, label="Page")
                text = gr.HTML(elem_id="page-text")
            study = study_box.layout(STUDY)
        with gr.Column(scale=2, min_width=320):
            preset, changes, controls = _recipe()
            estimate = gr.HTML(elem_id="estimate")
            absorb = gr.Button("Absorb", variant="primary", elem_id="absorb")
            other = gr.Button("Choose another document", variant="secondary", size="sm")
    job = job_panel.layout()
    with gr.Column(elem_id="absorb-intake") as intake:
        gr.HTML(cards.empty(NO_DOCUMENT))
        drop = gr.File(
            label="Drop a PDF or a book",
            file_types=DOCUMENT_TYPES,
            elem_classes="lc-drop",
            elem_id="absorb-drop",
            height=112,
        )
    job_panel.layout_all_runs(job)
    return AbsorbTab(
        job, intake, drop, reading, facts, chapter_box, chapters, number, text, study,
        preset, changes, controls, estimate, absorb, other,
    )  # fmt: skip


def _recipe() -> tuple[gr.Radio, gr.State, dict[str, gr.components.Component]]:
    choices = [(line, name) for name, line in PRESETS.items()]
    preset = gr.Radio(
        choices, value=DEFAULT_PRESET, label="How thoroughly", elem_classes="lc-presets"
    )
    changes = gr.State({})
    with gr.Accordion("Advanced settings", open=False, elem_classes="lc-advanced"):
        controls = form.layout(DEFAULT_PRESET)
    return preset, changes, controls


class AbsorbHandlers:
    """The tab's events over the service."""

    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def show(self, document_id: str, request: gr.Request | None = None) -> tuple[Any, ...]:
        """What was read of the chosen document, or the drop zone when none is chosen."""
        if not document_id:
            hidden = gr.update(visible=False)
            return gr.update(visible=True), hidden, "", hidden, gr.skip(), gr.skip(), "", ""
        owner = owner_of(request)
        document = self.service.document(document_id, owner=owner)
        choices = present.chapter_choices(self.service.outline(document_id, owner=owner))
        return (
            gr.update(visible=False),
            gr.update(visible=True),
            cards.document_details(document),
            gr.update(visible=bool(choices), label=f"Chapters ({len(choices)})"),
            gr.update(choices=choices, value=[index for _, index in choices]),
            gr.update(
                maximum=document.pages,
                value=1,
                label=f"Page (of {document.pages:,})",
                visible=document.pages > 1,
            ),
            self.text(document_id, 1, request),
            "",
        )

    @page
    def text(self, document_id: str, number: int, request: gr.Request | None = None) -> str:
        pages = self.service.pages(document_id, owner=owner_of(request)) if document_id else []
        return (
            cards.page_text(pages[min(max(int(number or 1), 1), len(pages)) - 1]) if pages else ""
        )

    @page
    def upload(self, path: str | None, request: gr.Request | None = None) -> tuple[Any, ...]:
        """Reads a dropped file in; the drop zone is emptied."""
        return None, read_in(self.service, path, owner_of(request)) or gr.skip()

    @page
    def use_preset(self, preset: str) -> list[Any]:
        """The preset's values in all controls, and nothing changed from them."""
        return [{}, *form.preset_values(preset).values()]

    @page
    def estimate(
        self,
        document_id: str,
        preset: str,
        changes: dict[str, Any],
        chapters: list[int],
        request: gr.Request | None = None,
    ) -> Iterator[str]:
        """First that it is being measured, then the estimate, or what is wrong with the recipe."""
        if not document_id:
            yield ""
            return
        yield cards.empty(ESTIMATING)
        owner = owner_of(request)
        outline = self.service.outline(document_id, owner=owner)
        config = form.config(preset, changes, chapters, outline)
        shown = cards.estimate(self.service.estimate(document_id, config, owner=owner))
        if self.service.in_slices:
            need = self.service.slices_needed(document_id, config, owner=owner)
            shown += cards.empty(need.sentence())
        yield shown

    @page
    def absorb(
        self,
        document_id: str,
        preset: str,
        changes: dict[str, Any],
        chapters: list[int],
        request: gr.Request | None = None,
    ) -> tuple[str, str]:
        """Into the queue; the same document and recipe again is the same run."""
        if not document_id:
            raise gr.Error(CHOOSE_DOCUMENT, print_exception=False)
        owner = owner_of(request)
        outline = self.service.outline(document_id, owner=owner)
        config = form.config(preset, changes, chapters, outline)
        return self.service.absorb(document_id, config, owner=owner).id, ""


def _change(
    name: str,
    preset: str,
    changes: dict[str, Any],
    value: Any,
) -> dict[str, Any]:
    return form.changed(name, preset, changes, value)


def wire(service: LiftChat, tab: AbsorbTab, shared: Shell, chat_adapter: gr.Dropdown) -> None:
    handlers = AbsorbHandlers(service)
    view = [
        tab.intake, tab.reading, tab.facts, tab.chapter_box, tab.chapters, tab.page, tab.text,
        tab.estimate,
    ]  # fmt: skip
    recipe = [shared.document_id, tab.preset, tab.changes, tab.chapters]
    estimated: dict[str, Any] = {
        "fn": handlers.estimate,
        "inputs": recipe,
        "outputs": tab.estimate,
        "concurrency_id": "estimate",
        **QUIET,
    }
    shared.document_id.change(handlers.show, shared.document_id, view, **QUIET).then(**estimated)
    tab.page.change(handlers.text, [shared.document_id, tab.page], tab.text, **QUIET)
    tab.drop.upload(
        handlers.upload,
        tab.drop,
        [tab.drop, shared.document_id],
        concurrency_id="intake",
        concurrency_limit=2,
        api_visibility="private",
    )
    tab.preset.input(
        handlers.use_preset, tab.preset, [tab.changes, *tab.controls.values()], **QUIET
    ).then(**estimated)
    tab.chapters.input(**estimated, trigger_mode="always_last")
    for name, control in tab.controls.items():
        inputs = [tab.preset, tab.changes, control]
        control.input(partial(_change, name), inputs, tab.changes, **QUIET).then(**estimated)
    queued = tab.absorb.click(
        handlers.absorb, recipe, [shared.job_id, shared.document_id], api_visibility="private"
    )
    queued.success(None, js="() => window.scrollTo({top: 0, behavior: 'smooth'})")
    tab.other.click(lambda: "", None, shared.document_id, **QUIET)
    study_box.wire(service, tab.study, STUDY)
    study_box.follow(service, tab.study, shared.document_id)
    job_panel.wire(service, tab.job, shared, chat_adapter)
    slices.wire(service, tab.job.slices, shared, queued)
