"""The page in Chromium, over the real service with the embedded model: upload, absorb, reload in
the middle, chat, delete.

LIFT_CHAT_SCREENSHOTS names a folder for the pictures; LIFT_CHAT_NO_BROWSER=1 skips these tests on
a machine without Chromium, where they otherwise fail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    StaleElementReferenceException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.ui.conftest import free_port

pytestmark = pytest.mark.slow

PATIENCE = 300.0
"""Seconds for one step, most of it for a model on a slow and shared machine."""

WIDTHS = {"1280": (1280, 900), "400": (400, 850)}
SCHEMES = ("light", "dark")
TALE = (
    "The lamp of Orrin Vale was lit by a keeper named Sable Quist, who climbed two hundred and "
    "eleven steps each evening. On the ninth of Marrow the oil froze, and she burned her own "
    "letters to keep the light. The ship Gannet saw it from four leagues away and turned. Her "
    "captain, Ilse Tarn, sent a cask of honey every winter after that."
)
WINDOW_NOTE = "In the window"


class Page:
    """A browser on one address, with the few gestures that the tests need."""

    def __init__(self, driver: webdriver.Chrome, address: str, pictures: Path) -> None:
        self.driver, self.address, self.pictures = driver, address, pictures

    def open(self) -> None:
        self.driver.get(self.address)
        self.visible("button[role=tab]")

    def look(self, width: str, scheme: str) -> None:
        across, down = WIDTHS[width]
        metrics = {"width": across, "height": down, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        preference = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [preference]})

    def visible(self, css: str, text: str = "") -> WebElement:
        """The first displayed element that matches and contains `text`, waited for."""

        def found() -> WebElement | None:
            for element in self.driver.find_elements(By.CSS_SELECTOR, css):
                if element.is_displayed() and text in element.text:
                    return element
            return None

        return until(found, f"{css} with {text!r} on the page")

    def gone(self, css: str) -> None:
        def hidden() -> bool:
            return not any(
                e.is_displayed() for e in self.driver.find_elements(By.CSS_SELECTOR, css)
            )

        until(hidden, f"{css} gone")

    def text(self, css: str) -> str:
        return until(lambda: self._text(css), f"text in {css}")

    def _text(self, css: str) -> str:
        # An element may be redrawn between being found and being read; one script is atomic.
        script = "return (document.querySelector(arguments[0]) || {}).innerText || ''"
        return str(self.driver.execute_script(script, css))

    def reload(self) -> None:
        """A reload aborts the streams that are open, which Gradio logs as errors; those are
        dropped, what the new page logs is not."""
        self.driver.refresh()
        self.driver.get_log("browser")

    def click(self, css: str, text: str = "") -> None:
        def clicked() -> bool:
            self.visible(css, text).click()
            return True

        until(clicked, f"a click on {css}")

    def note_labels(self, css: str) -> None:
        """From here on, every label that the buttons of `css` ever show is noted: one that is
        shown for less than a second would be missed by looking now and then."""
        self.driver.execute_script(
            """
            window.labels = new Set()
            const note = () => document.querySelectorAll(arguments[0] + " button")
                .forEach(button => window.labels.add(button.innerText.trim()))
            new MutationObserver(note).observe(
                document.body, {subtree: true, childList: true, attributes: true}
            )
            """,
            css,
        )

    def stop(self, css: str) -> None:
        """Presses Stop, unless the answer is a short one and over by itself; either way the button
        has to have been there, and the box asks again."""

        def over() -> bool:
            for button in self.driver.find_elements(By.CSS_SELECTOR, f"{css} button"):
                if button.is_displayed() and button.text == "Stop":
                    button.click()
                    return False
            return "Stop" in self.driver.execute_script("return [...window.labels]")

        until(over, f"Stop at {css}")
        self.visible(f"{css} button", "Ask")

    def tab(self, name: str) -> None:
        self.click("button[role=tab]", name)

    def picture(self, name: str) -> None:
        """The page in both widths and schemes; nothing may stick out to the right."""
        for width in WIDTHS:
            for scheme in SCHEMES:
                self.look(width, scheme)
                time.sleep(0.4)  # fonts, plots and panels settle; nothing says when
                self.driver.save_screenshot(str(self.pictures / f"{name}-{width}-{scheme}.png"))
            wide = self.driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= WIDTHS[width][0], f"{name} is {wide} px wide at {width}"
        self.look("1280", "light")

    def addresses(self) -> set[str]:
        """Hosts that the browser sent anything to since the last call."""
        entries = [json.loads(entry["message"]) for entry in self.driver.get_log("performance")]
        sent = [
            e["message"]["params"] for e in entries if "requestWillBeSent" in e["message"]["method"]
        ]
        urls = [urlsplit(params["request"]["url"]) for params in sent if "request" in params]
        return {url.hostname or "" for url in urls if url.scheme in ("http", "https", "ws", "wss")}


def until(probe: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        # The page redraws what is new, also between two questions about one element.
        with suppress(StaleElementReferenceException, ElementClickInterceptedException):
            found = probe()
            if found:
                return found
        time.sleep(0.2)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain for {what}")


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    if os.environ.get("LIFT_CHAT_NO_BROWSER") == "1":
        pytest.skip("LIFT_CHAT_NO_BROWSER=1")
    chromium, control = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not control:
        pytest.fail("Install chromium and chromium-driver, or set LIFT_CHAT_NO_BROWSER=1.")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument("--hide-scrollbars")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(control))
    yield browser
    browser.quit()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a freshly started lift-chat with an empty library."""
    port = free_port()
    command = [sys.executable, "-m", "lift_chat", "serve", "--no-browser", "--port", str(port)]
    command += ["--home", str(tmp_path / "library"), "--base-model", "embedded"]
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: process.poll() is not None or answers(address), "the server")
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def page(driver: webdriver.Chrome, server: str, tmp_path: Path) -> Page:
    pictures = Path(os.environ.get("LIFT_CHAT_SCREENSHOTS") or tmp_path)
    pictures.mkdir(parents=True, exist_ok=True)
    page = Page(driver, server, pictures)
    page.look("1280", "light")
    page.addresses()
    return page


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
