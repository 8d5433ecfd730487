from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.errors import LibraryDamaged, LibraryInUse
from storage.library import Library
from storage.lock import Lock
from tests.storage.workbench import absorb, check

CHILD = Path(__file__).with_name("child.py")
REPOSITORY = Path(__file__).parents[2]


def start(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), "lock", str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def first_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def end(children: list[subprocess.Popen[str]]) -> None:
    for child in children:
        child.kill()
        child.communicate()


def test_of_twenty_started_at_once_exactly_one_wins_and_kill_9_frees_it(root: Path) -> None:
    children = [start(root) for _ in range(20)]
    try:
        lines = {child: first_line(child) for child in children}
        winners = [child for child, line in lines.items() if line == "won"]
        assert len(winners) == 1
        losers = [line for line in lines.values() if line != "won"]
        assert all(line.startswith("lost: ") for line in losers)
        with pytest.raises(LibraryInUse, match=f"by process {winners[0].pid}, started at 20"):
            Library.open(root)
        winners[0].kill()
        winners[0].wait()
        with Library.open(root) as library:
            absorb(library)
    finally:
        end(children)
    check(root)


def test_a_second_opening_in_the_same_process_is_refused_and_changes_nothing(root: Path) -> None:
    with Library.open(root) as library, library.staged_adapter() as staged:
        (staged.folder / "half").write_text("h")
        with pytest.raises(LibraryInUse, match=f"by process {os.getpid()}, started at"):
            Library.open(root)
        assert (staged.folder / "half").exists()
    with Library.open(root):
        pass


def test_a_lock_file_without_a_name_still_locks(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    (tmp_path / "lock").write_text("")
    with pytest.raises(LibraryInUse, match="in use by another process"):
        Lock(tmp_path / "lock")
    lock.release()
    lock.release()
    Lock(tmp_path / "lock").release()


def test_an_opening_that_fails_gives_the_lock_back(root: Path) -> None:
    root.mkdir()
    (root / "documents").write_text("in the way")
    with pytest.raises(FileExistsError):
        Library.open(root)
    (root / "documents").unlink()
    Library.open(root).close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock and no fork")
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(LibraryDamaged, match="cannot be locked"):
        Lock(tmp_path / "lock")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock and no fork")
def test_a_forked_child_does_not_hold_the_lock(root: Path) -> None:
    script = f"""
import os, sys, time
sys.modules["pandas"] = sys.modules["numpy"] = None
from pathlib import Path
from storage.library import Library
library = Library.open(Path({str(root)!r}))
if os.fork() == 0:
    print(os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)
time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    child = int(first_line(parent))
    parent.kill()
    parent.wait()
    try:
        os.kill(child, 0)
        Library.open(root).close()
    finally:
        parent.communicate()
