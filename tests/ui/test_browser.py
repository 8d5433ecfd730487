"""The page in Chromium, over the real service with the embedded model: upload, absorb, reload in
the middle, chat, delete.

LIFT_CHAT_SCREENSHOTS names a folder for the pictures; LIFT_CHAT_NO_BROWSER=1 skips these tests on
a machine without Chromium, where they otherwise fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.ui.browser import Page, chromium, serving, until

pytestmark = pytest.mark.slow

TALE = (
    "The lamp of Orrin Vale was lit by a keeper named Sable Quist, who climbed two hundred and "
    "eleven steps each evening. On the ninth of Marrow the oil froze, and she burned her own "
    "letters to keep the light. The ship Gannet saw it from four leagues away and turned. Her "
    "captain, Ilse Tarn, sent a cask of honey every winter after that."
)
WINDOW_NOTE = "In the window"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    pictures = Path(os.environ.get("LIFT_CHAT_SCREENSHOTS") or tmp_path)
    pictures.mkdir(parents=True, exist_ok=True)
    with chromium() as driver, serving(tmp_path / "library", "embedded") as address:
        page = Page(driver, address, pictures)
        page.look("1280", "light")
        page.addresses()
        yield page


def test_a_document_goes_from_upload_to_answer_and_away(page: Page, tmp_path: Path) -> None:
    book = tmp_path / "the-lamp-of-orrin-vale.txt"
    book.write_text("\n\n".join([TALE] * 4), encoding="utf-8")
    page.open()
    page.visible("#try-example")
    page.picture("1-first-visit")
    upload(page, book)
    absorb_with_a_reload(page)
    ask_and_stop(page)
    compare(page)
    keep_and_delete(page)
    assert page.addresses() == {"127.0.0.1"}, "the page is complete without a network"
    logged: Any = page.driver.get_log("browser")
    severe = [entry["message"] for entry in logged if entry["level"] == "SEVERE"]
    # Closing a stream, as Stop does, is logged as an error too.
    assert [message for message in severe if "AbortError" not in message] == []


def upload(page: Page, book: Path) -> None:
    """The file is read in, what was read and the estimate are shown."""
    page.driver.find_element(By.CSS_SELECTOR, "#library-drop input[type=file]").send_keys(str(book))
    assert "1" in page.visible("#document-facts").text
    assert "Sable Quist" in page.text("#page-text")
    page.visible("#estimate", "about")
    page.picture("2-what-was-read")


def absorb_with_a_reload(page: Page) -> None:
    """A reloaded page is in the same place and shows the run with its whole curve."""
    page.click("#absorb")
    page.visible("#progress", "Absorbing")
    page.visible("#curve canvas, #curve svg")
    page.reload()
    page.visible("#progress", "at the start")
    page.visible("#curve canvas, #curve svg")
    page.picture("3-absorbing-after-reload")
    page.visible("#run-chat")
    page.tab("Library")
    page.visible("#shelves .lc-card", "→")
    page.tab("Absorb")
    page.picture("4-absorbed")
    page.click("#run-chat")


def ask_and_stop(page: Page) -> None:
    """An answer streams, can be stopped, and says what was in the window and what was learned."""
    box = page.visible("#question textarea")
    until(box.is_enabled, "the box to be ready")
    page.note_labels("#question")
    box.send_keys("Who lit the lamp of Orrin Vale?", Keys.ENTER)
    until(lambda: len(page._text("#chatbot .bot.message").strip("…\n ")) > 3, "an answer")
    page.stop("#question")
    page.visible("#chatbot .bot", WINDOW_NOTE)
    page.click("#where-from")
    page.visible("#tint .lc-tinted")
    page.picture("5-chat")


def compare(page: Page) -> None:
    """Both models answer side by side."""
    page.click("#mode label", "Compare")
    page.note_labels("#compare-question")
    page.visible("#compare-question textarea").send_keys("Who was Sable Quist?", Keys.ENTER)
    until(
        lambda: len(page._text("#compare-adapted .prose").strip("…\n ")) > 3, "the adapter's answer"
    )
    page.stop("#compare-question")
    page.picture("6-compare")


def keep_and_delete(page: Page) -> None:
    """The conversation outlives a reload; the adapter is deleted after a question."""
    page.reload()
    page.visible("#chatbot .user", "Who lit the lamp")
    page.tab("Library")
    page.click("#shelves .lc-card[data-kind=adapter]")
    page.visible("#details", "Loss after")
    page.picture("7-library")
    page.click("#details-delete")
    page.click("#delete-really")
    page.gone("#details")
    page.visible("#shelves .lc-card[data-kind=document]")
    page.gone("#shelves .lc-card[data-kind=adapter]")
