"""What the next start makes of a library that was cut off in the middle of something."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from storage import adapters, documents, files, manifest, shelving
from storage.errors import AdapterDamaged, NotFound
from storage.library import Library
from storage.records import Adapter
from storage.recovery import Findings
from tests.storage.workbench import (
    ALICE,
    BOB,
    absorb,
    add_document,
    add_job,
    check,
    publish,
    reopened,
    running_job,
)


class Killed(BaseException):
    """Stands for the process being gone: whatever was to come after it did not happen."""


def killed(*_: object, **__: object) -> None:
    raise Killed


def publish_until(library: Library, monkeypatch: pytest.MonkeyPatch, step: str) -> str:
    """Publishes the running job's adapter, but dies at `step` without any cleaning up."""
    (job,) = [job for job in library.jobs(ALICE) if job.state == "running"]
    with monkeypatch.context() as patch:
        patch.setattr(adapters, "_take_back", lambda *_: None)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        if step == "transaction":
            patch.setattr(adapters, "insert", killed)
        elif step == "rename":
            patch.setattr(files, "move_into_place", killed)
        else:
            patch.setattr(manifest, "seal", killed)
        with pytest.raises(Killed):
            publish(library, document_id=job.document_id, job=job)
    return job.id


def test_a_kill_between_rename_and_transaction_leaves_a_done_job(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.open(root) as library:
        running_job(library)
        job_id = publish_until(library, monkeypatch, "transaction")
        assert library.adapters(ALICE) == []
        assert library.job(job_id, ALICE).state == "running"
    with Library.open(root) as library:
        assert library.findings.adapters == 1
        (adapter,) = library.adapters(ALICE)
        job = library.job(job_id, ALICE)
        assert (job.state, job.adapter_id) == ("done", adapter.id)
        assert library.recover_jobs() == []
        assert library.claim_next_job() is None
        assert library.adapters(ALICE, "marrow lamp") == [adapter]
        library.verify_adapter(adapter.id, ALICE)
        assert adapter.metrics == {"loss_before": 3.0, "loss_after": 1.0}
    with reopened(root) as library:
        assert library.adapters(ALICE) == [adapter]
        assert library.findings == Findings()
    check(root)


@pytest.mark.parametrize("step", ["seal", "rename"])
def test_a_kill_before_the_rename_leaves_nothing_and_the_job_runs_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with Library.open(root) as library:
        running_job(library)
        job_id = publish_until(library, monkeypatch, step)
        assert len(list((root / "staging").iterdir())) == 1
    with reopened(root) as library:
        assert library.adapters(ALICE) == []
        assert library.job(job_id, ALICE).state == "queued"
    check(root)


@pytest.mark.parametrize("end", ["discard", "cancelled"])
def test_what_was_discarded_does_not_appear_after_a_restart(
    root: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    with Library.open(root) as library:
        running_job(library)
        job_id = publish_until(library, monkeypatch, "transaction")
        if end == "discard":
            library.request_stop(job_id, ALICE, keep=False)
        else:
            library.finish_job(job_id, "cancelled")
    with reopened(root) as library:
        assert library.adapters(ALICE) == []
        assert library.job(job_id, ALICE).state == "cancelled"
    assert list((root / "adapters").iterdir()) == []
    check(root)


@pytest.mark.parametrize("end", ["failed", "interrupted", "queued"])
def test_a_complete_adapter_is_not_lost_with_the_error_of_its_job(
    root: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    with Library.open(root) as library:
        running_job(library)
        job_id = publish_until(library, monkeypatch, "transaction")
        if end == "queued":
            library.recover_jobs()
        else:
            library.finish_job(job_id, end, error="The disk was full.")  # type: ignore[arg-type]
    with reopened(root) as library:
        (adapter,) = library.adapters(ALICE)
        job = library.job(job_id, ALICE)
        assert (job.state, job.adapter_id, job.error) == ("done", adapter.id, "")
    check(root)


def test_of_two_adapters_of_one_job_the_second_goes_to_quarantine(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.open(root) as library:
        job = running_job(library)
        publish_until(library, monkeypatch, "transaction")
        adapter = publish(library, document_id=job.document_id, job=job)
    with reopened(root) as library:
        assert library.findings.quarantined == 1
        assert library.adapters(ALICE) == [adapter]
    check(root)


def test_an_interrupted_deletion_of_an_adapter_is_finished(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
        with monkeypatch.context() as patch:
            patch.setattr(adapters, "clear", killed)
            with pytest.raises(Killed):
                library.delete_adapter(adapter.id, ALICE)
        assert (root / "adapters" / adapter.id).exists()
    with reopened(root) as library:
        assert library.adapters(ALICE) == []
    assert not (root / "adapters" / adapter.id).exists()
    check(root)


@pytest.mark.parametrize("shared", [False, True])
def test_an_interrupted_deletion_of_a_document_is_finished(
    root: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    with Library.open(root) as library:
        document = add_document(library)
        if shared:
            add_document(library, owner=BOB)
        with monkeypatch.context() as patch:
            patch.setattr(documents, "clear", killed)
            with pytest.raises(Killed):
                library.delete_document(document.id, ALICE)
    with reopened(root) as library:
        assert library.documents(ALICE) == []
        assert len(library.documents(BOB)) == shared
    assert (root / "documents" / document.sha256).exists() == shared
    check(root)


def test_a_document_cut_off_before_its_row_is_indexed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.open(root) as library, monkeypatch.context() as patch:
        patch.setattr(documents, "insert", killed)
        patch.setattr(shelving, "_unshelve", lambda *_: None)
        with pytest.raises(Killed):
            add_document(library)
    with reopened(root) as library:
        (document,) = library.documents(ALICE, "marrow")
        assert library.pages(document.id, ALICE)
        assert add_document(library) == document
    check(root)


def test_a_failed_document_is_taken_back_at_once(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_document(library, owner=BOB)
    for text in ("The lamp was lit.", "another"):
        with monkeypatch.context() as patch:
            patch.setattr(documents, "insert", killed)
            with pytest.raises(Killed):
                add_document(library, text)
        check(root)
    assert library.documents(ALICE) == []


def lose_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def lose_file(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def shorten_file(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"w")


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("lose", [lose_folder, lose_file, shorten_file, lose_manifest])
def test_an_adapter_without_its_files_is_missing_until_they_are_back(
    root: Path, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
        library.update_adapter(adapter.id, ALICE, note="mine")
        conversation = library.add_conversation(adapter.id, ALICE)
    folder = root / "adapters" / adapter.id
    shutil.copytree(folder, tmp_path / "copy")
    lose(folder)
    with reopened(root) as library:
        assert library.findings.missing == 1
        lost = library.adapter(adapter.id, ALICE)
        assert (lost.state, lost.note) == ("missing", "mine")
        assert library.conversation(conversation.id, ALICE) == conversation
        with pytest.raises(AdapterDamaged):
            library.verify_adapter(adapter.id, ALICE)
        assert library.find_job(adapter.document_id, ALICE, adapter.recipe, "tiny") is None
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tmp_path / "copy", folder)
    with reopened(root) as library:
        assert library.adapter(adapter.id, ALICE).state == "ready"
        library.verify_adapter(adapter.id, ALICE)
    check(root)


def test_a_missing_adapter_can_be_deleted(root: Path) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
    shutil.rmtree(root / "adapters" / adapter.id)
    with reopened(root) as library:
        assert library.delete_adapter(adapter.id, ALICE) == 0
        assert library.adapters(ALICE) == []
    check(root)


def test_a_folder_put_back_after_its_deletion_is_welcome(root: Path, tmp_path: Path) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
        shutil.copytree(root / "adapters" / adapter.id, tmp_path / "copy")
        library.delete_adapter(adapter.id, ALICE)
    shutil.copytree(tmp_path / "copy", root / "adapters" / adapter.id)
    with Library.open(root) as library:
        assert library.adapters(ALICE) == [adapter]
        (job,) = library.jobs(ALICE)
        assert (job.state, job.adapter_id) == ("done", adapter.id)
    check(root)


def stranger(root: Path, adapter: Adapter) -> None:
    (root / "adapters" / "notes").mkdir()
    (root / "adapters" / "notes" / "my thesis.txt").write_text("valuable")


def no_manifest(root: Path, adapter: Adapter) -> None:
    folder = root / "adapters" / "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_text("valuable")


def copied(root: Path, adapter: Adapter) -> None:
    shutil.copytree(root / "adapters" / adapter.id, root / "adapters" / "copy")
    (root / "adapters" / "copy" / "valuable").write_text("valuable")


def plain_file(root: Path, adapter: Adapter) -> None:
    (root / "adapters" / "file").write_text("valuable")


def bad_document(root: Path, adapter: Adapter) -> None:
    (root / "documents" / "x").mkdir()
    (root / "documents" / "x" / "original.txt").write_text("valuable")


def injected_document(root: Path, adapter: Adapter) -> None:
    folder = root / "documents" / ("0" * 64)
    (folder / "owners").mkdir(parents=True)
    (folder / "outline.json").write_text("[]")
    (folder / "valuable.txt").write_text("valuable")
    card = {"id": "x", "owner": ALICE, "name": "n", "created_at": "", "seq) --": "1"}
    manifest.seal(folder, "document", facts={"kind": "text", "seq) --": 1})
    (folder / "owners" / "x.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    "put", [stranger, no_manifest, copied, plain_file, bad_document, injected_document]
)
def test_what_does_not_belong_goes_to_quarantine_and_is_never_swept(
    root: Path, put: Callable[[Path, Adapter], None]
) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
    put(root, adapter)
    for expected in (1, 0):
        with reopened(root) as library:
            assert library.findings.quarantined == expected
            assert [a.id for a in library.adapters(ALICE)] == [adapter.id]
    kept = list((root / "staging" / "quarantine").rglob("*"))
    assert "valuable" in [path.read_text() for path in kept if path.is_file()]
    check(root)


def test_only_jobs_that_can_go_on_keep_their_checkpoints(root: Path) -> None:
    with Library.open(root) as library:
        document = add_document(library)
        kept, gone = (add_job(library, document, recipe={"n": n}) for n in range(2))
        for job in (kept, gone):
            (library.run_folder(job.id) / "checkpoint").write_text("c")
        library.claim_next_job()
        library.finish_job(kept.id, "failed")
        (root / "runs" / "stray").mkdir()
    with closing(sqlite3.connect(root / "library.sqlite")) as db, db:
        db.execute("UPDATE jobs SET state = 'cancelled' WHERE id = ?", [gone.id])
    with reopened(root):
        assert [path.name for path in (root / "runs").iterdir()] == [kept.id]
    check(root)


def test_leftovers_of_writing_a_card_are_swept(root: Path) -> None:
    with Library.open(root) as library:
        document = add_document(library)
    (root / "documents" / document.sha256 / "owners" / ".x.json.draft").write_text("{")
    reopened(root).close()
    check(root)


def test_a_lost_card_is_written_again(root: Path) -> None:
    with Library.open(root) as library:
        document = add_document(library)
    (root / "documents" / document.sha256 / "owners" / f"{document.id}.json").unlink()
    reopened(root).close()
    check(root)


def test_repair_on_a_sound_library_changes_nothing(library: Library, root: Path) -> None:
    adapter = absorb(library)
    assert library.repair() == Findings()
    assert library.adapters(ALICE, "lamp") == [adapter]
    check(root)


def test_repair_finds_what_was_put_there_meanwhile(
    library: Library, root: Path, tmp_path: Path
) -> None:
    first, second = absorb(library), absorb(library, "second")
    shutil.rmtree(root / "adapters" / first.id)
    stranger(root, second)
    findings = library.repair()
    assert (findings.missing, findings.quarantined) == (1, 1)
    assert findings.sentence() == (
        "0 documents and 0 adapters were indexed again, 1 adapters miss their files, "
        "1 folders were put into quarantine."
    )


def test_repair_makes_the_search_index_anew(library: Library, root: Path) -> None:
    adapter = absorb(library)
    with closing(sqlite3.connect(root / "library.sqlite")) as db, db:
        db.execute("DELETE FROM adapter_words_data WHERE id > 10")
    library.repair()
    assert library.adapters(ALICE, "lamp") == [adapter]


def test_unknown_ids_stay_unknown_after_a_restart(root: Path) -> None:
    with Library.open(root) as library:
        adapter = absorb(library)
        library.delete_adapter(adapter.id, ALICE)
    with reopened(root) as library, pytest.raises(NotFound):
        library.adapter(adapter.id, ALICE)
