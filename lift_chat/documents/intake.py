"""Reading a document: any file becomes a `ReadDocument` or one `UnreadableDocument`.

The file is opened here and parsed in a process of its own, which is started with exec, gets the
open file as its standard input and nothing else of this process, and is killed when it takes too
long. What it sends back is treated as untrusted. Knows nothing of formats and of the library.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from lift_chat.documents import sandbox
from lift_chat.documents.draft import Draft
from lift_chat.documents.limits import LIMITS, IntakeLimits
from lift_chat.documents.outline import GAP, bind
from lift_chat.errors import UnreadableDocument
from storage.records import Chapter, Page

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
    """The draft that the parser makes of `source`. Raises `UnreadableDocument`."""
    request = {"suffix": Path(name).suffix, "limits": asdict(limits), "second_opinion": True}
    start = time.monotonic()
    answer = sandbox.ask(
        source, request, seconds=limits.wall_seconds, most_bytes=limits.answer_bytes
    )
    left = limits.wall_seconds - (time.monotonic() - start)
    if answer.ending == "crashed" and left > 0:
        # Pure Python does not crash, and is enough for most files.
        request["second_opinion"] = False
        answer = sandbox.ask(source, request, seconds=left, most_bytes=limits.answer_bytes)
    if answer.ending != "done":
        raise UnreadableDocument(name, *_ENDINGS[answer.ending])
    return _understood(answer.content, name)


def _understood(content: bytes, name: str) -> Draft:
    """The draft in the parser's answer; every other answer is an `UnreadableDocument`."""
    try:
        message = json.loads(content)
        if "draft" in message:
            return Draft.from_dict(message["draft"])
        refusal = message["refusal"]
        reason, sentence = str(refusal["reason"]), str(refusal["sentence"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableDocument(name, *_ENDINGS["crashed"]) from error
    raise UnreadableDocument(name, reason, sentence)


_ENDINGS: Final = {
    "crashed": ("damaged", "Reading it failed half-way; the file is probably damaged."),
    "too_much_text": ("too_large", "It holds more text than can be read; split it."),
    "too_much_memory": ("too_much_memory", "Reading it needs more memory than there is; split it."),
    "too_slow": (
        "too_slow",
        "Reading it took too long and was stopped. Printing it to a new PDF, or splitting it, "
        "often helps.",
    ),
}
