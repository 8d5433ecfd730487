"""Reading a document: any file becomes a `ReadDocument` or one `UnreadableDocument`.

The file is opened here and parsed in a process of its own, which is started with exec, gets the
open file as its standard input and nothing else of this process, and is killed when it takes too
long. What it sends back is treated as untrusted. Knows nothing of formats and of the library.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from lift_chat.documents.draft import Draft
from lift_chat.documents.limits import LIMITS, IntakeLimits
from lift_chat.documents.outline import GAP, bind
from lift_chat.errors import UnreadableDocument
from storage.records import Chapter, Page

_ROOT: Final = str(Path(__file__).resolve().parents[2])
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from lift_chat.documents.child import main; main(sys.argv[2])"
)
_KEPT_VARIABLES: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_CHUNK: Final = 2**20
_NAME_CHARACTERS: Final = 200


@dataclass(frozen=True)
class ReadDocument:
    """A document as read: texts by page with their offsets, chapters, and how good it all is.

    `kind` is pdf, epub, docx, html, markdown or text; `language` an ISO 639-1 code or "".
    `quality` holds characters_per_page, pages, empty_pages, unmapped_glyphs and warnings.
    """

    kind: str
    title: str
    author: str
    language: str
    pages: tuple[Page, ...]
    outline: tuple[Chapter, ...]
    quality: dict[str, Any]

    @property
    def text(self) -> str:
        return GAP.join(page.text for page in self.pages)


def read(
    path: str | Path, *, name: str | None = None, limits: IntakeLimits = LIMITS
) -> ReadDocument:
    """Reads the file at `path`, called `name` by its user (default: its file name).

    Raises `UnreadableDocument`, and nothing else, for any file and any path.
    """
    shown = _shown_name(os.path.basename(os.fspath(path)) if name is None else name)
    try:
        with _opened(path, shown, limits) as source:
            draft = _ask(source, shown, limits)
    except OSError as error:
        raise _unopened(error, shown) from error
    pages, outline = bind(draft)
    return ReadDocument(
        kind=draft.kind,
        title=draft.title or Path(shown).stem,
        author=draft.author,
        language=draft.language,
        pages=pages,
        outline=outline,
        quality=draft.quality,
    )


def _shown_name(name: str) -> str:
    """The name without what would garble a line of text; never used as a path."""
    visible = "".join(char if char.isprintable() else " " for char in name)
    return " ".join(visible.split())[:_NAME_CHARACTERS] or "document"


def _opened(path: str | Path, name: str, limits: IntakeLimits) -> BinaryIO:
    try:
        # Not to wait for a writer, should the path be a pipe.
        descriptor = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except ValueError as error:
        raise UnreadableDocument(name, "missing", "There is no such file.") from error
    source = os.fdopen(descriptor, "rb", buffering=0)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        source.close()
        raise UnreadableDocument(name, "wrong_type", "It is not a file that can be read.")
    if facts.st_size > limits.file_bytes:
        source.close()
        raise UnreadableDocument(
            name,
            "too_large",
            f"The file has {facts.st_size / 2**20:,.0f} MB; at most "
            f"{limits.file_bytes / 2**20:,.0f} MB can be read.",
        )
    return source


def _unopened(error: OSError, name: str) -> UnreadableDocument:
    if isinstance(error, IsADirectoryError):
        return UnreadableDocument(name, "wrong_type", "It is a folder, not a file.")
    if isinstance(error, PermissionError):
        return UnreadableDocument(name, "missing", "You are not allowed to open the file.")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP):
        return UnreadableDocument(name, "missing", "There is no such file.")
    return UnreadableDocument(name, "missing", f"The file cannot be opened: {error.strerror}.")


def _ask(source: BinaryIO, name: str, limits: IntakeLimits) -> Draft:
    request = json.dumps({"suffix": Path(name).suffix, "limits": asdict(limits)})
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _START, _search_path(), request],
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

    timer = threading.Timer(limits.wall_seconds, end)
    timer.daemon = True
    timer.start()
    try:
        answer = _collected(process, name, limits)
        code = process.wait()
    finally:
        timer.cancel()
        _kill(process)
        process.wait()
        if process.stdout:
            process.stdout.close()
    return _understood(answer, code, name=name, limits=limits, expired=expired.is_set())


def _search_path() -> str:
    """Where this process finds its packages, as JSON; the package itself first if run in place."""
    paths = [path for path in sys.path if os.path.isabs(path)]
    return json.dumps(paths if _ROOT in paths else [_ROOT, *paths])


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


def _collected(process: subprocess.Popen[bytes], name: str, limits: IntakeLimits) -> bytes:
    pieces: list[bytes] = []
    size = 0
    assert process.stdout is not None
    while piece := process.stdout.read(_CHUNK):
        pieces.append(piece)
        size += len(piece)
        if size > limits.answer_bytes:
            raise UnreadableDocument(name, "too_large", "It holds more text than can be read.")
    return b"".join(pieces)


def _understood(
    answer: bytes, code: int, *, name: str, limits: IntakeLimits, expired: bool
) -> Draft:
    """The draft in the child's answer; every other outcome is an `UnreadableDocument`."""
    if expired:
        raise _too_slow(name)
    if code:
        raise _crash(code, name, limits)
    try:
        message = json.loads(answer)
        if "draft" in message:
            return Draft.from_dict(message["draft"])
        refusal = message["refusal"]
        reason, sentence = str(refusal["reason"]), str(refusal["sentence"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableDocument(name, "damaged", _NO_ANSWER) from error
    raise UnreadableDocument(name, reason, sentence)


_NO_ANSWER: Final = "Reading it failed half-way; the file is probably damaged."


def _too_slow(name: str) -> UnreadableDocument:
    return UnreadableDocument(
        name,
        "too_slow",
        "Reading it took too long and was stopped. Printing it to a new PDF, or splitting it, "
        "often helps.",
    )


def _crash(code: int, name: str, limits: IntakeLimits) -> UnreadableDocument:
    """What a child that did not end by itself says about the file. Codes below 0 are signals."""
    if sys.platform != "win32":
        if -code == signal.SIGXCPU:
            return _too_slow(name)
        if -code == signal.SIGKILL:
            return UnreadableDocument(
                name,
                "too_much_memory",
                f"Reading it needs more memory than there is (at most "
                f"{limits.memory_bytes / 1e9:g} GB are used).",
            )
    return UnreadableDocument(name, "damaged", _NO_ANSWER)
