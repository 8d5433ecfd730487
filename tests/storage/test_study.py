"""Study items: kept for each owner, found again after whatever happens to the folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage import documents, files, owners
from storage.errors import DiskFull, LibraryDamaged, LiftChatError, NotFound
from storage.library import Library
from storage.records import Document, StudyItem
from storage.recovery import Findings
from storage.study import MOST_ITEMS
from tests.storage.faults import Faults, injected
from tests.storage.workbench import ALICE, BOB, add_document, add_job, check, reopened, study_items


def study_file(root: Path, document: Document) -> Path:
    return root / "documents" / document.sha256 / "owners" / f"{document.id}.study.jsonl"


def quarantined(root: Path) -> list[Path]:
    return [path for path in (root / "staging" / "quarantine").rglob("*") if path.is_file()]


def test_items_come_back_as_they_were_in_their_order(library: Library, root: Path) -> None:
    document = add_document(library)
    items = [
        StudyItem(
            "Who lit the lamp?", "Nobody knows.", 0, document.characters, kind="unanswerable"
        ),
        StudyItem("谁?", "“Two\nlines”\u2028\x00\x85", 4, 8, "lamp", "sentence", "endpoint"),
        *study_items("a?", "a?"),
    ]
    assert library.study_items(document.id, ALICE) == []
    library.set_study_items(document.id, ALICE, items)
    assert library.study_items(document.id, ALICE) == items
    assert len(study_file(root, document).read_bytes().splitlines()) == 4
    check(root)
    with Library.read_only(root) as reader:
        assert reader.study_items(document.id, ALICE) == items


def test_setting_replaces_all_and_none_leaves_no_file(library: Library, root: Path) -> None:
    document = add_document(library)
    library.set_study_items(document.id, ALICE, [])
    library.set_study_items(document.id, ALICE, study_items("a?", "b?"))
    library.set_study_items(document.id, ALICE, study_items("c?"))
    assert library.study_items(document.id, ALICE) == study_items("c?")
    library.set_study_items(document.id, ALICE, [])
    assert library.study_items(document.id, ALICE) == []
    assert not study_file(root, document).exists()
    check(root)


def test_lone_surrogates_are_replaced_one_for_one(library: Library) -> None:
    document = add_document(library)
    library.set_study_items(document.id, ALICE, study_items("wh\ud800?"))
    (item,) = library.study_items(document.id, ALICE)
    assert item.question == "wh??"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": "x" * 4001}, "the question has 4001 characters instead of at most 4000"),
        ({"answer": "x" * 4001}, "the answer has 4001"),
        ({"evidence": "x" * 20_001}, "the evidence has 20001"),
        ({"kind": "x" * 41}, "the kind has 41"),
        ({"question": " "}, "the question is empty"),
        ({"answer": ""}, "the answer is empty"),
        ({"answer": None}, "the answer is not text"),
        ({"origin": "cat"}, "the origin is none of model, endpoint, person"),
        ({"start": -1}, "the offsets -1 and 9 are not within 19 characters"),
        ({"end": 20}, "the offsets 0 and 20 are not within 19 characters"),
        ({"start": 9, "end": 8}, "the offsets 9 and 8 are not within"),
        ({"start": 0.0}, "an offset is not a whole number"),
        ({"start": True}, "an offset is not a whole number"),
    ],
)
def test_an_item_that_cannot_be_kept_is_named_and_changes_nothing(
    library: Library, change: dict[str, object], reason: str
) -> None:
    document = add_document(library)
    good = study_items("a?", "b?")
    library.set_study_items(document.id, ALICE, good)
    bad = replace(good[1], **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"Study item 2 cannot be kept: {reason}"):
        library.set_study_items(document.id, ALICE, [good[0], bad])
    assert library.study_items(document.id, ALICE) == good


def test_items_at_the_limits_are_kept(library: Library) -> None:
    document = add_document(library)
    item = StudyItem("q" * 4000, "a" * 4000, 0, document.characters, "e" * 20_000, "k" * 40)
    library.set_study_items(document.id, ALICE, [item])
    assert library.study_items(document.id, ALICE) == [item]


def test_there_is_a_limit_to_their_number(library: Library, root: Path) -> None:
    document = add_document(library)
    item = StudyItem("q", "a", 0, 0)
    with pytest.raises(ValueError, match="There are 100001 study items instead of at most 100000"):
        library.set_study_items(document.id, ALICE, [item] * (MOST_ITEMS + 1))
    library.set_study_items(document.id, ALICE, [item] * MOST_ITEMS)
    assert len(library.study_items(document.id, ALICE)) == MOST_ITEMS
    with open(study_file(root, document), "ab") as file:
        file.write(b"{}\n")
    with pytest.raises(LibraryDamaged, match="more than 100000"):
        library.study_items(document.id, ALICE)


WHOLE = json.dumps(
    {
        "question": "q",
        "answer": "a",
        "start": 0,
        "end": 1,
        "evidence": "",
        "kind": "fact",
        "origin": "model",
    }
)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "it is not JSON"),
        ("\0" * 100, "it is not JSON"),
        ("\udcff", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "its names are not those"),
        ("{}", "its names are not those"),
        (WHOLE.replace('"kind"', '"kinds"'), "its names are not those"),
        (WHOLE.replace("}", ', "more": 1}'), "its names are not those"),
        (WHOLE.replace('"a"', "1"), "the answer is not text"),
        (WHOLE.replace("1", "true"), "an offset is not a whole number"),
        (WHOLE.replace("1", "1.0"), "an offset is not a whole number"),
        (WHOLE.replace("1", "99"), "the offsets 0 and 99 are not within"),
        (WHOLE.replace('"model"', "[]"), "the origin is none of"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_lost(
    library: Library, root: Path, line: str, reason: str
) -> None:
    document = add_document(library)
    path = study_file(root, document)
    damaged = f"{WHOLE}\n{WHOLE}\n{line}\n{WHOLE}\n".encode(errors="surrogateescape")
    path.write_bytes(damaged)
    with pytest.raises(LibraryDamaged, match=f"study items .* line 3 is damaged: {reason}"):
        library.study_items(document.id, ALICE)
    assert path.read_bytes() == damaged
    library.set_study_items(document.id, ALICE, study_items("new?"))
    assert library.study_items(document.id, ALICE) == study_items("new?")
    assert [kept.read_bytes() for kept in quarantined(root)] == [damaged]
    check(root)


@pytest.mark.parametrize("cut", [1, 10])
def test_a_file_that_is_cut_off_is_not_taken_for_a_shorter_one(
    library: Library, root: Path, cut: int
) -> None:
    document = add_document(library)
    library.set_study_items(document.id, ALICE, study_items("a?", "b?"))
    path = study_file(root, document)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(LibraryDamaged, match=r"study items .* line 2"):
        library.study_items(document.id, ALICE)


def test_a_file_that_cannot_be_read_is_said_in_one_sentence(library: Library, root: Path) -> None:
    document = add_document(library)
    study_file(root, document).mkdir()
    with pytest.raises(LibraryDamaged, match="cannot be read"):
        library.study_items(document.id, ALICE)


@pytest.mark.parametrize("end", ["close", "read-only"])
def test_nothing_is_written_without_the_lock(root: Path, end: str) -> None:
    with Library.open(root) as library:
        document = add_document(library)
        library.set_study_items(document.id, ALICE, study_items("a?"))
    if end == "read-only":
        library = Library.read_only(root)
    with pytest.raises(LiftChatError):
        library.set_study_items(document.id, ALICE, [])
    library.close()
    check(root)
    assert study_file(root, document).exists()


def both(library: Library) -> tuple[Document, Document]:
    """One text of two owners, each with an item of their own."""
    hers, his = add_document(library), add_document(library, owner=BOB, name="his.txt")
    library.set_study_items(hers.id, ALICE, study_items("hers?"))
    library.set_study_items(his.id, BOB, study_items("his?"))
    return hers, his


def questions(library: Library) -> dict[str, list[str]]:
    return {
        owner: [item.question for d in found for item in library.study_items(d.id, owner)]
        for owner in (ALICE, BOB)
        if (found := library.documents(owner))
    }


BOTH = {ALICE: ["hers?"], BOB: ["his?"]}


def test_nobody_sees_those_of_another_owner_of_the_same_text(library: Library) -> None:
    hers, his = both(library)
    assert questions(library) == BOTH
    for document, stranger in ((hers, BOB), (his, ALICE)):
        with pytest.raises(NotFound, match="There is no such document"):
            library.study_items(document.id, stranger)
        with pytest.raises(NotFound, match="There is no such document"):
            library.set_study_items(document.id, stranger, study_items("mine?"))
    assert questions(library) == BOTH


def test_they_go_with_the_document_and_only_with_ones_own(library: Library, root: Path) -> None:
    hers, his = both(library)
    library.delete_document(hers.id, ALICE)
    assert not study_file(root, hers).exists()
    assert questions(library) == {BOB: ["his?"]}
    check(root)
    again = add_document(library)
    assert library.study_items(again.id, ALICE) == []
    library.delete_document(again.id, ALICE)
    library.delete_document(his.id, BOB)
    assert list((root / "documents").iterdir()) == []
    check(root)


def test_a_deletion_that_was_cut_off_takes_them_along(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.open(root) as library:
        hers, _ = both(library)
        with monkeypatch.context() as patch:
            patch.setattr(documents, "clear", lambda *_: 0)
            library.delete_document(hers.id, ALICE)
        assert study_file(root, hers).exists()
    with reopened(root) as library:
        assert questions(library) == {BOB: ["his?"]}
    assert not study_file(root, hers).exists()
    assert quarantined(root) == []
    check(root)


def test_a_deletion_that_cannot_be_finished_yet_keeps_nothing_for_ever(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.open(root) as library:
        hers, _ = both(library)

    def refused(*_: object) -> None:
        raise OSError("the disk says no")

    with monkeypatch.context() as patch:
        patch.setattr(owners, "remove", refused)
        with Library.open(root) as library:
            library.delete_document(hers.id, ALICE)
        reopened(root).close()
        assert study_file(root, hers).exists()
    reopened(root).close()
    assert not study_file(root, hers).exists()
    assert quarantined(root) == []
    check(root)


def test_a_restart_and_a_repair_leave_them_alone(root: Path) -> None:
    with Library.open(root) as library:
        both(library)
    with reopened(root) as library:
        assert library.findings == Findings()
        assert library.repair() == Findings()
        assert questions(library) == BOTH
    check(root)


def test_they_outlive_a_lost_index(root: Path) -> None:
    with Library.open(root) as library:
        both(library)
    (root / "library.sqlite").unlink()
    with reopened(root) as library:
        assert library.findings == Findings(documents=2)
        assert questions(library) == BOTH
    check(root)


def lose_text(folder: Path) -> None:
    (folder / "text.jsonl").unlink()


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def spoil_card(folder: Path) -> None:
    for card in (folder / "owners").glob("*.json"):
        card.write_text("{")


Damage = Callable[[Path], None]


@pytest.mark.parametrize("damage", [lose_text, lose_manifest])
def test_a_damaged_folder_is_replaced_and_everybodys_are_kept(
    library: Library, root: Path, damage: Damage
) -> None:
    hers, _ = both(library)
    damage(root / "documents" / hers.sha256)
    assert add_document(library) == hers
    assert questions(library) == BOTH
    assert library.pages(hers.id, ALICE)
    assert quarantined(root) == []
    check(root)


@pytest.mark.parametrize("damage", [lose_text, lose_manifest, spoil_card])
def test_a_folder_put_into_quarantine_gives_them_back_when_the_file_is_added_again(
    root: Path, damage: Damage
) -> None:
    with Library.open(root) as library:
        hers, his = both(library)
    damage(root / "documents" / hers.sha256)
    with reopened(root) as library:
        assert library.findings.quarantined == 1
        for document in (hers, his):
            with pytest.raises(NotFound, match="add the file again"):
                library.study_items(document.id, document.owner)
            with pytest.raises(NotFound, match="add the file again"):
                library.set_study_items(document.id, document.owner, study_items("new?"))
        assert add_document(library, owner=BOB, name="his.txt") == his
        assert questions(library) == BOTH
    check(root)


def test_of_several_folders_in_quarantine_the_newest_counts(root: Path) -> None:
    with Library.open(root) as library:
        hers, _ = both(library)
    for question in ("hers?", "newer?"):
        with reopened(root) as library:
            add_document(library)
            library.set_study_items(hers.id, ALICE, study_items(question))
        lose_text(root / "documents" / hers.sha256)
    with reopened(root) as library:
        add_document(library)
        assert questions(library) == {ALICE: ["newer?"], BOB: ["his?"]}
    check(root)


def test_what_was_deleted_does_not_come_out_of_quarantine(root: Path) -> None:
    with Library.open(root) as library:
        hers, _ = both(library)
    lose_text(root / "documents" / hers.sha256)
    with reopened(root) as library:
        library.delete_document(hers.id, ALICE)
        again = add_document(library)
        assert library.study_items(again.id, ALICE) == []
        assert questions(library)[BOB] == ["his?"]
    check(root)


def test_what_cannot_be_read_stays_in_quarantine_and_does_not_stop_the_rest(
    library: Library, root: Path
) -> None:
    hers, his = both(library)
    folder = root / "documents" / hers.sha256
    lose_text(folder)
    study_file(root, hers).rename(folder / "kept")
    study_file(root, hers).mkdir()
    assert add_document(library) == hers
    assert questions(library) == {ALICE: [], BOB: ["his?"]}
    assert "kept" in {path.name for path in quarantined(root)}
    assert study_file(root, his).exists()
    check(root)


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "for ever"])
def test_replacing_a_damaged_folder_may_fail_anywhere(quick_path: Path, sticky: bool) -> None:
    """What was set is found as soon as the file is added with a sound disk."""
    filled = quick_path / "filled" / "library"
    filled.parent.mkdir()
    with Library.open(filled) as library:
        both(library)
    at, hit = 0, True
    while hit:
        at += 1
        root = quick_path / str(at) / "library"
        root.parent.mkdir()
        shutil.copytree(filled, root)
        with Library.open(root) as library:
            (root / "documents" / library.documents(ALICE)[0].sha256 / "text.jsonl").unlink()
            with injected(Faults(root, at, "EIO", sticky=sticky)) as faults:
                add_and_ignore(library)
            hit = bool(faults.hit)
            if not sticky:
                add_document(library)
                assert questions(library) == BOTH
        with reopened(root) as library:
            add_document(library)
            assert questions(library) == BOTH
        check(root)
        shutil.rmtree(root)
    assert at > 15


def add_and_ignore(library: Library) -> None:
    try:
        add_document(library)
    except (LiftChatError, OSError):
        return


def test_a_full_disk_is_said_and_what_was_there_stays(library: Library, root: Path) -> None:
    document = add_document(library)
    library.set_study_items(document.id, ALICE, study_items("old?"))
    with injected(Faults(root, 2, "ENOSPC")), pytest.raises(DiskFull):
        library.set_study_items(document.id, ALICE, study_items("new?"))
    assert library.study_items(document.id, ALICE) == study_items("old?")
    check(root)


def test_leftovers_of_writing_are_swept(root: Path) -> None:
    with Library.open(root) as library:
        document = add_document(library)
    path = study_file(root, document)
    path.with_name(f".{path.name}.draft").write_text("{")
    reopened(root).close()
    check(root)


def test_items_of_nobody_are_put_aside(root: Path) -> None:
    with Library.open(root) as library:
        hers, _ = both(library)
    shutil.copy(study_file(root, hers), study_file(root, replace(hers, id="nobody")))
    with reopened(root) as library:
        assert questions(library) == BOTH
    assert [path.read_bytes() for path in quarantined(root)] == [
        study_file(root, hers).read_bytes()
    ]
    check(root)


@pytest.mark.parametrize("has_newer", [False, True])
def test_a_folder_from_a_backup_gives_its_items_to_the_owners_present_row(
    root: Path, tmp_path: Path, has_newer: bool
) -> None:
    with Library.open(root) as library:
        hers, _ = both(library)
        folder = root / "documents" / hers.sha256
        shutil.copytree(folder, tmp_path / "backup")
        library.delete_document(hers.id, ALICE)
        newer = add_document(library)
        if has_newer:
            library.set_study_items(newer.id, ALICE, study_items("newer?"))
    shutil.copytree(tmp_path / "backup" / "owners", folder / "owners", dirs_exist_ok=True)
    with reopened(root) as library:
        assert library.documents(ALICE) == [newer]
        assert questions(library)[ALICE] == (["newer?"] if has_newer else ["hers?"])
    assert len(quarantined(root)) == has_newer
    check(root)


def test_a_lost_card_does_not_cost_the_items(root: Path) -> None:
    with Library.open(root) as library:
        hers, _ = both(library)
    owners.card_file(root / "documents" / hers.sha256, hers.id).unlink()
    with reopened(root) as library:
        assert questions(library) == BOTH
    check(root)


def test_they_count_to_the_space_of_the_document(library: Library, root: Path) -> None:
    document = add_document(library)
    before = library.disk_usage(ALICE)["documents"]
    library.set_study_items(document.id, ALICE, study_items("a?"))
    size = study_file(root, document).stat().st_size
    assert library.disk_usage(ALICE)["documents"] == before + size
    assert library.delete_document(document.id, ALICE) == before + size


def test_they_may_be_set_while_a_job_runs(library: Library, root: Path) -> None:
    document = add_document(library)
    job = add_job(library, document)
    library.claim_next_job()
    library.set_study_items(document.id, ALICE, study_items("a?"))
    assert files.sweep(root / "staging") == 0
    library.finish_job(job.id, "cancelled")
    assert library.study_items(document.id, ALICE) == study_items("a?")
    check(root)
