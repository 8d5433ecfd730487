"""The study questions of one document: a list, a form for one of them, and their export.

Knows no tab; the library and the absorb tab each have one. What its events do is in
`study_handlers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui import cards
from ui.quiet import QUIET
from ui.study_handlers import NEW, StudyHandlers
from ui.words import KINDS, STUDY_HELP

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

SHOW_FORM = """() => {{ requestAnimationFrame(() => {{
  const form = document.querySelector('#{form}');
  form?.scrollIntoView({{behavior: 'smooth', block: 'nearest'}});
  form?.querySelector('textarea')?.focus({{preventScroll: true}});
}}); }}"""
SAVE_FILE = """(name, text) => {
  if (!name) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'text/csv;charset=utf-8'}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}"""
"""The file is made in the browser: no copy of the questions is left in a folder of the server."""


@dataclass(frozen=True)
class StudyBox:
    document_id: gr.State
    box: gr.Accordion
    query: gr.Textbox
    add: gr.Button
    export: gr.Button
    form: gr.Column
    question: gr.Textbox
    answer: gr.Textbox
    kind: gr.Dropdown
    page: gr.Number
    save: gr.Button
    delete: gr.Button
    cancel: gr.Button
    rows: gr.HTML
    earlier: gr.Button
    later: gr.Button
    start: gr.State
    editing: gr.State
    file: tuple[gr.Textbox, gr.Textbox]

    @property
    def view(self) -> list[Any]:
        """The outputs of `StudyHandlers.show`, in its order."""
        return [
            self.document_id, self.box, self.rows, self.start, self.earlier, self.later,
            self.export,
        ]  # fmt: skip

    @property
    def fields(self) -> list[Any]:
        """The outputs of `StudyHandlers.form`, in its order."""
        return [
            self.editing, self.form, self.question, self.answer, self.kind, self.page, self.delete,
        ]  # fmt: skip


def layout(name: str) -> StudyBox:
    """`name` sets the box apart from others on the page."""
    with gr.Accordion("Study questions", open=False, visible=False, elem_id=name) as box:
        gr.HTML(f'<p class="lc-sub">{STUDY_HELP}</p>')
        query = gr.Textbox(value="", label="Find a question", max_lines=1)
        with gr.Row(elem_classes="lc-actions"):
            add = gr.Button("Add a question", elem_id=f"{name}-add", min_width=120)
            export = gr.Button("Export as flashcards", elem_id=f"{name}-export", min_width=120)
        with gr.Column(visible=False, elem_classes="lc-edit", elem_id=f"{name}-form") as form:
            question, answer, kind, number = _fields()
            with gr.Row(elem_classes="lc-actions"):
                save = gr.Button("Save the question", variant="primary", elem_id=f"{name}-save")
                delete = gr.Button("Delete it", elem_id=f"{name}-delete")
                cancel = gr.Button("Cancel")
        rows = gr.HTML(js_on_load=cards.CLICK, elem_id=f"{name}-rows")
        with gr.Row(elem_classes="lc-actions"):
            earlier = gr.Button("Earlier questions", visible=False, size="sm")
            later = gr.Button("More questions", visible=False, size="sm")
        file = (
            gr.Textbox(visible=False, label="File name"),
            gr.Textbox(visible=False, label="Flashcards"),
        )
    return StudyBox(
        gr.State(""), box, query, add, export, form, question, answer, kind, number, save, delete,
        cancel, rows, earlier, later, gr.State(0), gr.State(NEW), file,
    )  # fmt: skip


def _fields() -> tuple[gr.Textbox, gr.Textbox, gr.Dropdown, gr.Number]:
    question = gr.Textbox(value="", label="Question", lines=2)
    answer = gr.Textbox(value="", label="Answer", lines=2)
    with gr.Row():
        kinds = [(words, kind) for kind, words in KINDS.items()]
        kind = gr.Dropdown(kinds, value="fact", label="Kind", min_width=120, scale=2)
        number = gr.Number(1, minimum=1, precision=0, label="Page", min_width=80, scale=1)
    return question, answer, kind, number


def wire(service: LiftChat, box: StudyBox, name: str) -> None:
    """Connects the box to itself; `follow` makes it show another document."""
    handlers = StudyHandlers(service)
    listed = [box.document_id, box.query, box.start]
    item = [box.document_id, box.editing]
    form = [box.question, box.answer, box.kind, box.page]
    to_form = {"fn": None, "js": SHOW_FORM.format(form=f"{name}-form")}
    for trigger in (box.query.input, box.box.expand):
        trigger(handlers.show, listed, box.view, **QUIET)
    box.earlier.click(handlers.earlier, listed, box.view, **QUIET)
    box.later.click(handlers.later, listed, box.view, **QUIET)
    box.rows.click(handlers.pick, box.document_id, box.fields, **QUIET).success(**to_form)
    box.add.click(handlers.blank, box.document_id, box.fields, **QUIET).success(**to_form)
    box.cancel.click(handlers.close, None, box.fields, **QUIET)
    for change in (
        box.save.click(handlers.save, [*item, *form], box.fields, **QUIET),
        box.delete.click(handlers.delete, item, box.fields, **QUIET),
    ):
        change.success(handlers.show, listed, box.view, **QUIET)
    file = list(box.file)
    box.export.click(handlers.export, box.document_id, file, **QUIET).success(
        None, file, js=SAVE_FILE
    )


def follow(service: LiftChat, box: StudyBox, chosen: gr.State) -> None:
    """Shows the questions of the document whose id `chosen` holds, with the form closed."""
    handlers = StudyHandlers(service)
    chosen.change(handlers.show, chosen, box.view, **QUIET).then(
        handlers.close, None, box.fields, **QUIET
    )
