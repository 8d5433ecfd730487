"""The process that parses: limits itself, reads one file from standard input, answers in JSON.

Started by `intake` with a clean environment and no other descriptors; it may be killed at any
moment. It knows neither the file's name nor its path. Standard output carries the answer only:
what libraries print goes nowhere.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from lift_chat.documents.draft import Draft, Refusal
from lift_chat.documents.limits import IntakeLimits


def main(request: str) -> None:
    """`request` is JSON: {"suffix": ".pdf", "limits": {...}, "second_opinion": true}."""
    question = json.loads(request)
    limits = IntakeLimits(**question["limits"])
    _restrain(limits)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answer:
        _silence()
        data = sys.stdin.buffer.read(limits.file_bytes + 1)
        answer.write(_encoded(_answer(data, question, limits)))
        answer.flush()
        # Interpreter shutdown can take longer than parsing, and nothing is left to be saved.
        os._exit(0)


def _restrain(limits: IntakeLimits) -> None:
    """Limits of the operating system on this process, where it has them."""
    if sys.platform == "win32":
        return
    import resource

    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, limits.scratch_bytes, limits.scratch_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1),
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
    ):
        # macOS refuses some of these; the wall clock of the parent holds everywhere.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (soft, hard))


def _silence() -> None:
    logging.disable(logging.CRITICAL)
    sink = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(sink, stream.fileno())


def _answer(data: bytes, question: Mapping[str, Any], limits: IntakeLimits) -> dict[str, Any]:
    """{"draft": ...} or {"refusal": {...}}; no exception passes, whatever a parser raises."""
    try:
        second = bool(question["second_opinion"])
        draft = parse(data, question["suffix"], limits=limits, second_opinion=second)
        return {"draft": draft.to_dict()}
    except Refusal as refusal:
        reason, sentence = refusal.reason, refusal.sentence
    except MemoryError:
        reason = "too_much_memory"
        sentence = f"Reading it needs more than {limits.memory_bytes / 1e9:g} GB of memory."
    except RecursionError:
        reason, sentence = "damaged", "It is nested far deeper than any document needs to be."
    except Exception as error:
        reason = "damaged"
        sentence = f"It is damaged, or made in an unknown way ({type(error).__name__})."
    return {"refusal": {"reason": reason, "sentence": sentence}}


def parse(data: bytes, suffix: str, *, limits: IntakeLimits, second_opinion: bool = True) -> Draft:
    """The whole reading of one file: sniff, parse, judge, language. Raises `Refusal` and others."""
    from lift_chat.documents.language import language_of
    from lift_chat.documents.quality import judged
    from lift_chat.documents.sniff import kind_of

    kind = kind_of(data, suffix)
    if kind == "pdf":
        from lift_chat.documents.pdf import read_pdf

        draft = read_pdf(data, limits=limits, second_opinion=second_opinion)
    else:
        draft = _parsed(kind, data)
    draft = judged(draft, limits)
    text = "\n\n".join(leaf.text for leaf in draft.leaves)
    try:
        language = language_of(text, draft.language)
    except (ImportError, MemoryError, OSError):
        # Not to know the language is no reason to refuse a text that has been read.
        language = ""
    return replace(draft, language=language)


def _parsed(kind: str, data: bytes) -> Draft:
    """Imports one parser only: each takes a tenth of a second to load."""
    if kind == "epub":
        from lift_chat.documents.epub import read_epub

        return read_epub(data)
    if kind == "docx":
        from lift_chat.documents.docx import read_docx

        return read_docx(data)
    if kind == "html":
        from lift_chat.documents.web import read_html

        return read_html(data)
    if kind == "markdown":
        from lift_chat.documents.markdown import read_markdown

        return read_markdown(data)
    from lift_chat.documents.text import read_text

    return read_text(data)


def _encoded(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", errors="replace")
