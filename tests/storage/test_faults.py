"""Every single operation on disk or database fails once: the library stays consistent."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from storage.errors import DiskFull, LiftChatError
from storage.library import Library
from tests.storage.faults import Faults, injected
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
    study_items,
)

Action = Callable[[Library], object]


def add_new(library: Library) -> object:
    return add_document(library, "new text")


def add_shared(library: Library) -> object:
    return add_document(library, "shared", owner=ALICE)


def publish_running(library: Library) -> object:
    (job,) = [job for job in library.jobs(ALICE) if job.state == "running"]
    return publish(library, document_id=job.document_id, job=job, name="new")


def delete_adapter(library: Library) -> object:
    (adapter,) = [adapter for adapter in library.adapters(ALICE) if adapter.name == "old"]
    return library.delete_adapter(adapter.id, ALICE)


def delete_document(library: Library) -> object:
    (document,) = [d for d in library.documents(ALICE) if d.name == "old.txt"]
    return library.delete_document(document.id, ALICE)


def study(library: Library) -> object:
    (document,) = [d for d in library.documents(ALICE) if d.name == "old.txt"]
    return library.set_study_items(document.id, ALICE, study_items("new?"))


def questions(library: Library) -> list[str]:
    found = [item for d in library.documents(ALICE) for item in library.study_items(d.id, ALICE)]
    return [item.question for item in found]


ACTIONS: list[Action] = [
    add_new,
    add_shared,
    publish_running,
    delete_adapter,
    delete_document,
    study,
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("filled") / "library"
    with Library.open(root) as library:
        absorb(library, "first", name="old")
        old = add_document(library, "old text", name="old.txt")
        library.set_study_items(old.id, ALICE, study_items("old?"))
        add_document(library, "shared", owner=BOB)
        job = running_job(library, text="second")
        (library.run_folder(job.id) / "checkpoint").write_text("c")
    return root


def operations(filled: Path, root: Path, action: Action) -> int:
    shutil.copytree(filled, root)
    with Library.open(root) as library, injected(Faults(root)) as faults:
        action(library)
    shutil.rmtree(root)
    assert faults.count >= 5
    return faults.count


def attempt(library: Library, action: Action, faults: Faults) -> BaseException | None:
    with injected(faults):
        try:
            action(library)
        except (LiftChatError, OSError, KeyboardInterrupt) as error:
            return error
    return None


def check_reopened(root: Path, action: Action) -> None:
    with reopened(root) as library:
        assert library.adapters(ALICE, "first") or action is delete_adapter
        assert library.document_text(library.documents(BOB)[0].id, BOB)
        assert questions(library) in (["old?"], ["new?"]) or action is delete_document
    check(root)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_disk_may_die_at_any_operation(filled: Path, quick_path: Path, action: Action) -> None:
    """Nothing works from then on, so nothing can be cleaned up: the next start has to."""
    for at in range(1, operations(filled, quick_path / "count", action) + 1):
        root = quick_path / str(at)
        shutil.copytree(filled, root)
        with Library.open(root) as library:
            faults = Faults(root, at, "EIO", sticky=True)
            attempt(library, action, faults)
        assert faults.hit
        check_reopened(root, action)
        shutil.rmtree(root)


@pytest.mark.parametrize("late", [False, True], ids=["instead", "afterwards"])
@pytest.mark.parametrize("action", ACTIONS)
def test_any_operation_may_be_interrupted_and_the_same_works_at_once(
    filled: Path, quick_path: Path, action: Action, late: bool
) -> None:
    for at in range(1, operations(filled, quick_path / "count", action) + 1):
        root = quick_path / str(at)
        fail_and_repeat(filled, root, action, Faults(root, at, "KeyboardInterrupt", late=late))


@pytest.mark.parametrize("action", ACTIONS)
def test_the_disk_may_be_full_at_any_operation_and_it_is_said(
    filled: Path, quick_path: Path, action: Action
) -> None:
    said = 0
    for at in range(1, operations(filled, quick_path / "count", action) + 1):
        root = quick_path / str(at)
        error = fail_and_repeat(filled, root, action, Faults(root, at, "ENOSPC"))
        assert error is None or isinstance(error, DiskFull)
        said += error is not None
    assert said


def state(library: Library) -> tuple[object, ...]:
    return library.adapters(ALICE), library.documents(ALICE), questions(library)


def fail_and_repeat(
    filled: Path, root: Path, action: Action, faults: Faults
) -> BaseException | None:
    """What the action raised. It has been done or has left no trace, and then can be repeated."""
    shutil.copytree(filled, root)
    with Library.open(root) as library:
        before = state(library)
        error = attempt(library, action, faults)
        assert faults.hit
        if state(library) == before:
            assert error is not None
            action(library)
        assert state(library) != before
    check_reopened(root, action)
    shutil.rmtree(root)
    return error


def test_a_deletion_that_is_complete_is_not_called_failed(filled: Path, quick_path: Path) -> None:
    """Forgetting that it was under way is all that is left to do."""
    root = quick_path / "library"
    last = operations(filled, root, delete_adapter)
    assert fail_and_repeat(filled, root, delete_adapter, Faults(root, last, "ENOSPC")) is None


def test_an_opening_that_fails_anywhere_can_be_tried_again(filled: Path, quick_path: Path) -> None:
    """Also the creation of the tables and the rebuilding of a lost index."""
    at = 0
    while True:
        at += 1
        root = quick_path / str(at)
        shutil.copytree(filled, root)
        (root / "library.sqlite").unlink()
        faults = Faults(root, at, "EIO")
        with injected(faults), suppress(LiftChatError, OSError):
            Library.open(root).close()
        with reopened(root) as library:
            assert len(library.adapters(ALICE)) == 1
            assert len(library.documents(ALICE)) == 3
            add_job(library, library.documents(ALICE)[0])
        check(root)
        shutil.rmtree(root)
        if not faults.hit:
            break
    assert at > 10
