"""Study items through the service, over a real library."""

from __future__ import annotations

from pathlib import Path

import pytest

from lift_chat.errors import InvalidConfig, LibraryDamaged, NotFound
from lift_chat.lift.study.cards import from_csv
from lift_chat.service import LiftChat
from lift_chat.study_list import page_of, span_of
from storage.records import LOCAL, Page, StudyItem
from tests.conftest import TALE

WRITTEN = StudyItem("Who lit the lamp?", "A keeper", 0, 20, evidence="a keeper", kind="evidence")


@pytest.fixture
def document_id(app: LiftChat, tmp_path: Path) -> str:
    path = tmp_path / "tale.txt"
    path.write_text(TALE, encoding="utf-8")
    document = app.add_document(path)
    app.library.set_study_items(document.id, LOCAL, [WRITTEN])
    return document.id


def test_what_a_person_adds_or_changes_is_theirs_and_the_rest_is_not(
    app: LiftChat, document_id: str
) -> None:
    own = StudyItem("  Who turned? ", "The Gannet", 0, 9)
    app.set_study_items(document_id, [WRITTEN, own])
    kept = app.study_items(document_id)
    assert kept == [WRITTEN, StudyItem("Who turned?", "The Gannet", 0, 9, origin="person")]
    app.set_study_items(document_id, kept)
    assert app.study_items(document_id) == kept


def test_a_refused_list_leaves_the_old_one(app: LiftChat, document_id: str) -> None:
    for wrong in (StudyItem("", "x", 0, 1), StudyItem("Where?", "x", 0, 10**9)):
        with pytest.raises(InvalidConfig, match=r"^Question 2"):
            app.set_study_items(document_id, [WRITTEN, wrong])
    assert app.study_items(document_id) == [WRITTEN]


def test_a_list_that_cannot_be_read_can_be_replaced(app: LiftChat, document_id: str) -> None:
    (file,) = app.settings.home.glob("documents/*/owners/*.study.jsonl")
    file.write_bytes(b'{"question": "Who')
    with pytest.raises(LibraryDamaged, match="line 1"):
        app.study_items(document_id)
    with pytest.raises(InvalidConfig, match=r"^Question 1"):
        app.set_study_items(document_id, [StudyItem("", "x", 0, 1)])
    assert file.read_bytes() == b'{"question": "Who'
    app.set_study_items(document_id, [StudyItem("Who turned?", "The Gannet", 0, 9)])
    assert app.study_items(document_id) == [
        StudyItem("Who turned?", "The Gannet", 0, 9, origin="person")
    ]


def test_questions_that_are_only_asked_are_kept_and_are_flashcards_too(
    app: LiftChat, document_id: str
) -> None:
    asked = [
        StudyItem(f"Who is {kind}?", "She", 0, 9, kind=kind, origin="person")
        for kind in ("exam", "pinned")
    ]
    app.set_study_items(document_id, [WRITTEN, *asked])
    assert app.study_items(document_id) == [WRITTEN, *asked]
    cards = from_csv(app.study_cards(document_id))
    assert [card.tags for card in cards[1:]] == [("lift-chat", "exam"), ("lift-chat", "pinned")]


def test_flashcards_hold_every_question(app: LiftChat, document_id: str) -> None:
    (card,) = from_csv(app.study_cards(document_id))
    assert (card.front, card.back) == (WRITTEN.question, WRITTEN.answer)


def test_study_items_of_somebody_else_are_not_found(app: LiftChat, document_id: str) -> None:
    with pytest.raises(NotFound):
        app.study_items(document_id, owner="somebody")
    with pytest.raises(NotFound):
        app.study_cards(document_id, owner="somebody")
    with pytest.raises(NotFound):
        app.set_study_items(document_id, [], owner="somebody")
    assert app.study_items(document_id) == [WRITTEN]


def test_a_character_lies_on_the_last_page_that_began_before_it() -> None:
    pages = [Page(4, "iv", 0, 10, "x" * 10), Page(5, "v", 12, 20, "y" * 8)]
    assert [page_of(pages, start) for start in (0, 11, 12, 99)] == [4, 4, 5, 5]
    assert span_of(pages, 5) == (12, 20)
    with pytest.raises(InvalidConfig, match="no page 1; it has 2"):
        span_of(pages, 1)
