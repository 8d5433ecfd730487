"""Running the parser in a process of its own that can be killed.

The process is started with exec and gets one open file as its standard input: no other
descriptor, no settings, no tokens, and a session of its own. What comes back is bytes and the way
it ended. Knows nothing of documents, and what the bytes mean.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

ROOT: Final = str(Path(__file__).resolve().parents[2])
"""The folder that holds our packages, be it a checkout or site-packages."""
START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from lift_chat.documents.child import main; main(sys.argv[2])"
)
_KEPT_VARIABLES: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_CHUNK: Final = 2**20

Ending = Literal["done", "too_slow", "too_much_memory", "too_much_text", "crashed"]


@dataclass(frozen=True)
class Answer:
    """`content` is complete only when `ending` is "done"; even then it is not to be trusted."""

    ending: Ending
    content: bytes = b""


def ask(source: BinaryIO, request: Mapping[str, Any], *, seconds: float, most_bytes: int) -> Answer:
    """Starts the parser on `source` from its beginning; kills it after `seconds` on the clock."""
    source.seek(0)
    process = subprocess.Popen(
        [
            sys.executable,
            *("-I", "-S", "-B", "-X", "utf8", "-c", START),
            search_path(),
            json.dumps(request),
        ],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        cwd=os.sep,
        start_new_session=True,
    )
    expired = threading.Event()

    def end() -> None:
        expired.set()
        _kill(process)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        content = _collected(process, most_bytes)
        if len(content) > most_bytes:
            return Answer("too_much_text")
        code = process.wait()
    finally:
        timer.cancel()
        _kill(process)
        process.wait()
        if process.stdout:
            process.stdout.close()
    return Answer("too_slow" if expired.is_set() else _ending(code), content)


def search_path() -> str:
    """Where this process finds its packages, as JSON; our own first when run from a checkout."""
    paths = [path for path in sys.path if os.path.isabs(path)]
    return json.dumps(paths if ROOT in paths else [ROOT, *paths])


def _environment() -> dict[str, str]:
    """No tokens and no settings. One thread: pools of threads reserve memory by the gigabyte."""
    kept = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _collected(process: subprocess.Popen[bytes], most_bytes: int) -> bytes:
    """What the process writes, up to one byte more than it may."""
    pieces: list[bytes] = []
    size = 0
    assert process.stdout is not None
    while size <= most_bytes and (piece := process.stdout.read(_CHUNK)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _ending(code: int) -> Ending:
    """What an exit code says; codes below 0 are signals."""
    if sys.platform != "win32":
        if -code == signal.SIGXCPU:
            return "too_slow"
        if -code == signal.SIGKILL:
            # Not by us, so by the kernel, which does it for want of memory.
            return "too_much_memory"
    return "crashed" if code else "done"
