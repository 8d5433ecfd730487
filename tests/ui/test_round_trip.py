"""One adapter through all three front ends: pushed by the command, pulled and asked over the API,
pushed on and pulled again on the page. The Hub is a small one, its client and all else is real."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from selenium.webdriver.common.by import By

from tests.conftest import make_model
from tests.hub.fake_hub import FakeHub
from tests.ui.browser import Page, chromium, serving, until

pytestmark = pytest.mark.slow

GREEDY = {"temperature": 0.0, "max_new_tokens": 8, "context": "none", "strength": 1.0}
QUESTION = "Who lit the lamp?"
SMALL = ("segment_tokens=64", "stride_tokens=64", "rank=8", "alpha=16", "epochs=2")


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(make_model(tmp_path / "model"))


@pytest.fixture
def command(model: str, tmp_path: Path) -> Any:
    """Types a command at the first machine; what it printed as JSON."""

    def typed(*arguments: str) -> Any:
        line = [sys.executable, "-m", "lift_chat", *arguments, "--json"]
        line += ["--home", str(tmp_path / "here"), "--base-model", model]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return typed


@pytest.fixture
def page(tmp_path: Path, model: str, ann: str) -> Iterator[Page]:
    """The second machine, on which Ann is logged in."""
    with chromium() as driver, serving(tmp_path / "there", model) as address:
        yield Page(driver, address, tmp_path)


@pytest.fixture
def ann(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ann's login on all machines."""
    token = hub.sign_in("ann")
    monkeypatch.setenv("HF_TOKEN", token)
    return token


def test_an_adapter_says_the_same_wherever_it_went(
    command: Any, page: Page, hub: FakeHub, tale: Path
) -> None:
    recipe = [word for setting in SMALL for word in ("--set", setting)]
    (made,) = command("absorb", str(tale), "--wait", "--preset", "skim", *recipe)
    pushed = command("push", made["adapter_id"], "--repo", "ann/by-command")
    assert pushed["private"] is True

    client = Client(page.address, verbose=False)
    pulled = client.predict("ann/by-command", api_name="/pull")
    assert pulled["origin"] == f"hub:ann/by-command@{pushed['commit']}"
    said = client.predict(pulled["id"], QUESTION, GREEDY, api_name="/chat")
    assert client.predict(pulled["id"], "ann/by-api", api_name="/push")["private"] is True

    push_on_the_page(page, "ann/by-page")
    pull_on_the_page(page, "ann/by-page")
    assert {repo for _, repo in hub.repos} == {"ann/by-command", "ann/by-api", "ann/by-page"}
    last, first = client.predict("", api_name="/list_adapters")
    assert (first["id"], last["name"]) == (pulled["id"], pulled["name"])
    assert client.predict(last["id"], QUESTION, GREEDY, api_name="/chat") == said
    client.close()


def push_on_the_page(page: Page, repo: str) -> None:
    page.open()
    page.click("#shelves .lc-card[data-kind=adapter]")
    page.click("#share button")
    page.visible("#share-repo input, #share-repo textarea").send_keys(repo)
    page.click("#share-push")
    page.visible("#share-result", "for you alone")


def pull_on_the_page(page: Page, repo: str) -> None:
    page.click("#arrivals button")
    page.visible("#arrival-repo input, #arrival-repo textarea").send_keys(repo)
    page.click("#arrival-pull")

    def cards() -> list[Any]:
        return page.driver.find_elements(By.CSS_SELECTOR, "#shelves .lc-card[data-kind=adapter]")

    until(lambda: len(cards()) == 2, "two adapters")
