from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.ui.fakes import FakeLiftChat
from ui import cards

EVIL = '"><img src=x onerror=alert(1)><script>'


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def tags(html: str) -> set[str]:
    parser = Tags()
    parser.feed(html)
    return set(parser.found)


@pytest.fixture
def absorbed(fake: FakeLiftChat, note: Path) -> FakeLiftChat:
    handle = fake.absorb(fake.add_document(note).id)
    fake.advance(handle.id, 99)
    return fake


def test_nothing_from_a_document_becomes_markup(absorbed: FakeLiftChat) -> None:
    document = replace(
        absorbed.documents()[0], title=EVIL, author=EVIL, name=EVIL, quality={"warnings": [EVIL]}
    )
    adapter = replace(absorbed.adapters()[0], name=EVIL, tags=(EVIL,), base_model=EVIL)
    job = replace(absorbed.jobs()[0], name=EVIL, state="failed", error=EVIL, id=EVIL)
    page = replace(absorbed.pages(document.id)[0], text=EVIL)
    drawn = [
        cards.document_card(document),
        cards.document_details(document),
        cards.adapter_card(adapter, EVIL),
        cards.adapter_details(adapter, EVIL, EVIL),
        cards.job_card(job),
        cards.job_list([job], {}),
        cards.progress(job, [], 0),
        cards.page_text(page),
        cards.notice([EVIL]),
    ]
    for html in drawn:
        assert not tags(html) & {"img", "script"}
        assert "onerror" in html, "the text itself is shown"


def test_cards_can_be_reached_by_keyboard_and_say_what_they_open(absorbed: FakeLiftChat) -> None:
    adapter = absorbed.adapters()[0]
    html = cards.adapter_card(adapter)
    assert re.search(rf'<button[^>]*data-kind="adapter" data-id="{adapter.id}"', html)


def test_an_adapter_of_another_base_is_marked(absorbed: FakeLiftChat) -> None:
    adapter = absorbed.adapters()[0]
    assert "other base model" in cards.adapter_card(adapter, "Made for another model.")
    assert "files missing" in cards.adapter_card(replace(adapter, state="missing"))


def test_progress_is_announced_and_has_a_labelled_bar(fake: FakeLiftChat, note: Path) -> None:
    handle = fake.absorb(fake.add_document(note).id)
    fake.advance(handle.id, 5)
    status = handle.status()
    html = cards.progress(status.job, status.metrics, status.position)
    assert 'role="progressbar"' in html
    assert 'aria-valuenow="25"' in html
    assert 'aria-live="polite"' in html


def test_an_empty_shelf_leaves_no_heading() -> None:
    assert cards.shelf("Absorbed", []) == ""
    assert cards.library([], [], searching=False) == ""
    assert "Nothing matches" in cards.library([], [], searching=True)


def test_an_estimate_that_does_not_fit_says_so(fake: FakeLiftChat, note: Path) -> None:
    from lift_chat.lift.recipe import LiftConfig

    cost = fake.estimate(fake.add_document(note).id, LiftConfig())
    assert "more memory than is free" not in cards.estimate(cost)
    tight = replace(cost, free_memory_bytes=1)
    assert "more memory than is free" in cards.estimate(tight)
