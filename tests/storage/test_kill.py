"""kill -9 at any moment: what the library had said is true at the next start.

`LIFT_CHAT_KILLS` sets the number of kills; the full number is 200.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from storage.library import Library
from tests.storage.workbench import ALICE, check

KILLS = int(os.environ.get("LIFT_CHAT_KILLS", "8"))
CHILD = Path(__file__).with_name("child.py")
REPOSITORY = Path(__file__).parents[2]


def killed_child(root: Path, *, after_lines: int, and_seconds: float) -> list[str]:
    """What a child has said until it was killed."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), "work", str(root)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(after_lines)]
    time.sleep(and_seconds)
    assert child.poll() is None, "the child ended by itself"
    child.kill()
    rest, _ = child.communicate()
    # A line that the kill cut off was not said.
    return [line for line in [*lines, *rest.splitlines(keepends=True)] if line.endswith("\n")]


def test_what_was_said_is_true_after_each_kill(root: Path) -> None:
    chance = random.Random(20)
    said: dict[str, set[str]] = {
        "made": set(),
        "renamed": set(),
        "deleting": set(),
        "deleted": set(),
    }
    recovered = requeued = 0
    for _ in range(KILLS):
        lines = killed_child(
            root, after_lines=chance.randrange(1, 12), and_seconds=chance.uniform(0, 0.03)
        )
        for line in lines:
            verb, adapter_id = line.split()
            said[verb].add(adapter_id)
        with Library.open(root) as library:
            recovered += library.findings.adapters
            requeued += len(library.recover_jobs())
            adapters = {adapter.id: adapter for adapter in library.adapters(ALICE)}
            for adapter_id in adapters:
                library.verify_adapter(adapter_id, ALICE)
        assert said["made"] - said["deleting"] <= set(adapters)
        assert not said["deleted"] & set(adapters)
        assert all(adapters[i].name == "second" for i in said["renamed"] & set(adapters))
        check(root)
    assert len(said["made"]) > KILLS // 2
    print(
        f"{KILLS} kills, {len(said['made'])} adapters made, {len(said['deleted'])} deleted, "
        f"{recovered} found between rename and row, {requeued} jobs queued again"
    )
