"""An adapter leaves as one file and comes back; what a stranger made of such a file stays out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import InvalidConfig, NotFound, UnsafeAdapter
from lift_chat.models.context import ChatSettings
from lift_chat.models.loading import LoadedModel
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from lift_chat.sharing.facts import FACTS_FILE, public_metrics
from lift_chat.sharing.parcel import STUDY
from storage.records import Adapter, StudyItem
from tests.conftest import QUICK
from tests.sharing import evil
from tests.sharing.conftest import good_parcel, zip_up
from tests.ui.numbers import METRICS

GREEDY = ChatSettings(temperature=0.0, max_new_tokens=8, context="none", strength=1.0)


@pytest.fixture
def adapter(app: LiftChat, tale: Path) -> Adapter:
    return app.absorb(app.add_document(tale).id, QUICK).wait()


@pytest.fixture(scope="module")
def exported(tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good archive, made without absorbing."""
    folder = tmp_path_factory.mktemp("exported")
    zip_up(good_parcel(tiny, folder / "parcel"), folder / "good.zip")
    return folder / "good.zip"


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Iterator[LiftChat]:
    """Another machine with the same base model."""
    there = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    with LiftChat.open(settings=there, worker=False) as opened:
        yield opened


def said(app: LiftChat, adapter: Adapter) -> str:
    return "".join(app.reply(adapter.id, "Who lit the lamp?", GREEDY))


def test_an_exported_adapter_says_the_same_elsewhere(
    app: LiftChat, adapter: Adapter, elsewhere: LiftChat, tmp_path: Path
) -> None:
    file = app.export_adapter(adapter.id, tmp_path / "tale.zip")
    arrived = elsewhere.import_adapter(file)
    assert said(elsewhere, arrived) == said(app, adapter)
    assert (arrived.name, arrived.recipe) == (adapter.name, adapter.recipe)
    assert arrived.origin == "file:tale.zip"
    assert elsewhere.documents() == []


def test_a_gated_memory_travels_too(
    app: LiftChat, tale: Path, elsewhere: LiftChat, tmp_path: Path
) -> None:
    recipe = QUICK.with_changes(adapter="gated-memory", epochs=1)
    made = app.absorb(app.add_document(tale).id, recipe).wait()
    arrived = elsewhere.import_adapter(app.export_adapter(made.id, tmp_path / "memory.zip"))
    assert arrived.kind == made.kind
    assert said(elsewhere, arrived) == said(app, made)


def test_the_document_comes_along_with_its_study_questions(
    app: LiftChat, adapter: Adapter, elsewhere: LiftChat, tmp_path: Path
) -> None:
    item = StudyItem("Who lit it?", "Sable Quist", 0, 30)
    app.set_study_items(adapter.document_id, [item])
    file = app.export_adapter(adapter.id, tmp_path / "tale.zip", document=True)
    arrived = elsewhere.import_adapter(file)
    (document,) = elsewhere.documents()
    assert arrived.document_id == document.id
    assert document.sha256 == app.document(adapter.document_id).sha256
    assert elsewhere.study_items(document.id) == app.study_items(adapter.document_id)
    again = elsewhere.import_adapter(file)
    assert again.document_id == document.id and len(elsewhere.documents()) == 1


def test_an_adapter_finds_its_document_where_that_lies_already(
    app: LiftChat, adapter: Adapter, elsewhere: LiftChat, tale: Path, tmp_path: Path
) -> None:
    document = elsewhere.add_document(tale)
    arrived = elsewhere.import_adapter(app.export_adapter(adapter.id, tmp_path / "tale.zip"))
    assert arrived.document_id == document.id


def test_without_the_document_nothing_but_weights_and_numbers_goes_along(
    app: LiftChat, adapter: Adapter, tmp_path: Path
) -> None:
    file = app.export_adapter(adapter.id, tmp_path / "tale.zip")
    with zipfile.ZipFile(file) as archive:
        assert sorted(archive.namelist()) == sorted((CONFIG_FILE, WEIGHTS_FILE, FACTS_FILE))
        metrics = json.loads(archive.read(FACTS_FILE))["metrics"]
    assert metrics["loss_after"] == adapter.metrics["loss_after"]
    assert metrics == public_metrics(adapter.metrics)


def test_no_answer_of_an_exam_is_public() -> None:
    said = {text for answer in METRICS["exam"]["answers"] for text in answer.values()} - {""}
    assert said and not [text for text in said if text in json.dumps(public_metrics(METRICS))]


def test_only_numbers_and_the_device_are_public() -> None:
    metrics = {
        "device": "cpu", "loss_after": 1.5, "warning": "Sable", "exam": {
            "questions": 2, "answers": [{"question": "Who?", "gold": "Sable"}],
            "control": {"closed": 3.0, "name": "Another book"}},
        "memory_map": [{"page": 1, "label": "Sable", "before": 3.0, "after": 1.0}],
    }  # fmt: skip
    assert public_metrics(metrics) == {
        "device": "cpu",
        "loss_after": 1.5,
        "exam": {"questions": 2, "control": {"closed": 3.0}},
        "memory_map": [{"page": 1, "before": 3.0, "after": 1.0}],
    }


def test_the_same_adapter_gives_the_same_file(
    app: LiftChat, adapter: Adapter, tmp_path: Path
) -> None:
    first = app.export_adapter(adapter.id, tmp_path / "one.zip", document=True)
    second = app.export_adapter(adapter.id, tmp_path / "two.zip", document=True)
    assert first.read_bytes() == second.read_bytes()


def test_what_cannot_be_exported_is_said(app: LiftChat, adapter: Adapter, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"ends with \.zip"):
        app.export_adapter(adapter.id, tmp_path / "tale.tar")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidConfig, match="cannot be written"):
        app.export_adapter(adapter.id, tmp_path / "file" / "tale.zip")
    app.delete_document(adapter.document_id)
    with pytest.raises(NotFound, match="no longer here"):
        app.export_adapter(adapter.id, tmp_path / "tale.zip", document=True)
    with pytest.raises(NotFound, match="no such adapter"):
        app.export_adapter(adapter.id, tmp_path / "tale.zip", owner="somebody")
    assert not list(tmp_path.glob("*.zip"))


def test_a_document_that_is_another_one_is_refused_with_its_adapter(
    app: LiftChat, adapter: Adapter, elsewhere: LiftChat, tmp_path: Path
) -> None:
    """Also where that other one is here already: nothing happens to it."""
    other = tmp_path / "other.txt"
    other.write_bytes(b"Another book altogether, about something else.")
    mine = elsewhere.add_document(other)
    file = app.export_adapter(adapter.id, tmp_path / "tale.zip", document=True)
    for text in (other.read_bytes(), b"One more book, which nobody has."):
        evil.rewrite(file, {"document/original.txt": text})
        with pytest.raises(UnsafeAdapter, match="not the one that the adapter was made of"):
            elsewhere.import_adapter(file)
    assert elsewhere.documents() == [mine] and elsewhere.adapters() == []


def test_questions_about_what_is_not_in_the_document_are_refused_with_it(
    app: LiftChat, adapter: Adapter, elsewhere: LiftChat, tmp_path: Path
) -> None:
    file = app.export_adapter(adapter.id, tmp_path / "tale.zip", document=True)
    beyond = json.dumps({**evil.ITEM, "end": 10_000}).encode() + b"\n"
    evil.rewrite(file, {STUDY: beyond})
    with pytest.raises(UnsafeAdapter, match=r"do not fit: .* not within \d+ characters\.$"):
        elsewhere.import_adapter(file)
    assert elsewhere.documents() == [] and elsewhere.adapters() == []


@pytest.mark.parametrize("name", evil.ARCHIVES)
def test_an_evil_archive_is_refused_and_leaves_nothing(
    name: str, exported: Path, elsewhere: LiftChat, tmp_path: Path
) -> None:
    file = tmp_path / "tale.zip"
    file.write_bytes(exported.read_bytes())
    evil.ARCHIVES[name].make(file)
    with pytest.raises(UnsafeAdapter, match=f"(?i){evil.ARCHIVES[name].reason}"):
        elsewhere.import_adapter(file)
    home = elsewhere.settings.home
    assert set(tmp_path.iterdir()) == {file, home}
    assert not list((home / "staging").iterdir())
    assert elsewhere.adapters() == [] and not elsewhere.engine.is_loaded
