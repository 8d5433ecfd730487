"""The events of the study box over the service; every change is saved at once.

A change goes into the list as the service has it at that moment, since a run may have written to
it after the page was drawn. Knows no component.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_chat.errors import NotFound
from lift_chat.study_list import page_of
from storage.records import StudyItem
from ui import present, study_rows
from ui.errors import page
from ui.owner import owner_of
from ui.words import KINDS, NO_SUCH_ITEM

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

NEW = ""
"""Key of the item that is being added."""


class StudyHandlers:
    """The box's events over the service."""

    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def show(
        self, document_id: str, query: str = "", start: int = 0, request: gr.Request | None = None
    ) -> tuple[Any, ...]:
        """The list of a document's questions; hidden where there is no document."""
        if not document_id:
            return "", gr.update(visible=False), "", 0, *(gr.update(visible=False),) * 3
        owner = owner_of(request)
        items = self.service.study_items(document_id, owner=owner)
        pages = self.service.pages(document_id, owner=owner)
        found = study_rows.matching(items, query)
        start = study_rows.shown_from(len(found), start)
        label = f"Study questions ({len(items):,})" if items else "Study questions"
        return (
            document_id,
            gr.update(visible=True, label=label),
            study_rows.listing(found, pages, start, query=query),
            start,
            gr.update(visible=start > 0),
            gr.update(visible=start + study_rows.PER_LIST < len(found)),
            gr.update(visible=bool(items)),
        )

    def earlier(
        self, document_id: str, query: str, start: int, request: gr.Request | None = None
    ) -> tuple[Any, ...]:
        return self.show(document_id, query, start - study_rows.PER_LIST, request)

    def later(
        self, document_id: str, query: str, start: int, request: gr.Request | None = None
    ) -> tuple[Any, ...]:
        return self.show(document_id, query, start + study_rows.PER_LIST, request)

    @page
    def pick(
        self, event: gr.EventData, document_id: str, request: gr.Request | None = None
    ) -> tuple[Any, ...]:
        """Opens the form with the clicked question."""
        items = self.service.study_items(document_id, owner=owner_of(request))
        place = study_rows.find(items, str(event.id))
        if place is None:
            raise NotFound(NO_SUCH_ITEM)
        return self.form(document_id, items[place], request)

    @page
    def blank(self, document_id: str, request: gr.Request | None = None) -> tuple[Any, ...]:
        """Opens the form for a question of the person's own."""
        return self.form(document_id, None, request)

    def form(
        self, document_id: str, item: StudyItem | None, request: gr.Request | None = None
    ) -> tuple[Any, ...]:
        pages = self.service.pages(document_id, owner=owner_of(request))
        at = page_of(pages, item.start) if item else 1
        return (
            study_rows.key(item) if item else NEW,
            gr.update(visible=True),
            item.question if item else "",
            item.answer if item else "",
            item.kind if item and item.kind in KINDS else "fact",
            gr.update(value=at, maximum=len(pages), label=f"Page (of {len(pages):,})"),
            gr.update(visible=item is not None),
        )

    def close(self) -> tuple[Any, ...]:
        return NEW, gr.update(visible=False), "", "", "fact", 1, gr.update(visible=False)

    @page
    def save(
        self,
        document_id: str,
        editing: str,
        question: str,
        answer: str,
        kind: str,
        number: float | None,
        request: gr.Request | None = None,
    ) -> tuple[Any, ...]:
        """Puts the form's question into the list and closes the form. A refusal leaves both."""
        owner = owner_of(request)
        items = self.service.study_items(document_id, owner=owner)
        pages = self.service.pages(document_id, owner=owner)
        place = study_rows.find(items, editing) if editing else None
        old = items[place] if place is not None else None
        item = study_rows.filled_in((question, answer, kind, number), old, pages)
        if place is None:
            items.insert(0, item)  # also where it was changed meanwhile: nothing typed is lost
        else:
            items[place] = item
        self.service.set_study_items(document_id, items, owner=owner)
        return self.close()

    @page
    def delete(
        self, document_id: str, editing: str, request: gr.Request | None = None
    ) -> tuple[Any, ...]:
        owner = owner_of(request)
        items = self.service.study_items(document_id, owner=owner)
        left = [item for item in items if study_rows.key(item) != editing]
        self.service.set_study_items(document_id, left, owner=owner)
        return self.close()

    @page
    def export(self, document_id: str, request: gr.Request | None = None) -> tuple[str, str]:
        """Name and text of the file of flashcards."""
        owner = owner_of(request)
        text = self.service.study_cards(document_id, owner=owner)
        document = self.service.document(document_id, owner=owner)
        return present.file_name(present.title(document), "-flashcards.csv"), text
