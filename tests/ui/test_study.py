from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from lift_chat import study_list
from lift_chat.errors import InvalidConfig
from lift_chat.models.prompts import UNANSWERABLE
from lift_chat.study_list import edited
from storage.records import StudyItem
from tests.ui.conftest import event
from tests.ui.fakes import FakeLiftChat
from ui import present, study_rows, words
from ui.study_handlers import NEW, StudyHandlers

DOCUMENT, BOX, ROWS, START, EARLIER, LATER, EXPORT = range(7)
EDITING, FORM, QUESTION, ANSWER, KIND, PAGE, DELETE = range(7)
EVIL = "<img src=x onerror=alert(1)>"
LENGTH = len("The Lathrin drains the lake.")


def item(n: int, **changes: Any) -> StudyItem:
    return replace(StudyItem(f"What is number {n}?", f"It is {n}.", 0, 5), **changes)


@pytest.fixture
def study(fake: FakeLiftChat) -> StudyHandlers:
    return StudyHandlers(cast(Any, fake))


@pytest.fixture
def document_id(fake: FakeLiftChat, note: Path) -> str:
    document_id = fake.add_document(note).id
    fake.write_study_items(document_id, [item(n) for n in range(30)])
    return document_id


def test_a_document_shows_its_questions_a_few_at_a_time(
    study: StudyHandlers, document_id: str
) -> None:
    view = study.show(document_id)
    assert view[BOX]["label"] == "Study questions (30)"
    assert view[ROWS].count("lc-item") == study_rows.PER_LIST
    assert "1 to 12 of 30" in view[ROWS]
    assert (view[EARLIER]["visible"], view[LATER]["visible"]) == (False, True)
    last = study.later(document_id, "", 12)
    assert "25 to 30 of 30" in last[ROWS]
    assert (last[EARLIER]["visible"], last[LATER]["visible"]) == (True, False)
    assert study.later(document_id, "", 24)[START] == 24, "there is no list after the last"
    assert study.earlier(document_id, "", 0)[START] == 0


def test_the_box_finds_questions_by_their_words(study: StudyHandlers, document_id: str) -> None:
    found = study.show(document_id, "NUMBER 17", 24)
    assert "number 17?" in found[ROWS] and found[ROWS].count("lc-item") == 1
    assert "No study question matches" in study.show(document_id, "zebra")[ROWS]


def test_without_a_document_the_box_is_hidden_and_without_questions_it_says_why(
    study: StudyHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    assert study.show("")[BOX]["visible"] is False
    fake.write_study_items(document_id, [])
    view = study.show(document_id)
    assert "no study questions yet" in view[ROWS]
    assert view[EXPORT]["visible"] is False


def test_a_clicked_question_is_changed_in_its_place_and_is_the_persons(
    study: StudyHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    old = fake.study_items(document_id)[4]
    form = study.pick(event(kind="item", id=study_rows.key(old)), document_id)
    assert (form[QUESTION], form[ANSWER], form[KIND]) == (old.question, old.answer, "fact")
    assert form[PAGE]["value"] == 1 and form[DELETE]["visible"]
    closed = study.save(document_id, form[EDITING], "Who?", " She. ", "list", 1)
    assert closed[FORM]["visible"] is False
    changed = replace(old, question="Who?", answer="She.", kind="list", origin="person")
    assert fake.study_items(document_id)[4] == changed
    assert sum(i.origin == "person" for i in fake.study_items(document_id)) == 1


def test_a_changed_page_moves_the_question_there(
    study: StudyHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    proven = item(1, kind="evidence", evidence="The Lathrin drains")
    fake.write_study_items(document_id, [proven])
    study.save(document_id, study_rows.key(proven), proven.question, proven.answer, "evidence", 2)
    (moved,) = fake.study_items(document_id)
    assert (moved.start, moved.end) == (LENGTH + 2, 2 * LENGTH + 2)
    assert (moved.evidence, moved.kind) == ("", "fact"), "the proof stood on the other page"


def test_an_own_question_is_added_and_listed_first(
    study: StudyHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    form = study.blank(document_id)
    assert form[EDITING] == NEW and not form[DELETE]["visible"]
    study.save(document_id, form[EDITING], "Who drains it?", "The Lathrin.", "fact", 3)
    items = fake.study_items(document_id)
    assert len(items) == 31 and items[0].origin == "person"
    rows = study.show(document_id)[ROWS]
    assert rows.index("Who drains it?") < rows.index("number 0?")
    assert "Page 3" in rows and "yours" in rows


def test_every_kind_has_its_words_which_the_form_offers() -> None:
    assert list(words.KINDS) == list(study_list.KINDS)


@pytest.mark.parametrize("kind", ["exam", "pinned"])
def test_a_question_that_is_only_asked_is_added_and_says_so_in_the_list(
    study: StudyHandlers, fake: FakeLiftChat, document_id: str, kind: str
) -> None:
    study.save(document_id, NEW, "Who drains it?", "The Lathrin.", kind, 3)
    added = fake.study_items(document_id)[0]
    assert (added.kind, added.origin) == (kind, "person")
    rows = study.show(document_id)[ROWS]
    assert words.KINDS[kind] in rows and f">{kind}</span>" in rows and "yours" not in rows
    form = study.pick(event(kind="item", id=study_rows.key(added)), document_id)
    assert form[KIND] == kind and "Exam questions" in words.STUDY_HELP


def test_a_question_is_deleted(study: StudyHandlers, fake: FakeLiftChat, document_id: str) -> None:
    old = fake.study_items(document_id)[7]
    study.delete(document_id, study_rows.key(old))
    assert old not in fake.study_items(document_id)
    assert len(fake.study_items(document_id)) == 29


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (("", "It is.", "fact", 1), "needs a question and an answer"),
        (("What?", "  ", "fact", 1), "needs a question and an answer"),
        (("What?", "It.", "fact", None), "on which page"),
        (("What?", "It.", "fact", 9), "no page 9; it has 3"),
        (("What is number 3?", "it is 3.", "fact", 1), "stands there already"),
        (("What?", "x" * 5000, "fact", 1), "at most 4000"),
        (("What?", "It.", "riddle", 1), "its kind is none of"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_lost(
    study: StudyHandlers,
    fake: FakeLiftChat,
    document_id: str,
    form: tuple[str, str, str, Any],
    sentence: str,
) -> None:
    before = fake.study_items(document_id)
    with pytest.raises(gr.Error) as refused:
        study.save(document_id, NEW, *form)
    assert sentence in refused.value.message
    assert fake.study_items(document_id) == before


def test_what_the_text_does_not_say_needs_no_answer(
    study: StudyHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    study.save(document_id, NEW, "Who sank it?", "", "unanswerable", 1)
    assert fake.study_items(document_id)[0].answer == UNANSWERABLE


def test_a_question_that_changed_meanwhile_is_not_written_over(
    study: StudyHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    gone = study_rows.key(fake.study_items(document_id)[2])
    fake.write_study_items(document_id, [item(n) for n in range(40, 45)])
    with pytest.raises(gr.Error, match="changed meanwhile"):
        study.pick(event(kind="item", id=gone), document_id)
    study.save(document_id, gone, "Mine?", "Mine.", "fact", 1)
    items = fake.study_items(document_id)
    assert items[0].question == "Mine?" and len(items) == 6


def test_flashcards_are_named_after_the_document(study: StudyHandlers, document_id: str) -> None:
    name, text = study.export(document_id)
    assert name == "A-Note-flashcards.csv"
    assert "What is number 3?" in text
    assert present.file_name("../../a:b", ".csv") == "a-b.csv"
    assert present.file_name("…", ".csv") == "document.csv"


def test_a_question_of_a_model_is_shown_as_text(
    study: StudyHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    fake.write_study_items(document_id, [item(1, question=EVIL, answer=EVIL, kind=EVIL)])
    rows = study.show(document_id)[ROWS]
    assert "<img" not in rows and "onerror" in rows


def test_what_a_model_wrote_stays_a_models_and_is_not_judged_again() -> None:
    odd = item(1, kind="odd", origin="endpoint")
    kept = edited([odd, odd, item(2)], [odd], 100)
    assert kept == [odd, odd, item(2, origin="person")]


@pytest.mark.parametrize(
    "wrong", [item(1, start=5, end=101), item(1, start=-1), item(1, start=4, end=3)]
)
def test_a_place_outside_of_the_document_is_refused(wrong: StudyItem) -> None:
    with pytest.raises(InvalidConfig, match=r"^Question 2 \(“What is number 1\?”\): the offsets"):
        edited([item(0), wrong], [item(0)], 100)
