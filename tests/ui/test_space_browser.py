"""The page of a Space in Chromium, started as the Hub starts it: nobody looks around, signs in,
uploads, signs out, and sees nothing of it any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.ui.browser import Page, chromium, running
from tests.ui.conftest import free_port
from tests.ui.provider import Provider
from tests.ui.space import CLIENT

pytestmark = pytest.mark.slow

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def page(tiny_folder: Path, tmp_path: Path) -> Iterator[Page]:
    pictures = Path(os.environ.get("LIFT_CHAT_SCREENSHOTS") or tmp_path)
    pictures.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with Provider(CLIENT) as provider:
        hub = {
            "SYSTEM": "spaces",
            "SPACE_ID": "somebody/lift-chat",
            "OAUTH_CLIENT_ID": CLIENT,
            "OAUTH_CLIENT_SECRET": "secret of the tests",
            "OAUTH_SCOPES": "openid profile contribute-repos",
            "OPENID_PROVIDER_URL": provider.url,
        }
        chosen = {
            "GRADIO_TEMP_DIR": str(tmp_path / "gradio"),
            "LIFT_CHAT_BASE_MODEL": str(tiny_folder),
            "LIFT_CHAT_HOME": str(tmp_path / "library"),
            "LIFT_CHAT_PORT": str(port),
        }
        served = running([str(APP)], port, tmp_path / "space.log", {**hub, **chosen})
        with chromium() as driver, served as address:
            yield Page(driver, address, pictures)


def test_a_visitor_signs_in_reads_a_book_in_and_signs_out(page: Page, tmp_path: Path) -> None:
    book = tmp_path / "the-lathrin.txt"
    book.write_text("The Lathrin\n\n" + "The Lathrin drains the lake. " * 40, encoding="utf-8")
    page.look("1280", "light")
    page.open()
    page.visible("#why-sign-in", "Sign in to read a document in")
    page.gone("#library-drop")
    page.picture("space-signed-out")
    page.click("#login", "Sign in")
    page.visible("#login", "Sign out (alice)")
    page.visible("#library-drop")
    page.gone("#why-sign-in")
    page.picture("space-signed-in")
    page.driver.find_element(By.CSS_SELECTOR, "#library-drop input").send_keys(str(book))
    page.visible("#document-facts", "The Lathrin")
    page.tab("Library")
    page.visible("#shelves .lc-card", "The Lathrin")
    page.click("#login", "Sign out")
    page.visible("#why-sign-in")
    page.tab("Library")
    page.gone("#shelves .lc-card")
