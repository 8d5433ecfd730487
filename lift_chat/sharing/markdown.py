"""Words of documents and people inside Markdown: shown as they stand, and doing nothing.

Titles, names and authors come from files. Where a card is shown they must not become a heading, a
link, HTML, a formula or the end of a table cell, so every character with a meaning is escaped.
"""

from __future__ import annotations

import re
import unicodedata

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
"""Characters that a renderer may act on although a backslash stands before them."""

_MEANING = re.compile(r"[\\`*_{}\[\]()#+\-.!~:@$^=/]")
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing, and so what stands around them."""


def one_line(text: str) -> str:
    """`text` as plain characters in one line: no control characters, no turned writing."""
    shown = (
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in _TURNING.sub("", text).encode("utf-8", "replace").decode("utf-8")
    )
    return " ".join("".join(shown).split())


def inline(text: str) -> str:
    """`text` to be put anywhere within a line of Markdown."""
    escaped = (ENTITIES.get(c) or _MEANING.sub(r"\\\g<0>", c) for c in one_line(text))
    return "".join(escaped)
