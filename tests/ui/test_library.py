from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from lift_chat.errors import NotFound
from lift_chat.examples import EXAMPLE
from lift_chat.lift.recipe import LiftConfig
from tests.ui.conftest import event
from tests.ui.fakes import FakeLiftChat
from ui.details import NOTHING, DetailsHandlers
from ui.library_tab import LibraryHandlers

HERO, FILTERS, TAG, RUNNING, SHELVES, SEEN = range(6)
(
    PICKED, PANEL, BODY, CHAT, ABSORB, EDIT, NAME, TAGS, NOTE, CONFIRM, WARNING, SOURCE,
    REPORT,
) = range(13)  # fmt: skip


@pytest.fixture
def library(fake: FakeLiftChat) -> LibraryHandlers:
    return LibraryHandlers(cast(Any, fake))


@pytest.fixture
def details(fake: FakeLiftChat) -> DetailsHandlers:
    return DetailsHandlers(cast(Any, fake))


def absorbed(fake: FakeLiftChat, path: Path) -> str:
    handle = fake.absorb(fake.add_document(path).id)
    fake.advance(handle.id, 99)
    return fake.adapters()[0].id


def test_the_first_visit_shows_what_this_is_and_no_search(library: LibraryHandlers) -> None:
    view = library.show("", "")
    assert view[HERO]["visible"] is True
    assert view[FILTERS]["visible"] is False
    assert (view[RUNNING], view[SHELVES]) == ("", "")


def test_documents_runs_and_adapters_each_have_their_place(
    library: LibraryHandlers, fake: FakeLiftChat, note: Path, tmp_path: Path
) -> None:
    absorbed(fake, note)
    (tmp_path / "waiting.txt").write_text("w")
    (tmp_path / "unread.txt").write_text("u")
    fake.absorb(fake.add_document(tmp_path / "waiting.txt").id)
    fake.add_document(tmp_path / "unread.txt")
    view = library.show("", "")
    assert "Waiting" in view[RUNNING]
    assert "A Note" in view[SHELVES] and "Unread" in view[SHELVES]
    assert "Waiting" not in view[SHELVES], "a document under way is not offered again"
    assert view[SHELVES].count("lc-card-title") == 2


def test_search_and_tag_narrow_the_shelves(
    library: LibraryHandlers, fake: FakeLiftChat, note: Path
) -> None:
    fake.update_adapter(absorbed(fake, note), tags=["birds"])
    assert "A Note" in library.show("note", "")[SHELVES]
    assert "Nothing matches" in library.show("zebra", "")[SHELVES]
    view = library.show("", "birds")
    assert "A Note" in view[SHELVES]
    assert ("birds", "birds") in view[TAG]["choices"]


def test_a_tag_that_is_gone_falls_back_to_all(
    library: LibraryHandlers, fake: FakeLiftChat, note: Path
) -> None:
    absorbed(fake, note)
    assert library.show("", "gone")[TAG]["value"] == ""


def test_a_tick_without_news_changes_nothing(
    library: LibraryHandlers, fake: FakeLiftChat, note: Path
) -> None:
    absorbed(fake, note)
    seen = library.show("", "")[SEEN]
    assert library.tick(seen, "", "") == gr.skip()


def test_a_tick_leaves_the_shelves_alone_while_a_run_advances(
    library: LibraryHandlers, fake: FakeLiftChat, note: Path
) -> None:
    handle = fake.absorb(fake.add_document(note).id)
    fake.advance(handle.id)
    seen = library.show("", "")[SEEN]
    fake.advance(handle.id)
    view = library.tick(seen, "", "")
    assert "10 %" in view[RUNNING]
    assert view[SHELVES] == gr.skip()


def test_a_list_does_not_load_the_model_to_tell_what_fits(
    library: LibraryHandlers, fake: FakeLiftChat, note: Path
) -> None:
    absorbed(fake, note)
    fake.mismatch, fake.loaded = "Made for another model.", False
    assert "other base model" not in library.show("", "")[SHELVES]
    fake.loaded = True
    assert "other base model" in library.show("", "")[SHELVES]


def test_a_dropped_file_is_read_in_and_opens_the_absorb_tab(
    library: LibraryHandlers, fake: FakeLiftChat, note: Path
) -> None:
    drop, document_id, tabs = library.upload(str(note))
    assert drop is None
    assert document_id == fake.documents()[0].id
    assert tabs.selected == "absorb"
    assert library.upload(None) == (None, gr.skip(), gr.skip())


def test_an_unreadable_file_is_one_sentence_and_leaves_nothing(
    library: LibraryHandlers, fake: FakeLiftChat, tmp_path: Path
) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.warns(UserWarning, match=r"^empty\.txt: the file is empty\.$"):
        drop, *rest = library.upload(str(tmp_path / "empty.txt"))
    assert drop is None, "the place is free for another file"
    assert rest == [gr.skip(), gr.skip()]
    assert fake.documents() == []


def test_the_example_is_read_in(library: LibraryHandlers, fake: FakeLiftChat) -> None:
    document_id, tabs = library.try_example()
    assert fake.document(document_id).name == EXAMPLE.pdf.name
    assert tabs.selected == "absorb"


def test_an_adapter_shows_its_numbers_and_can_be_talked_to(
    details: DetailsHandlers, fake: FakeLiftChat, note: Path
) -> None:
    adapter_id = absorbed(fake, note)
    view = details.pick(event(kind="adapter", id=adapter_id))[2:]
    assert view[PICKED] == ("adapter", adapter_id)
    assert "3.400" in view[BODY] and "0.520" in view[BODY]
    assert (view[CHAT]["visible"], view[ABSORB]["visible"]) == (True, True)
    assert view[ABSORB]["value"] == "Absorb again"
    assert "7.3 MB" in view[WARNING], "deleting names the size"


def test_an_adapter_with_an_exam_shows_what_was_found(
    details: DetailsHandlers, fake: FakeLiftChat, note: Path
) -> None:
    assert details.show(("adapter", absorbed(fake, note)))[REPORT] == ""
    fake.exams = True
    fake.advance(fake.absorb(fake.documents()[0].id, LiftConfig.preset("skim")).id, 99)
    report = details.show(("adapter", fake.adapters()[0].id))[REPORT]
    for told in ("12 % before, 34 % now", "Learned 43 %", "Memory map", "answers (3)"):
        assert told in report


def test_the_document_of_an_adapter_brings_its_study_questions_while_it_exists(
    details: DetailsHandlers, fake: FakeLiftChat, note: Path
) -> None:
    adapter_id = absorbed(fake, note)
    document_id = fake.documents()[0].id
    assert details.show(("adapter", adapter_id))[SOURCE] == document_id
    assert details.show(("document", document_id))[SOURCE] == document_id
    fake.delete_document(document_id)
    view = details.show(("adapter", adapter_id))
    assert view[SOURCE] == "" and view[ABSORB]["visible"] is False
    assert details.show(NOTHING)[SOURCE] == ""


def test_an_adapter_that_does_not_fit_says_why(
    details: DetailsHandlers, fake: FakeLiftChat, note: Path
) -> None:
    adapter_id = absorbed(fake, note)
    fake.mismatch = "Made for another model."
    assert "Made for another model." in details.show(("adapter", adapter_id))[BODY]


def test_a_document_shows_what_was_read_and_can_be_absorbed(
    details: DetailsHandlers, fake: FakeLiftChat, note: Path
) -> None:
    document = fake.add_document(note)
    view = details.pick(event(kind="document", id=document.id))[2:]
    assert "A. N. Author" in view[BODY]
    assert (view[CHAT]["visible"], view[ABSORB]["visible"]) == (False, True)
    document_id, tabs = details.absorb(view[SOURCE])
    assert (document_id, tabs.selected) == (document.id, "absorb")


def test_a_run_opens_in_the_absorb_tab(details: DetailsHandlers) -> None:
    job_id, tabs, *panel = details.pick(event(kind="job", id="j1"))
    assert (job_id, tabs.selected) == ("j1", "absorb")
    assert panel[PICKED] == NOTHING


def test_name_tags_and_note_are_saved(
    details: DetailsHandlers, fake: FakeLiftChat, note: Path
) -> None:
    adapter_id = absorbed(fake, note)
    view = details.save(("adapter", adapter_id), "Rivers", "lake, north", "For later.")
    adapter = fake.adapter(adapter_id)
    assert (adapter.name, adapter.tags, adapter.note) == ("Rivers", ("lake", "north"), "For later.")
    assert view[TAGS] == "lake, north"


@pytest.mark.parametrize("kind", ["adapter", "document"])
def test_deleting_removes_it_and_closes_the_panel(
    details: DetailsHandlers, fake: FakeLiftChat, note: Path, kind: str
) -> None:
    adapter_id = absorbed(fake, note)
    item_id = adapter_id if kind == "adapter" else fake.documents()[0].id
    view = details.delete((kind, item_id))
    assert view[PICKED] == NOTHING and view[PANEL]["visible"] is False
    assert len(fake.adapters()) + len(fake.documents()) == 1


def test_chat_opens_with_the_adapter_chosen(
    details: DetailsHandlers, fake: FakeLiftChat, note: Path
) -> None:
    adapter_id = absorbed(fake, note)
    chosen, tabs = details.chat(("adapter", adapter_id))
    assert (chosen.value, tabs.selected) == (adapter_id, "chat")


def test_what_somebody_else_owns_is_not_found(fake: FakeLiftChat, note: Path) -> None:
    document = fake.add_document(note, owner="somebody")
    with pytest.raises(NotFound):
        fake.document(document.id)
