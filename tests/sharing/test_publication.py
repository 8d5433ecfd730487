"""An adapter goes to the Hub and comes back, through the Hub's real client."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import (
    AdapterMismatch,
    HubRefused,
    InvalidConfig,
    LiftChatError,
    NotConfirmed,
    NotFound,
    UnsafeAdapter,
)
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from lift_chat.sharing.facts import FACTS_FILE
from storage.records import Adapter
from tests.conftest import QUICK, make_model
from tests.hub.fake_hub import FakeHub
from tests.sharing.test_exchange import said

FILES = {"README.md", CONFIG_FILE, WEIGHTS_FILE, FACTS_FILE}
REPO = "ann/tale"


@pytest.fixture
def ann(hub: FakeHub) -> str:
    """Ann's token."""
    return hub.sign_in("ann")


@pytest.fixture
def adapter(app: LiftChat, tale: Path) -> Adapter:
    return app.absorb(app.add_document(tale).id, QUICK).wait()


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Iterator[LiftChat]:
    """Another machine with the same base model."""
    there = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    with LiftChat.open(settings=there, worker=False) as opened:
        yield opened


def pushed_files(hub: FakeHub) -> dict[str, bytes]:
    head = hub.repos["model", REPO].head
    return {name: blob.data for name, blob in head.files.items() if name != ".gitattributes"}


def test_what_was_pushed_says_the_same_elsewhere(
    app: LiftChat, adapter: Adapter, elsewhere: LiftChat, ann: str, hub: FakeHub
) -> None:
    pushed = app.push_adapter(adapter.id, REPO, token=ann)
    assert pushed.private and pushed.url == f"{hub.url}/{REPO}"
    arrived = elsewhere.pull_adapter(REPO, token=ann)
    assert arrived.origin == f"hub:{REPO}@{pushed.commit}"
    assert said(elsewhere, arrived) == said(app, adapter)
    assert elsewhere.pull_adapter(REPO, token=ann).id == arrived.id, "the same commit, once"
    assert elsewhere.documents() == []


def test_nothing_of_the_document_goes_along(
    app: LiftChat, adapter: Adapter, ann: str, hub: FakeHub, tale: Path
) -> None:
    app.push_adapter(adapter.id, REPO, token=ann)
    files = pushed_files(hub)
    assert set(files) == FILES
    sentence = tale.read_text(encoding="utf-8").split(".")[0]
    assert not any(sentence.encode() in data for data in files.values())
    card = ModelCard(files["README.md"].decode())
    assert card.data.library_name == "peft" and f"lift-chat pull {REPO}" in card.text


def test_a_public_push_has_to_be_confirmed_knowing_what_it_gives_away(
    app: LiftChat, adapter: Adapter, ann: str, hub: FakeHub, elsewhere: LiftChat
) -> None:
    with pytest.raises(NotConfirmed, match="Recites"):
        app.push_adapter(adapter.id, REPO, public=True, token=ann)
    assert hub.repos == {} and hub.requests == []
    app.push_adapter(adapter.id, REPO, public=True, confirmed=True, token=ann)
    assert "Recites" in pushed_files(hub)["README.md"].decode()
    assert elsewhere.pull_adapter(REPO, token=False).name == adapter.name


def test_without_its_document_a_leak_cannot_be_measured_and_the_question_says_so(
    app: LiftChat, adapter: Adapter, ann: str, hub: FakeHub
) -> None:
    app.delete_document(adapter.document_id)
    with pytest.raises(NotConfirmed, match="cannot be measured"):
        app.push_adapter(adapter.id, REPO, public=True, token=ann)
    app.push_adapter(adapter.id, REPO, public=True, confirmed=True, token=ann)
    assert "was not measured" in pushed_files(hub)["README.md"].decode()


def test_a_reader_goes_along_for_those_who_do_not_have_it(
    settings: Settings, reader: Path, tale: Path, ann: str, hub: FakeHub
) -> None:
    chosen = settings.model_copy(update={"reader": str(reader)})
    with LiftChat.open(settings=chosen) as app:
        made = app.absorb(app.add_document(tale).id, QUICK).wait()
        app.push_adapter(made.id, REPO, token=ann)
        files = pushed_files(hub)
        assert files[f"reader/{WEIGHTS_FILE}"] == (reader / WEIGHTS_FILE).read_bytes()
        assert 'subfolder="reader"' in files["README.md"].decode()
        assert app.pull_adapter(REPO, token=ann).base_fingerprint == made.base_fingerprint


def test_an_adapter_of_another_base_does_not_go_out(
    app: LiftChat, adapter: Adapter, settings: Settings, tmp_path: Path, ann: str, hub: FakeHub
) -> None:
    app.close()
    other = make_model(tmp_path / "other", seed=5)
    changed = settings.model_copy(update={"base_model": str(other)})
    with LiftChat.open(settings=changed, worker=False) as opened:
        for refused in (
            lambda: opened.push_adapter(adapter.id, REPO, token=ann),
            lambda: opened.export_vllm(adapter.id, tmp_path / "served"),
        ):
            with pytest.raises(AdapterMismatch):
                refused()
    assert hub.repos == {} and not (tmp_path / "served").exists()


def test_vllm_gets_a_folder_with_the_reader_in_it_and_the_bare_base(
    settings: Settings, reader: Path, tale: Path, tmp_path: Path
) -> None:
    chosen = settings.model_copy(update={"reader": str(reader)})
    with LiftChat.open(settings=chosen) as app:
        made = app.absorb(app.add_document(tale).id, QUICK).wait()
        serving = app.export_vllm(made.id, tmp_path / "served")
    assert serving.serve.startswith(f"vllm serve {settings.base_model} --enable-lora")
    rank = json.loads((tmp_path / "served" / CONFIG_FILE).read_text())["r"]
    assert rank > QUICK.rank and f"--max-lora-rank {rank}" in serving.serve


@pytest.mark.parametrize("repo", ["tale", "a/b/c", "../tale", "ann/", "ann/ta le", "ann/\x00"])
def test_what_is_no_repository_is_refused(app: LiftChat, adapter: Adapter, repo: str) -> None:
    with pytest.raises(InvalidConfig, match="user/name"):
        app.push_adapter(adapter.id, repo, token=False)
    with pytest.raises(InvalidConfig, match="user/name"):
        app.pull_adapter(repo, token=False)


def test_a_repository_without_an_adapter_leaves_nothing(
    elsewhere: LiftChat, ann: str, hub: FakeHub
) -> None:
    hub.add("bob/notes", {"README.md": b"# Notes"})
    hub.add("bob/pickle", {CONFIG_FILE: b"{}", "adapter_model.bin": b"\x80\x04."})
    for repo in ("bob/notes", "bob/pickle"):
        with pytest.raises(UnsafeAdapter):
            elsewhere.pull_adapter(repo, token=ann)
    with pytest.raises(NotFound):
        elsewhere.pull_adapter("bob/nothing", token=ann)
    assert elsewhere.adapters() == []
    assert not any("adapter_model.bin" in request.path for request in hub.requests)


def test_weights_are_fetched_only_when_the_config_was_found_good(
    app: LiftChat, adapter: Adapter, elsewhere: LiftChat, ann: str, hub: FakeHub
) -> None:
    app.push_adapter(adapter.id, REPO, token=ann)
    config = {**json.loads(pushed_files(hub)[CONFIG_FILE]), "auto_mapping": {"parent": "evil"}}
    hub.add(REPO, {CONFIG_FILE: json.dumps(config).encode()}, private=True)
    hub.requests.clear()
    with pytest.raises(UnsafeAdapter):
        elsewhere.pull_adapter(REPO, token=ann)
    assert not any(WEIGHTS_FILE in request.path for request in hub.requests)


def test_an_older_commit_can_be_pulled(
    app: LiftChat, adapter: Adapter, elsewhere: LiftChat, ann: str, hub: FakeHub
) -> None:
    first = app.push_adapter(adapter.id, REPO, token=ann)
    hub.add(REPO, {"notes.txt": b"later"}, private=True)
    arrived = elsewhere.pull_adapter(REPO, revision=first.commit, token=ann)
    assert arrived.origin.endswith(first.commit)


def test_a_token_is_found_nowhere_after_it_was_used(
    app: LiftChat,
    adapter: Adapter,
    hub: FakeHub,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    token, told = hub.sign_in("ann"), ""
    app.push_adapter(adapter.id, REPO, token=token)
    app.pull_adapter(REPO, token=token)
    for refused in (
        lambda: app.push_adapter(adapter.id, "bob/tale", token=token),
        lambda: app.pull_adapter("bob/tale", token=token),
        lambda: app.push_adapter(adapter.id, REPO, token=token + "wrong"),
    ):
        with pytest.raises(LiftChatError) as found:
            refused()
        told += "".join(traceback.format_exception(found.value))
    assert any(request.token == token for request in hub.requests)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept and not any(token.encode() in path.read_bytes() for path in kept)
    assert token not in told + caplog.text


def test_nobody_pushes_nothing(app: LiftChat, adapter: Adapter, hub: FakeHub) -> None:
    for nobody in (False, None):
        with pytest.raises(HubRefused):
            app.push_adapter(adapter.id, REPO, token=nobody)
    assert hub.repos == {}
