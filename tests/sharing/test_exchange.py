"""An adapter leaves as one file and comes back; what a stranger made of such a file stays out."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import InvalidConfig, NotFound, UnsafeAdapter
from lift_chat.models.context import ChatSettings
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from lift_chat.sharing.facts import FACTS_FILE, SharedFacts, public_metrics
from lift_chat.sharing.parcel import open_parcel
from storage.files import sha256_of
from storage.records import Adapter, StudyItem
from tests.conftest import QUICK
from tests.ui.numbers import METRICS

GREEDY = ChatSettings(temperature=0.0, max_new_tokens=8, context="none", strength=1.0)


@pytest.fixture
def adapter(app: LiftChat, tale: Path) -> Adapter:
    return app.absorb(app.add_document(tale).id, QUICK).wait()


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
    file = app.export_adapter(adapter.id, tmp_path / "tale.zip", document=True)
    rewrite(file, {"document/original.txt": b"Another book altogether, about something else."})
    with pytest.raises(UnsafeAdapter, match="not the one that the adapter was made of"):
        elsewhere.import_adapter(file)
    assert elsewhere.documents() == [] and elsewhere.adapters() == []


@pytest.fixture
def parcel(app: LiftChat, adapter: Adapter, tmp_path: Path) -> Path:
    """A good one, unpacked; each evil one differs from it in one thing."""
    folder = tmp_path / "parcel"
    with zipfile.ZipFile(app.export_adapter(adapter.id, tmp_path / "good.zip")) as archive:
        archive.extractall(folder)
    open_parcel(folder)
    return folder


def reseal(folder: Path) -> None:
    """So that what is refused is refused for itself, and not for its hash."""
    told = SharedFacts.from_json((folder / FACTS_FILE).read_bytes())
    files = {name: sha256_of(folder / name) for name in told.files}
    (folder / FACTS_FILE).write_bytes(replace(told, files=files).to_json())


def config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / CONFIG_FILE
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        reseal(folder)

    return change


def told(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / FACTS_FILE
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS_FILE)
        change(weights)
        save_file({n: t.contiguous() for n, t in weights.items()}, folder / WEIGHTS_FILE)
        reseal(folder)

    return changed


def raw(name: str, change: Callable[[bytes], bytes], *, sealed: bool = True) -> Any:
    def changed(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))
        if sealed:
            reseal(folder)

    return changed


def first(weights: dict[str, torch.Tensor], part: str) -> str:
    return next(name for name in sorted(weights) if part in name)


def spoil(weights: dict[str, torch.Tensor]) -> None:
    weights[first(weights, "lora_A")][0, 0] = float("nan")


def fatten(weights: dict[str, torch.Tensor]) -> None:
    name = first(weights, "lora_A")
    weights[name] = torch.zeros(512, weights[name].shape[1])


def recast(kind: torch.dtype) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(weights: dict[str, torch.Tensor]) -> None:
        name = first(weights, "lora_B")
        weights[name] = weights[name].to(kind)

    return change


def link_out(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    os.symlink("/etc/hostname", folder / WEIGHTS_FILE)


def huge_header(data: bytes) -> bytes:
    return struct.pack("<Q", 100 << 20) + data[8:]


EVIL: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pickle": (lambda f: (f / "adapter_model.bin").write_bytes(b"\x80\x04."), "does not belong"),
    "code": (lambda f: (f / "modeling.py").write_text("import os"), "does not belong"),
    "a nested folder": (lambda f: (f / "deep").mkdir(), "does not belong"),
    "no weights": (lambda f: (f / WEIGHTS_FILE).unlink(), "is missing"),
    "a link out of it": (link_out, "does not belong"),
    "auto_mapping": (config(auto_mapping={"base_model_class": "x"}), "auto_mapping"),
    "modules_to_save": (config(modules_to_save=["lm_head"]), "modules_to_save"),
    "dora": (config(use_dora=True), "use_dora"),
    "a bias": (config(bias="all"), "not loaded here"),
    "another scaling": (config(use_rslora=True), "use_rslora"),
    "a giant rank": (config(r=100_000), "rank"),
    "an alpha that is no number": (config(lora_alpha="1e999"), "alpha"),
    "targets as an expression": (config(target_modules="(a+)+$"), "target modules"),
    "another kind of PEFT": (config(peft_type="PROMPT_TUNING"), "LoRA"),
    "a key twice": (raw(CONFIG_FILE, lambda d: d.rstrip()[:-1] + b', "r": 8}'), "twice"),
    "NaN in the config": (raw(CONFIG_FILE, lambda d: d.replace(b'"r": 8', b'"r": NaN')), "number"),
    "nesting without end": (raw(CONFIG_FILE, lambda d: b"[" * 100_000), "cannot be read"),
    "a config of two megabytes": (raw(CONFIG_FILE, lambda d: d + b" " * (2 << 20)), "allowed"),
    "a header of 100 MB": (raw(WEIGHTS_FILE, huge_header), "header"),
    "a cut file": (raw(WEIGHTS_FILE, lambda d: d[:-8]), "cannot be read"),
    "a tail": (raw(WEIGHTS_FILE, lambda d: d + b"tail"), "cannot be read"),
    "NaN among the weights": (tensors(spoil), "not finite"),
    "a matrix of another rank": (tensors(fatten), "not of rank"),
    "whole numbers": (tensors(recast(torch.int8)), "kind that is not used"),
    "double precision": (tensors(recast(torch.float64)), "kind that is not used"),
    "half a layer": (tensors(lambda w: w.pop(first(w, "lora_B"))), "other half"),
    "a tensor more": (tensors(lambda w: w.update({"head.weight": torch.ones(2)})), "config lacks"),
    "flipped bits": (raw(WEIGHTS_FILE, lambda d: d[:-1] + b"\x01", sealed=False), "sha256"),
    "another kind told": (told(kind="gated-memory"), "gated|memory|width|layers"),
    "an unknown kind": (told(kind="magic"), "unknown kind"),
    "a future format": (told(format_version=2), "format"),
    "a base without fingerprint": (told(base_fingerprint="x"), "base_fingerprint"),
    "an entry too many": (told(owner="root"), "owner"),
}


@pytest.mark.parametrize("name", EVIL)
def test_an_evil_adapter_is_refused_with_its_reason(
    name: str, parcel: Path, elsewhere: LiftChat
) -> None:
    change, reason = EVIL[name]
    change(parcel)
    with pytest.raises(UnsafeAdapter, match=f"(?i){reason}"):
        open_parcel(parcel)
    assert not elsewhere.engine.is_loaded


def rewrite(file: Path, changes: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {**content, **changes}.items():
            archive.writestr(name, data)


def added(name: str, data: bytes = b"x", mode: int = 0) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(entry, data)

    return change


def many(file: Path) -> None:
    for number in range(10):
        added(f"document/{number}.txt")(file)


def bomb(file: Path) -> None:
    """Its header says little, and it unpacks to much."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(FACTS_FILE, b"0" * (64 << 20))
    data = bytearray(file.read_bytes())
    size = (64 << 20).to_bytes(4, "little")
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = (10).to_bytes(4, "little")
    file.write_bytes(data)


def secret(file: Path) -> None:
    data = bytearray(file.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    file.write_bytes(data)


EVIL_ZIPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a way out": (added("../evil.json"), "not taken"),
    "a way out below": (added("document/../../evil.json"), "not taken"),
    "an absolute name": (added("/tmp/evil.json"), "not taken"),
    "a drive": (added("C:evil.json"), "not taken"),
    "a link": (added("document/original.txt", b"/etc/passwd", 0o120777), "not taken"),
    "a pickle": (added("adapter_model.bin"), "not taken"),
    "a name in two cases": (added(FACTS_FILE.upper()), "twice"),
    "too many": (many, "too many"),
    "a bomb": (bomb, "unpack"),
    "locked": (secret, "not taken"),
    "no archive": (lambda f: f.write_bytes(b"%PDF-1.7"), "unpacked"),
    "half of it": (lambda f: f.write_bytes(f.read_bytes()[:200]), "unpacked"),
}


@pytest.mark.parametrize("name", EVIL_ZIPS)
def test_an_evil_archive_is_refused_and_leaves_nothing(
    name: str, app: LiftChat, adapter: Adapter, elsewhere: LiftChat, tmp_path: Path
) -> None:
    change, reason = EVIL_ZIPS[name]
    file = app.export_adapter(adapter.id, tmp_path / "tale.zip")
    change(file)
    before = sorted(path for path in tmp_path.rglob("*") if "home" not in path.parts)
    with pytest.raises(UnsafeAdapter, match=f"(?i){reason}"):
        elsewhere.import_adapter(file)
    assert sorted(path for path in tmp_path.rglob("*") if "home" not in path.parts) == before
    assert elsewhere.adapters() == [] and not elsewhere.engine.is_loaded
