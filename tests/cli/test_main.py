"""The composition root with real processes: a tiny model, a real library, real signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lift_chat.__main__ import has_display, misplaced_packages
from storage.library import Library
from storage.records import LOCAL

ROOT = Path(__file__).parents[2]
PATIENCE = 300
"""Seconds after which a process that should have done something is given up."""

Words = tuple[str, ...]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`lift-chat` as a process of its own, gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lift_chat", *arguments],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "LIFT_CHAT_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition: object, process: subprocess.Popen[str]) -> None:
    """Waits for `condition()`; fails with what the process said if it ends before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():  # type: ignore[operator]
        if process.poll() is not None:
            pytest.fail(f"ended with {process.returncode}: {process.communicate()[1]}")
        if time.monotonic() > deadline:
            pytest.fail("nothing happened")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def test_our_packages_lie_side_by_side() -> None:
    assert misplaced_packages(ROOT) == ""


def test_a_package_from_elsewhere_is_one_sentence(tmp_path: Path) -> None:
    sentence = misplaced_packages(tmp_path)
    assert str(ROOT / "storage") in sentence
    assert sentence.count(". ") == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_in_order_when_told_to(
    number: signal.Signals, tiny_folder: Path, tmp_path: Path
) -> None:
    home, port = tmp_path / "home", free_port()
    words: Words = ("--home", str(home), "--base-model", str(tiny_folder), "--no-browser")
    with started(*words, "--port", str(port)) as server:
        until(lambda: answers(port), server)
        beside = subprocess.run(
            [sys.executable, "-m", "lift_chat", "absorb", "x.txt", "--home", str(home)],
            capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
        assert beside.returncode == 1
        assert f"process {server.pid}" in beside.stderr
        assert len(beside.stderr.splitlines()) == 1
        server.send_signal(number)
        _, said = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0, said
    assert "Traceback" not in said
    Library.open(home).close()


@pytest.mark.slow
def test_a_port_in_use_is_one_sentence(tiny_folder: Path, tmp_path: Path) -> None:
    model: Words = ("--home", str(tmp_path / "home"), "--base-model", str(tiny_folder))
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        with started("serve", "--port", port, "--log-level", "error", *model) as server:
            _, said = server.communicate(timeout=PATIENCE)
    assert server.returncode == 1
    assert "Traceback" not in said
    assert said.splitlines()[-1] == (
        f"The page cannot be served on 127.0.0.1:{port}, which is in use or not allowed; "
        f"choose another --port."
    )


def test_a_browser_is_opened_only_where_it_can_show_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_display()
    monkeypatch.setenv("DISPLAY", ":0")
    assert has_display()


@pytest.mark.slow
def test_ctrl_c_while_absorbing_keeps_a_checkpoint_and_resume_goes_on(
    tiny_folder: Path, tmp_path: Path
) -> None:
    home, path = tmp_path / "home", tmp_path / "tale.txt"
    path.write_text("The lamp of Orrin Vale was lit by a keeper named Sable Quist. " * 40)
    model: Words = ("--home", str(home), "--base-model", str(tiny_folder))
    recipe = ("segment_tokens=64", "stride_tokens=32", "epochs=60", "rank=8", "alpha=16")
    settings: Words = tuple(word for change in recipe for word in ("--set", change))
    with started("absorb", str(path), "--wait", *model, *settings) as absorbing:
        assert absorbing.stdout is not None
        assert "is job" in absorbing.stdout.readline()
        until(lambda: step_of(home) > 3, absorbing)
        absorbing.send_signal(signal.SIGINT)
        _, said = absorbing.communicate(timeout=PATIENCE)
    assert absorbing.returncode == 130, said
    assert "Traceback" not in said
    with Library.read_only(home) as library:
        (job,) = library.jobs(LOCAL)
        assert list((home / "runs" / job.id).iterdir())
    assert f"lift-chat jobs resume {job.id} --wait" in said
    with started("jobs", "resume", job.id[:8], "--wait", *model) as resumed:
        out, said = resumed.communicate(timeout=PATIENCE)
    assert resumed.returncode == 0, said
    found = re.search(r"lift-chat chat (\w+)", out)
    assert found
    with started("chat", found[1], "-m", "Who lit the lamp?", *model) as chatting:
        _, said = chatting.communicate(timeout=PATIENCE)
    assert chatting.returncode == 0, said
    assert "In the window: passages on pages 1" in said


def step_of(home: Path) -> int:
    with Library.read_only(home) as library:
        return max((job.step for job in library.jobs(LOCAL) if job.stage == "training"), default=0)


def test_the_hubs_client_is_told_to_tell_nothing_before_it_is_imported() -> None:
    code = (
        "import sys, lift_chat.__main__ as m; assert 'huggingface_hub' not in sys.modules;"
        "m.configure_process('WARNING'); from huggingface_hub import constants;"
        "print(constants.HF_HUB_DISABLE_TELEMETRY)"
    )
    bare = {name: value for name, value in os.environ.items() if name != "HF_HUB_DISABLE_TELEMETRY"}
    told = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True)
    assert told.stdout.strip() == "True", told.stderr
