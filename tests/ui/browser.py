"""A browser on a page that is served by a process of its own, with the gestures of a person."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
from selenium.webdriver.remote.webelement import WebElement

from tests.ui.conftest import free_port

PATIENCE = 300.0
"""Seconds for one step, most of it for a model on a slow and shared machine."""

WIDTHS = {"1280": (1280, 900), "400": (400, 850)}
SCHEMES = ("light", "dark")


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


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    if os.environ.get("LIFT_CHAT_NO_BROWSER") == "1":
        pytest.skip("LIFT_CHAT_NO_BROWSER=1")
    program, control = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not control:
        pytest.fail("Install chromium and chromium-driver, or set LIFT_CHAT_NO_BROWSER=1.")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument("--hide-scrollbars")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(control))
    try:
        yield browser
    finally:
        browser.quit()


@contextmanager
def serving(home: Path, base_model: str) -> Iterator[str]:
    """The address of a freshly started lift-chat."""
    port = free_port()
    command = ["-m", "lift_chat", "serve", "--no-browser", "--port", str(port)]
    command += ["--home", str(home), "--base-model", base_model]
    with running(command, port, home.with_name("server.log")) as address:
        yield address


@contextmanager
def running(
    command: list[str], port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The address of a page that a Python process with these arguments serves."""
    told = {**os.environ, **(environment or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=output, stderr=subprocess.STDOUT, env=told
        )
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
