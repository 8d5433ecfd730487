from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from lift_chat.models.device import aside

HELPERS = """
import os, time, torch
from lift_chat.models.device import aside, pick_device

def helpers():
    return len(os.listdir("/proc/self/task"))

def multiply():
    return torch.ones(512, 512) @ torch.ones(512, 512)

torch.set_num_threads(2)
before = helpers()
pick_device("cpu")
aside(multiply)
for _ in range(500):  # a thread is gone a moment after it was told to go
    if helpers() == before:
        break
    time.sleep(0.01)
print(helpers() - before)
multiply()
print(helpers() - before)
"""
"""Prints how many threads stay behind: after work aside, and after work of the thread itself."""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads as Linux does")
def test_what_is_computed_aside_leaves_no_helpers_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELPERS], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "1"]


def test_work_aside_returns_and_raises_as_if_done_here() -> None:
    assert aside(threading.get_ident) != threading.get_ident()
    with pytest.raises(KeyError, match="gone"):
        aside(lambda: {}["gone"])
