"""Base models and data sets come from the Hub through its real client, into its own cache."""

from __future__ import annotations

import errno
import os
import socket
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import HubRefused, LiftChatError, ModelUnavailable, NotFound
from storage.hub.refusals import asked
from storage.hub.snapshots import cached_snapshot, download_dataset, download_snapshot
from tests.hub.adapter_files import files_below
from tests.hub.fake_hub import FakeHub
from tests.hub.faulty_server import Answer, Cut, Fault

BASE, LAMPS = "ann/base", "ann/lamps"
MODEL = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 40}
LINES = {"data/own.jsonl": b'{"title": "The Lamp"}\n'}

Download = Callable[[], Path]
DOWNLOADS: dict[str, Download] = {
    "model": lambda: download_snapshot(BASE, None),
    "data set": lambda: download_dataset(LAMPS),
}


@pytest.fixture(autouse=True)
def stocked(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model and a data set for everybody, and an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    hub.add(BASE, {**MODEL, "pytorch_model.bin": b"pickle", "modeling.py": b"import os"})
    hub.add(LAMPS, {**LINES, "lamps.py": b"import os", "README.md": b"# Lamps"}, kind="dataset")


def test_a_model_comes_without_pickle_and_code_and_stays_for_when_there_is_no_hub(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cached_snapshot(BASE) is None
    folder = download_snapshot(BASE, None)
    assert files_below(folder) == MODEL
    assert folder.name == hub.repos["model", BASE].head.id
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert download_snapshot(BASE, None) == cached_snapshot(BASE) == folder


def test_of_a_data_set_json_lines_come_and_nothing_else(hub: FakeHub) -> None:
    assert files_below(download_dataset(LAMPS)) == LINES
    hub.add(BASE, {"README.md": b"# No lines"}, kind="dataset")
    with pytest.raises(NotFound, match=f"{BASE} has no .jsonl files"):
        download_dataset(BASE)


FAULTS: list[tuple[Fault, str]] = [
    (Answer.error(401, "Invalid credentials"), "does not accept the login"),
    (Answer.error(403, "Ask", "GatedRepo"), "is gated: accept its terms"),
    (Answer.error(404, "Gone", "RepoNotFound"), "is not on the Hub, or this login may not see it"),
    (Answer.error(500, "Oops"), r"in trouble \(500\)"),
    (Cut(), r"broke off \("),
]


@pytest.mark.parametrize("what", DOWNLOADS)
@pytest.mark.parametrize(("fault", "sentence"), FAULTS, ids=[words for _, words in FAULTS])
def test_a_refusal_says_why_and_what_to_do_instead_and_never_the_token(
    hub: FakeHub, what: str, fault: Fault, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = hub.sign_in("ann")
    monkeypatch.setenv("HF_TOKEN", canary)
    hub.fail(fault)
    with pytest.raises(LiftChatError, match=sentence) as refusal:
        DOWNLOADS[what]()
    assert hub.requests[-1].token == canary
    assert_ours(refusal.value, what)
    assert canary not in "".join(traceback.format_exception(refusal.value))


def assert_ours(error: BaseException, what: str) -> None:
    """With its advice, and without the client's exception, which holds the token."""
    wanted = (ModelUnavailable,) if what == "model" else (HubRefused, NotFound)
    instead = "or use --base-model embedded." if what == "model" else "Or name a file or folder."
    assert type(error) in wanted and str(error).endswith(instead) and "\n" not in str(error)
    reason: BaseException | None = error
    while reason is not None:
        assert isinstance(reason, LiftChatError)
        reason = reason.__context__


@pytest.mark.parametrize("what", DOWNLOADS)
def test_without_a_network_it_is_said(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nobody)
        with pytest.raises(LiftChatError, match=r"broke off \(ConnectError\)") as refusal:
            DOWNLOADS[what]()
    assert_ours(refusal.value, what)


@pytest.mark.parametrize("what", DOWNLOADS)
def test_offline_it_is_said(what: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(LiftChatError, match="while HF_HUB_OFFLINE is set") as refusal:
        DOWNLOADS[what]()
    assert_ours(refusal.value, what)
    assert hub.requests == []


def test_a_full_disk_is_named() -> None:
    def write() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(HubRefused, match=r"about a/b broke off \(No space left on device\)"):
        asked("a/b", write)
