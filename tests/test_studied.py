"""What a run finds with its document, and when two finds are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lift_chat.errors import LibraryDamaged
from lift_chat.service import LiftChat
from lift_chat.studied import NOTHING, digest
from storage.records import LOCAL, StudyItem
from tests.conftest import QUICK, STUDIED, facts

ITEMS = facts()


def test_the_digest_of_the_same_questions_is_the_same_in_any_order() -> None:
    assert digest(ITEMS) == digest(ITEMS[::-1]) == digest(facts())
    assert digest([]) == NOTHING != digest(ITEMS)


@pytest.mark.parametrize(
    "change",
    [
        {"question": "Who?"},
        {"answer": "Nobody"},
        {"start": 1},
        {"end": 99},
        {"evidence": "a keeper"},
        {"kind": "list"},
        {"origin": "person"},
    ],
)
def test_whatever_changes_in_a_question_changes_the_digest(change: dict[str, Any]) -> None:
    assert digest([replace(ITEMS[0], **change), *ITEMS[1:]]) != digest(ITEMS)


def test_a_question_more_or_less_changes_the_digest() -> None:
    assert len({digest(ITEMS), digest(ITEMS[1:]), digest([*ITEMS, ITEMS[0]])}) == 3


def test_the_digest_is_the_same_before_and_after_storing(app: LiftChat, tale: Path) -> None:
    document = app.add_document(tale)
    odd = [StudyItem("wh\ud800?", "“Two\nlines”\u2028\x00", 0, 9, "谁", "sentence", "endpoint")]
    app.library.set_study_items(document.id, LOCAL, odd)
    assert digest(app.study_items(document.id)) == digest(odd)


def test_questions_that_cannot_be_read_stop_only_what_would_study_them(
    app: LiftChat, tale: Path
) -> None:
    document = app.add_document(tale)
    app.library.set_study_items(document.id, LOCAL, ITEMS)
    (file,) = app.settings.home.glob("documents/*/owners/*.study.jsonl")
    file.write_bytes(b"{}\n")
    with pytest.raises(LibraryDamaged, match="line 1"):
        app.absorb(document.id, STUDIED)
    assert app.absorb(document.id, QUICK).wait(60).metrics["steps"] > 0
