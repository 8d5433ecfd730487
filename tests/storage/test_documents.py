from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from storage import files
from storage.errors import DiskFull, IllegalTransition, NotFound
from storage.files import sha256_of
from storage.library import Library
from storage.records import Page, StudyItem
from tests.storage.workbench import (
    ALICE,
    BOB,
    absorb,
    add_document,
    add_document_twice_told,
    add_job,
    check,
    reopened,
)


def test_what_was_read_comes_back_as_it_was(library: Library) -> None:
    document = add_document(library, "One line\u2028two “quotes” \x00 and 红楼梦.")
    assert library.document(document.id, ALICE) == document
    pages = library.pages(document.id, ALICE)
    assert [page.number for page in pages] == [1, 2]
    text = library.document_text(document.id, ALICE)
    assert all(text[page.start : page.end] == page.text for page in pages)
    assert [chapter.title for chapter in library.outline(document.id, ALICE)] == [
        "The ninth of Marrow"
    ]
    assert document.characters == len(text)
    assert document.bytes == len("One line\u2028two “quotes” \x00 and 红楼梦.".encode())


def test_same_bytes_twice_are_one_document(library: Library, root: Path) -> None:
    first, created = add_document_twice_told(library, "same")
    again, created_again = add_document_twice_told(library, "same", name="other name.txt")
    assert (created, created_again) == (True, False)
    assert again == first
    assert library.documents(ALICE) == [first]
    assert library.find_document(first.sha256, ALICE) == first
    check(root)


def test_sha256_is_that_of_the_file(library: Library, root: Path) -> None:
    document = add_document(library, "bytes")
    assert document.sha256 == sha256_of(root.parent / "upload.txt")
    assert library.find_document("0" * 64, ALICE) is None


def test_two_owners_share_the_folder_and_the_last_one_takes_it_away(
    library: Library, root: Path
) -> None:
    hers, his = add_document(library), add_document(library, owner=BOB, name="his.txt")
    assert hers.id != his.id
    assert (hers.name, his.name) == ("lamp.txt", "his.txt")
    assert len(list((root / "documents").iterdir())) == 1
    assert library.delete_document(hers.id, ALICE) > 0
    assert library.document_text(his.id, BOB)
    check(root)
    assert library.delete_document(his.id, BOB) > 0
    assert list((root / "documents").iterdir()) == []
    check(root)


def test_no_number_tells_that_somebody_else_has_the_document(library: Library) -> None:
    def seen_by_bob() -> tuple[dict[str, int], int]:
        his = add_document(library, owner=BOB)
        return library.disk_usage(BOB), library.delete_document(his.id, BOB)

    alone = seen_by_bob()
    hers = add_document(library)
    library.set_study_items(hers.id, ALICE, [StudyItem("Who?", "She.", 0, 4)])
    assert seen_by_bob() == alone


def test_freed_bytes_are_what_lay_in_the_folder(library: Library, root: Path) -> None:
    document = add_document(library, "x" * 5000)
    folder = root / "documents" / document.sha256
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert library.disk_usage(ALICE)["documents"] == size
    assert library.delete_document(document.id, ALICE) == size
    with pytest.raises(NotFound):
        library.document(document.id, ALICE)


@pytest.mark.parametrize("claimed", [False, True], ids=["queued", "running"])
def test_a_document_at_work_cannot_be_deleted(library: Library, claimed: bool) -> None:
    document = add_document(library)
    job = add_job(library, document)
    if claimed:
        library.claim_next_job()
    with pytest.raises(IllegalTransition, match=r"lamp\.txt"):
        library.delete_document(document.id, ALICE)
    assert library.pages(document.id, ALICE)
    library.request_stop(job.id, ALICE, keep=False)
    if claimed:
        library.finish_job(job.id, "cancelled")
    library.delete_document(document.id, ALICE)


def test_an_adapter_outlives_its_document(library: Library, root: Path) -> None:
    adapter = absorb(library)
    library.delete_document(adapter.document_id, ALICE)
    assert library.adapter(adapter.id, ALICE) == adapter
    library.verify_adapter(adapter.id, ALICE)
    check(root)


def test_deleting_a_document_ends_what_could_be_resumed(library: Library, root: Path) -> None:
    document = add_document(library)
    job = add_job(library, document)
    library.claim_next_job()
    (library.run_folder(job.id) / "checkpoint").write_bytes(b"x" * 1000)
    library.finish_job(job.id, "interrupted")
    assert library.delete_document(document.id, ALICE) > 1000
    assert library.job(job.id, ALICE).state == "cancelled"
    assert list((root / "runs").iterdir()) == []
    with pytest.raises((NotFound, IllegalTransition)):
        library.requeue_job(job.id, ALICE)


def test_a_failed_job_of_a_deleted_document_cannot_be_resumed(library: Library) -> None:
    document = add_document(library)
    job = add_job(library, document)
    library.claim_next_job()
    library.finish_job(job.id, "failed", error="no")
    library.delete_document(document.id, ALICE)
    with pytest.raises(NotFound):
        library.requeue_job(job.id, ALICE)
    assert library.job(job.id, ALICE).state == "failed"


def test_lost_text_is_named_and_adding_the_file_again_brings_it_back(
    library: Library, root: Path
) -> None:
    document, his = add_document(library), add_document(library, owner=BOB)
    shutil.rmtree(root / "documents" / document.sha256)
    with pytest.raises(NotFound, match=r"lamp\.txt"):
        library.pages(document.id, ALICE)
    with pytest.raises(NotFound, match=r"lamp\.txt"):
        library.outline(document.id, ALICE)
    assert add_document(library) == document
    assert library.pages(document.id, ALICE)
    assert library.pages(his.id, BOB)
    check(root)


def test_a_damaged_folder_is_replaced_when_the_file_is_added_again(
    library: Library, root: Path
) -> None:
    document = add_document(library)
    (root / "documents" / document.sha256 / "text.jsonl").write_text("{")
    with pytest.raises(NotFound):
        library.pages(document.id, ALICE)
    assert add_document(library) == document
    assert library.pages(document.id, ALICE)
    check(root)


def test_lone_surrogates_do_not_stop_the_library(library: Library, tmp_path: Path) -> None:
    original = tmp_path / "odd.txt"
    original.write_bytes(b"odd")
    document, _ = library.add_document(
        original,
        owner=ALICE,
        name="bad\udcff.txt",
        kind="text",
        title="\ud800",
        author="",
        language="",
        pages=[Page(1, "1", 0, 3, "a\ud800b")],
        outline=[],
        quality={"odd": "\ud800"},
    )
    assert document.name == "bad?.txt"
    assert library.document_text(document.id, ALICE) == "a?b"


def test_names_never_become_paths(library: Library, root: Path) -> None:
    document = add_document(library, name="../../evil.sh")
    assert document.name == "../../evil.sh"
    stored = {path.name for path in root.rglob("*") if path.is_file()}
    assert not any("evil" in name for name in stored)
    assert "original.txt" in stored
    check(root)


def test_no_room_is_said_with_figures_before_anything_is_written(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(DiskFull, match=r"MB needed, 0 MB free"):
        add_document(library)
    assert list((root / "staging").iterdir()) == []


def test_a_full_disk_comes_out_as_one_sentence(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> tuple[str, int]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "copy_hashed", full)
    with pytest.raises(DiskFull, match="is full; free some space"):
        add_document(library)
    check(root)


def test_a_missing_original_stores_nothing(library: Library, root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        library.add_document(
            tmp_path / "none.txt",
            owner=ALICE,
            name="none",
            kind="text",
            title="",
            author="",
            language="",
            pages=[],
            outline=[],
            quality={},
        )
    check(root)


def test_the_library_can_be_moved(root: Path) -> None:
    with Library.open(root) as library:
        document = add_document(library)
        adapter = absorb(library, "second")
    moved = root.rename(root.parent / "elsewhere é #?%20")
    with reopened(moved) as library:
        assert library.pages(document.id, ALICE)
        library.verify_adapter(adapter.id, ALICE)
    check(moved)
