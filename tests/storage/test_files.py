from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage import files, manifest
from storage.library import Library
from storage.manifest import BadManifest
from tests.storage.workbench import ALICE, absorb, publish, running_job


def test_an_adapter_is_durable_before_it_has_a_row(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files, folder, rename, parent, and only then the transaction."""
    job = running_job(library)
    trace: list[str] = []
    fsync, rename = os.fsync, os.rename

    def traced_fsync(descriptor: int) -> None:
        trace.append("sync " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def traced_rename(source: Path, target: Path) -> None:
        adapters = library.adapters(ALICE)
        trace.append(f"rename to {Path(target).parent.name}, {len(adapters)} rows")
        rename(source, target)

    if not Path("/proc/self/fd").exists():
        traced_fsync = lambda descriptor: trace.append("sync")  # noqa: E731
    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "rename", traced_rename)
    adapter = publish(library, document_id=job.document_id, job=job)
    at = trace.index("rename to adapters, 0 rows")
    assert sorted(trace[: at - 1]) == [
        "sync adapter_config.json",
        "sync adapter_model.safetensors",
        "sync manifest.json",
    ]
    assert trace[at - 1] == f"sync {adapter.id}"
    assert trace[at + 1] == "sync adapters"


def test_a_row_is_gone_before_its_files(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = absorb(library)
    seen: list[int] = []
    rename = os.rename

    def watched(source: Path, target: Path) -> None:
        seen.append(len(library.adapters(ALICE)))
        rename(source, target)

    monkeypatch.setattr(os, "rename", watched)
    library.delete_adapter(adapter.id, ALICE)
    assert seen == [0]


def test_copying_hashes_the_copy(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x" * (files.CHUNK + 1))
    assert files.copy_hashed(source, target) == (files.sha256_of(target), files.CHUNK + 1)
    assert target.read_bytes() == source.read_bytes()


def test_a_file_is_replaced_whole_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "card.json"
    files.write_file(path, b"old")

    def no_fsync(descriptor: int) -> None:
        raise OSError(5, "I/O error")

    monkeypatch.setattr(os, "fsync", no_fsync)
    with pytest.raises(OSError, match="I/O"):
        files.write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_removed_now_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, staging = tmp_path / "folder", tmp_path / "staging"
    folder.mkdir()
    staging.mkdir()
    (folder / "file").write_text("f")

    def in_use(source: Path, target: Path) -> None:
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", in_use)
        assert files.remove_folder(folder, staging) == 0
    assert (folder / "file").exists()
    assert files.remove_folder(folder, staging) == 1
    assert files.remove_folder(folder, staging) == 0


def test_sweeping_leaves_the_quarantine(tmp_path: Path) -> None:
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "file").write_text("f")
    (tmp_path / "file").write_text("f")
    (tmp_path / "link").symlink_to(tmp_path)
    kept = files.quarantine(tmp_path / "left", tmp_path)
    assert files.sweep(tmp_path) == 2
    assert (kept / "file").read_text() == "f"


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "sealed"
    folder.mkdir()
    (folder / "file").write_text("content")
    manifest.seal(folder, "adapter", facts={"name": "é", "loss": 0.1})
    return folder


def test_a_manifest_comes_back_as_it_was_sealed(sealed: Path) -> None:
    read = manifest.read(sealed, "adapter")
    assert read.facts == {"name": "é", "loss": 0.1}
    assert read.files == {"file": (files.sha256_of(sealed / "file"), 7)}
    assert read.sha256 == files.sha256_of(sealed / "manifest.json")
    assert manifest.is_sound(sealed, "adapter")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b'{"digest": 1, "files": []}', b"\xff", b"[" * 100_000],
)
def test_what_is_no_manifest_is_refused_with_a_reason(sealed: Path, content: bytes) -> None:
    (sealed / "manifest.json").write_bytes(content)
    with pytest.raises(BadManifest, match=r"manifest\.json cannot be read"):
        manifest.read(sealed, "adapter")


def test_a_manifest_of_another_kind_or_content_is_refused(sealed: Path) -> None:
    with pytest.raises(BadManifest, match="not that of a version-1 document"):
        manifest.read(sealed, "document")
    text = (sealed / "manifest.json").read_text()
    (sealed / "manifest.json").write_text(text.replace("0.1", "0.2"))
    with pytest.raises(BadManifest, match="has been changed"):
        manifest.read(sealed, "adapter")
