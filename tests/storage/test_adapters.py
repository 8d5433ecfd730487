from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from storage.errors import AdapterDamaged, DiskFull, IllegalTransition, NotFound
from storage.library import Library
from tests.storage.workbench import (
    ALICE,
    BASE,
    BOB,
    RECIPE,
    absorb,
    add_document,
    check,
    publish,
    running_job,
)


def test_publishing_makes_the_adapter_and_ends_the_job(library: Library, root: Path) -> None:
    job = running_job(library)
    (library.run_folder(job.id) / "checkpoint").write_text("c")
    adapter = publish(library, document_id=job.document_id, job=job)
    assert library.adapter(adapter.id, ALICE) == adapter
    assert library.adapters(ALICE) == [adapter]
    done = library.job(job.id, ALICE)
    assert (done.state, done.adapter_id) == ("done", adapter.id)
    assert (adapter.state, adapter.recipe, adapter.base_model) == ("ready", RECIPE, BASE)
    folder = library.adapter_folder(adapter.id, ALICE)
    assert {path.name for path in folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
    }
    library.verify_adapter(adapter.id, ALICE)
    assert not (root / "runs" / job.id).exists()
    check(root)


def test_what_is_not_published_is_gone_after_the_block(library: Library, root: Path) -> None:
    with library.staged_adapter() as staged:
        (staged.folder / "half").write_text("h")
    with pytest.raises(ZeroDivisionError), library.staged_adapter() as staged:
        (staged.folder / "half").write_text("h")
        raise ZeroDivisionError
    assert library.adapters(ALICE) == []
    check(root)


def test_a_full_disk_while_staging_is_said(library: Library, root: Path) -> None:
    with pytest.raises(DiskFull), library.staged_adapter():
        raise OSError(28, "No space left on device")
    check(root)


def test_a_job_to_be_discarded_never_publishes(library: Library, root: Path) -> None:
    job = running_job(library)
    library.request_stop(job.id, ALICE, keep=False)
    with pytest.raises(IllegalTransition):
        publish(library, document_id=job.document_id, job=job)
    library.finish_job(job.id, "cancelled")
    assert library.adapters(ALICE) == []
    check(root)


def test_a_discard_that_comes_while_files_are_moved_still_wins(
    library: Library, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = running_job(library)
    rename = os.rename

    def discard_then_rename(source: Path, target: Path) -> None:
        if Path(target).parent.name == "adapters":
            library.request_stop(job.id, ALICE, keep=False)
        rename(source, target)

    monkeypatch.setattr(os, "rename", discard_then_rename)
    with pytest.raises(IllegalTransition):
        publish(library, document_id=job.document_id, job=job)
    assert list((root / "adapters").iterdir()) == []
    assert library.job(job.id, ALICE).state == "running"


def test_a_job_asked_to_stop_and_keep_publishes(library: Library) -> None:
    job = running_job(library)
    library.request_stop(job.id, ALICE, keep=True)
    publish(library, document_id=job.document_id, job=job)
    assert library.job(job.id, ALICE).state == "done"


def test_a_link_cannot_be_published(library: Library, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    with pytest.raises(ValueError, match="not a plain file"), library.staged_adapter() as staged:
        (staged.folder / "link").symlink_to(tmp_path / "secret")
        library.publish_adapter(
            staged,
            owner=ALICE,
            document_id="",
            job_id=None,
            name="n",
            kind="lora",
            base_model="b",
            base_revision="r",
            base_fingerprint="f",
            recipe={},
            metrics={},
        )
    check(root)


def test_files_in_subfolders_are_sealed_too(library: Library) -> None:
    with library.staged_adapter() as staged:
        (staged.folder / "gate").mkdir()
        (staged.folder / "gate" / "memory.safetensors").write_bytes(b"m")
        adapter = library.publish_adapter(
            staged,
            owner=ALICE,
            document_id="",
            job_id=None,
            name="n",
            kind="gated_memory",
            base_model="b",
            base_revision="r",
            base_fingerprint="f",
            recipe={},
            metrics={"loss": float("nan")},
        )
    assert adapter.metrics == {"loss": None}
    library.verify_adapter(adapter.id, ALICE)
    (library.adapter_folder(adapter.id, ALICE) / "gate" / "memory.safetensors").write_bytes(b"n")
    with pytest.raises(AdapterDamaged, match=r"gate/memory\.safetensors has sha256 \w+ instead"):
        library.verify_adapter(adapter.id, ALICE)


def test_every_flipped_bit_is_found(library: Library) -> None:
    adapter = publish(library)
    folder = library.adapter_folder(adapter.id, ALICE)
    chance = random.Random(0)
    flips = 0
    for path in folder.iterdir():
        data = path.read_bytes()
        for _ in range(400):
            at, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
            path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            with pytest.raises(AdapterDamaged, match=path.name):
                library.verify_adapter(adapter.id, ALICE)
            flips += 1
        path.write_bytes(data)
        library.verify_adapter(adapter.id, ALICE)
    assert flips == 1200


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_shortened_lengthened_or_missing_file_is_named(library: Library, name: str) -> None:
    adapter = publish(library)
    path = library.adapter_folder(adapter.id, ALICE) / name
    data = path.read_bytes()
    for damaged in (data[:-1], data + b"\0", b""):
        path.write_bytes(damaged)
        with pytest.raises(AdapterDamaged, match=f"{name} has {len(damaged)} bytes instead of"):
            library.verify_adapter(adapter.id, ALICE)
    path.unlink()
    with pytest.raises(AdapterDamaged, match=f"{name} is missing"):
        library.verify_adapter(adapter.id, ALICE)


def test_a_planted_file_is_found(library: Library) -> None:
    adapter = publish(library)
    planted = library.adapter_folder(adapter.id, ALICE) / "adapter_model.bin"
    planted.write_bytes(b"pickle")
    with pytest.raises(AdapterDamaged, match=r"adapter_model\.bin was not there"):
        library.verify_adapter(adapter.id, ALICE)


def test_a_file_replaced_by_a_link_to_itself_is_found(library: Library, tmp_path: Path) -> None:
    adapter = publish(library)
    weights = library.adapter_folder(adapter.id, ALICE) / "adapter_model.safetensors"
    shutil.move(weights, tmp_path / "moved")
    weights.symlink_to(tmp_path / "moved")
    with pytest.raises(AdapterDamaged, match=r"safetensors is missing"):
        library.verify_adapter(adapter.id, ALICE)


def test_swapped_adapters_are_found(library: Library, root: Path) -> None:
    first, second = publish(library, weights=b"1"), publish(library, weights=b"2")
    one, two = (library.adapter_folder(a.id, ALICE) for a in (first, second))
    one.rename(root / "swap")
    two.rename(one)
    (root / "swap").rename(two)
    for adapter in (first, second):
        with pytest.raises(AdapterDamaged, match=r"manifest\.json has sha256"):
            library.verify_adapter(adapter.id, ALICE)


def test_a_lost_folder_is_damage_not_a_crash(library: Library) -> None:
    adapter = publish(library)
    shutil.rmtree(library.adapter_folder(adapter.id, ALICE))
    with pytest.raises(AdapterDamaged, match=r"“Lamp” is damaged: manifest\.json cannot be read"):
        library.verify_adapter(adapter.id, ALICE)


def test_names_tags_and_notes_change_and_nothing_else_does(library: Library) -> None:
    adapter = publish(library)
    changed = library.update_adapter(
        adapter.id, ALICE, name="  New ", tags=["sea", " Sea", "", "old"], note="a note"
    )
    assert (changed.name, changed.tags, changed.note) == ("New", ("old", "sea"), "a note")
    assert library.update_adapter(adapter.id, ALICE) == changed
    assert library.update_adapter(adapter.id, ALICE, name="  ") == changed
    assert library.update_adapter(adapter.id, ALICE, tags=[]).tags == ()
    assert library.adapter(adapter.id, ALICE).metrics == adapter.metrics
    library.verify_adapter(adapter.id, ALICE)


def test_adapters_are_filtered_by_all_their_tags(library: Library) -> None:
    both, one = publish(library), publish(library)
    library.update_adapter(both.id, ALICE, tags=["sea", "old"])
    library.update_adapter(one.id, ALICE, tags=["sea"])
    found = [a.id for a in library.adapters(ALICE, tags=["SEA"])]
    assert found == [one.id, both.id]
    assert [a.id for a in library.adapters(ALICE, tags=["sea", "old"])] == [both.id]
    assert library.adapters(ALICE, tags=["sea", "none"]) == []
    assert [a.id for a in library.adapters(ALICE, "lamp", tags=["old"])] == [both.id]


def test_deleting_takes_the_files_and_the_conversations(library: Library, root: Path) -> None:
    adapter = absorb(library)
    conversation = library.add_conversation(adapter.id, ALICE)
    size = library.disk_usage(ALICE)["adapters"]
    assert library.delete_adapter(adapter.id, ALICE) == size > 0
    assert list((root / "adapters").iterdir()) == []
    for gone in (
        lambda: library.adapter(adapter.id, ALICE),
        lambda: library.conversation(conversation.id, ALICE),
        lambda: library.delete_adapter(adapter.id, ALICE),
    ):
        with pytest.raises(NotFound):
            gone()
    check(root)


def test_nobody_publishes_for_a_job_or_document_of_somebody_else(
    library: Library, root: Path
) -> None:
    job = running_job(library)
    with pytest.raises(NotFound):
        publish(library, owner=BOB, document_id="gone", job=job)
    hers = add_document(library, "hers")
    with pytest.raises(NotFound):
        publish(library, owner=BOB, document_id=hers.id)
    assert list((root / "adapters").iterdir()) == []


def test_disk_usage_adds_up(library: Library) -> None:
    adapter = absorb(library)
    job = running_job(library, text="another")
    (library.run_folder(job.id) / "checkpoint").write_bytes(b"x" * 123)
    usage = library.disk_usage(ALICE)
    assert usage["runs"] == 123
    assert usage["adapters"] > adapter.bytes > 0
    assert usage["total"] == usage["documents"] + usage["adapters"] + usage["runs"]
    assert library.disk_usage(BOB)["total"] == 0
    assert library.free_bytes() > 0
