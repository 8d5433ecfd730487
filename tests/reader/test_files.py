from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lift_chat.adapters import lora
from lift_chat.adapters.folder import CONFIG_FILE, FILES, WEIGHTS_FILE
from lift_chat.errors import AdapterDamaged, InvalidConfig
from lift_chat.models.loading import LoadedModel
from lift_chat.reader.files import (
    MANIFEST,
    ReaderFacts,
    read_manifest,
    seal_reader,
    write_reader,
)
from storage.files import sha256_of
from tests.conftest import QUICK

FACTS = ReaderFacts(
    name="tales",
    recipe={"rank": 8, "passes": 0.5},
    scores={"before": {"open": {"f1": 31.5}}, "after": {"open": {"f1": 58.0}}},
    trained_tokens=12_345,
    seconds=61.25,
    sources=("fairytaleqa:train", "more.jsonl"),
)


def adapter(tiny: LoadedModel) -> Any:
    """One that changes what the base says."""
    adapted = lora.attach(tiny.twin(), QUICK)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in (w for w in adapted.parameters() if w.requires_grad):
            weight.add_(0.05 * torch.randn_like(weight))
    return adapted.eval()


@pytest.fixture
def folder(tiny: LoadedModel, tmp_path: Path) -> Path:
    write_reader(tmp_path / "reader", adapter(tiny), tiny, FACTS)
    return tmp_path / "reader"


def test_a_reader_comes_back_with_what_is_known_of_it(tiny: LoadedModel, tmp_path: Path) -> None:
    written = write_reader(tmp_path / "new" / "reader", adapter(tiny), tiny, FACTS)
    read = read_manifest(tmp_path / "new" / "reader")
    assert read == written
    assert (read.base_model, read.base_fingerprint) == ("tiny", tiny.identity.fingerprint)
    assert {name: getattr(read, name) for name in vars(FACTS)} == {**vars(FACTS), "seconds": 61.2}
    assert set(read.files) == set(FILES)
    assert sorted(path.name for path in (tmp_path / "new").rglob("*")) == sorted(
        ["reader", MANIFEST, *FILES]
    )


def test_the_adapter_says_the_same_from_half_the_bytes(tiny: LoadedModel, folder: Path) -> None:
    adapted, ids = adapter(tiny), torch.arange(40)[None]
    tensors = load_file(folder / WEIGHTS_FILE)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    numbers = sum(w.numel() for w in adapted.parameters() if "lora_" in str(w) or w.requires_grad)
    assert sum(tensor.numel() for tensor in tensors.values()) == numbers
    with torch.no_grad():
        theirs = adapted(ids).logits
        ours = lora.load(tiny.twin(), folder)(ids).logits
        base = tiny.model(ids).logits
    assert (ours - theirs).abs().max() < 0.05 * (base - theirs).abs().max()


def test_the_manifest_has_the_sha256_and_size_of_both_files(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    assert (content["format_version"], content["kind"]) == (1, "reader")
    assert content["files"] == {
        name: {"sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size}
        for name in (CONFIG_FILE, WEIGHTS_FILE)
    }


def test_an_adapter_folder_becomes_a_reader(tiny: LoadedModel, tmp_path: Path) -> None:
    lora.save(adapter(tiny), tmp_path, tiny.identity)
    with pytest.raises(AdapterDamaged, match=r"manifest\.json .* cannot be read"):
        read_manifest(tmp_path)
    assert seal_reader(tmp_path, tiny.identity, FACTS) == read_manifest(tmp_path)


def test_nothing_is_written_over_what_is_there(tiny: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "reader").mkdir()
    write_reader(tmp_path / "reader", adapter(tiny), tiny, FACTS)
    before = (tmp_path / "reader" / MANIFEST).read_bytes()
    (tmp_path / "file").write_text("kept")
    for taken in ("reader", "file"):
        with pytest.raises(InvalidConfig, match="is there already"):
            write_reader(tmp_path / taken, adapter(tiny), tiny, replace(FACTS, name="other"))
    assert (tmp_path / "reader" / MANIFEST).read_bytes() == before


def test_a_failed_writing_leaves_nothing(tiny: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_reader(tmp_path / "r", adapter(tiny), tiny, replace(FACTS, scores={"x": object()}))
    assert list(tmp_path.iterdir()) == []


def test_a_reader_is_not_made_on_a_base_with_a_reader(tiny: LoadedModel, tmp_path: Path) -> None:
    read = replace(tiny, identity=replace(tiny.identity, reader="tales"))
    with pytest.raises(InvalidConfig, match="bare base"):
        write_reader(tmp_path / "r", adapter(tiny), read, FACTS)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    changed = change(content)
    (folder / MANIFEST).write_text(json.dumps(content if changed is None else changed))


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_found(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(AdapterDamaged, match=f"{name} of the reader in reader has been changed"):
        read_manifest(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_and_a_link_are_found(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / name)
    with pytest.raises(AdapterDamaged, match=f"{name} of the reader in reader is missing"):
        read_manifest(folder)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(AdapterDamaged, match=f"{name} of the reader in reader is missing"):
        read_manifest(folder)


def put(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.__setitem__(name, value)


def put_file(name: str, **facts: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["files"].setdefault(name, {}).update(facts)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda content: [content],
        put("format_version", 2),
        put("kind", "adapter"),
        put("more", 1),
        lambda content: content.pop("scores") and None,
        put("name", ""),
        put("base_fingerprint", 7),
        put("recipe", []),
        put("scores", None),
        put("trained_tokens", True),
        put("trained_tokens", -1),
        put("seconds", float("nan")),
        put("seconds", "61"),
        put("sources", "tales"),
        put("sources", [1]),
        put("created_at", "yesterday"),
        put("files", {}),
        put("files", {CONFIG_FILE: "0" * 64, WEIGHTS_FILE: "0" * 64}),
        put_file("../escape", sha256="0" * 64, bytes=1),
        put_file(WEIGHTS_FILE, sha256="short"),
        put_file(WEIGHTS_FILE, sha256="0" * 64),
        put_file(WEIGHTS_FILE, bytes=1),
        put_file(CONFIG_FILE, mode=7),
    ],
)
def test_an_odd_manifest_is_damaged(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    rewrite(folder, change)
    with pytest.raises(AdapterDamaged) as caught:
        read_manifest(folder)
    assert "reader" in str(caught.value) and str(folder.parent) not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_no_json_is_damaged(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(AdapterDamaged, match=r"manifest\.json of the reader in reader cannot be"):
        read_manifest(folder)
