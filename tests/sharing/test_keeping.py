"""A library that outlives its disk: in a private repository of whoever it belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lift_chat.adapters.folder import WEIGHTS_FILE
from lift_chat.errors import HubRefused, SignInNeeded
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from lift_chat.sharing.keeping import LABELS, REPOSITORY, Kept
from storage.records import LOCAL, NOBODY, Adapter
from tests.conftest import QUICK
from tests.hub.fake_hub import FakeHub, Repo
from tests.hub.faulty_server import Answer
from tests.sharing.test_exchange import said

REPO = f"ann/{REPOSITORY}"


@pytest.fixture
def ann(hub: FakeHub) -> str:
    """Ann's token."""
    return hub.sign_in("ann")


@pytest.fixture
def adapter(app: LiftChat, tale: Path) -> Adapter:
    made = app.absorb(app.add_document(tale).id, QUICK).wait()
    return app.update_adapter(made.id, name="My tale", tags=["sea"], note="Read twice.")


@pytest.fixture
def restarted(settings: Settings, tmp_path: Path) -> Iterator[LiftChat]:
    """The same server after its disk was emptied."""
    emptied = settings.model_copy(update={"home": tmp_path / "emptied"})
    with LiftChat.open(settings=emptied, worker=False) as opened:
        yield opened


def kept(hub: FakeHub) -> Repo:
    return hub.repos["dataset", REPO]


def test_what_was_kept_is_back_after_the_disk_is_gone(
    app: LiftChat, adapter: Adapter, restarted: LiftChat, ann: str, hub: FakeHub
) -> None:
    assert app.keep_library(token=ann) == Kept(REPO, 1)
    assert kept(hub).private
    assert restarted.restore_library(token=ann) == Kept(REPO, 1, arrived=1)
    (back,) = restarted.adapters()
    assert (back.name, back.tags, back.note) == ("My tale", ("sea",), "Read twice.")
    assert said(restarted, back) == said(app, adapter)
    assert restarted.documents()[0].sha256 == app.documents()[0].sha256
    assert restarted.restore_library(token=ann) == Kept(REPO, 1), "nothing comes twice"


def test_only_what_is_new_goes_there(
    app: LiftChat, adapter: Adapter, tale: Path, ann: str, hub: FakeHub
) -> None:
    assert not app.library_is_behind(), "a library that is not kept is not behind"
    app.keep_library(token=ann)
    first = kept(hub).head
    assert not app.library_is_behind()
    app.update_adapter(adapter.id, name="Another name")
    assert app.library_is_behind()
    app.keep_library(token=ann)
    labels = json.loads(kept(hub).head.files[LABELS].data)
    assert [label["name"] for label in labels.values()] == ["Another name"]
    uploads = [request for request in hub.requests if request.path.startswith("/storage/")]
    assert len(uploads) == 1 and set(first.files) == set(kept(hub).head.files)


def test_what_is_deleted_does_not_come_back(
    app: LiftChat, adapter: Adapter, restarted: LiftChat, ann: str, hub: FakeHub
) -> None:
    app.keep_library(token=ann)
    app.drop_kept(adapter.id, token=ann)
    app.delete_adapter(adapter.id)
    assert not [name for name in kept(hub).head.files if name.startswith("adapters/")]
    assert restarted.restore_library(token=ann) == Kept(REPO, 0)


def test_a_library_that_could_not_be_restored_empties_nothing(
    app: LiftChat, adapter: Adapter, restarted: LiftChat, ann: str, hub: FakeHub
) -> None:
    app.keep_library(token=ann)
    before = set(kept(hub).head.files)
    hub.fail(Answer.error(500, "Oops"))
    with pytest.raises(HubRefused):
        restarted.restore_library(token=ann)
    hub.heal()
    restarted.keep_library(token=ann)
    assert set(kept(hub).head.files) == before


def test_a_kept_file_that_somebody_spoilt_is_left_out(
    app: LiftChat, adapter: Adapter, restarted: LiftChat, ann: str, hub: FakeHub
) -> None:
    app.keep_library(token=ann)
    files = {f"adapters/{'0' * 64}.zip": b"PK no zip", LABELS: b"[not labels", "x/y.zip": b""}
    hub.add(REPO, files, private=True, kind="dataset")
    assert restarted.restore_library(token=ann) == Kept(REPO, 2, arrived=1)
    assert [(back.name, back.tags) for back in restarted.adapters()] == [("My tale", ())]


def test_nobodys_library_is_not_kept(app: LiftChat, hub: FakeHub) -> None:
    for ask in (app.keep_library, app.restore_library):
        with pytest.raises(SignInNeeded):
            ask(token=False, owner=NOBODY)
        with pytest.raises(HubRefused):
            ask(token=False)
    assert hub.repos == {}


def test_dropping_from_a_library_that_is_not_kept_asks_nobody(
    app: LiftChat, adapter: Adapter, hub: FakeHub
) -> None:
    app.drop_kept(adapter.id, token=None)
    assert hub.requests == []


def test_a_library_that_is_open_in_two_windows_comes_back_once(
    app: LiftChat, adapter: Adapter, restarted: LiftChat, ann: str
) -> None:
    app.keep_library(token=ann)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: restarted.restore_library(token=ann), range(2)))
    assert sorted(one.arrived for one in found if one) == [0, 1]
    assert len(restarted.adapters()) == 1


def test_after_a_failure_nothing_is_tried_until_it_is_asked_for(
    app: LiftChat, adapter: Adapter, ann: str, hub: FakeHub
) -> None:
    app.keep_library(token=ann)
    app.update_adapter(adapter.id, name="Another name")
    hub.fail(Answer.error(500, "Oops"))
    with pytest.raises(HubRefused):
        app.keep_library(token=ann)
    assert not app.library_is_behind()
    hub.heal()
    app.keep_library(token=ann)
    app.update_adapter(adapter.id, name="A third")
    assert app.library_is_behind()


def test_a_damaged_adapter_keeps_no_other_from_being_kept(
    app: LiftChat, adapter: Adapter, ann: str, hub: FakeHub
) -> None:
    weights = app.library.adapter_folder(adapter.id, LOCAL) / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert app.keep_library(token=ann) == Kept(REPO, 0)
    assert not app.library_is_behind()
