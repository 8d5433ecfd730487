"""Plain text: encoding found, Project Gutenberg's frame removed, wrapped lines joined.

Paragraphs are what blank lines separate. Lines of verse and lists keep their breaks: a line
break is undone only where the next word would not have fitted on the line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from lift_chat.documents import headings
from lift_chat.documents.cleaning import clean
from lift_chat.documents.draft import Draft
from lift_chat.documents.encoding import decode
from lift_chat.documents.outline import Block, paginate

_START = re.compile(r"^\*{3}\s*START OF (?:THE|THIS) PROJECT GUTENBERG.*$", re.M | re.I)
_END = re.compile(r"^(?:\*{3}\s*END OF|End of) (?:THE|THIS)? ?PROJECT GUTENBERG.*$", re.M | re.I)
_FIELD: Final = r"^{}:[ \t]*(\S.*(?:\n[ \t]+\S.*)*)$"
_ITEM = re.compile(r"\s*(?:[-*•–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")
_LONG_LINE: Final = 120
_NARROWEST: Final = 40
_TITLE_CHARACTERS: Final = 80


def read_text(data: bytes) -> Draft:
    """Never refuses; what has no text is for `quality` to judge."""
    text = clean(decode(data)).expandtabs(4)
    header, body = _without_gutenberg(text)
    raw = _paragraphs(body)
    found = {heading.index: heading for heading in headings.detect(raw)}
    width = _wrap_width(raw)
    blocks = [
        Block(unwrap(paragraph, width), level=found[index].level, title=found[index].title)
        if index in found
        else Block(unwrap(paragraph, width))
        for index, paragraph in enumerate(raw)
    ]
    leaves, marks = paginate(blocks)
    return Draft(
        kind="text",
        title=_field(header, "Title") or _first_line(raw),
        author=_field(header, "Author"),
        language=_language(_field(header, "Language")),
        leaves=leaves,
        marks=marks,
    )


def _without_gutenberg(text: str) -> tuple[str, str]:
    """(header, body); the header is "" for texts of other origin."""
    start = _START.search(text)
    if start is None:
        return "", text
    end = _END.search(text, start.end())
    return text[: start.start()], text[start.end() : end.start() if end else len(text)]


def _field(header: str, name: str) -> str:
    match = re.search(_FIELD.format(name), header, re.MULTILINE)
    return " ".join(match[1].split()) if match else ""


def _language(name: str) -> str:
    names = {"english": "en", "french": "fr", "german": "de", "spanish": "es", "italian": "it"}
    return names.get(name.casefold(), "")


def _paragraphs(text: str) -> list[str]:
    """Split at blank lines; at every line where the file has one paragraph per line."""
    lines = [line.rstrip() for line in text.split("\n")]
    filled = [line for line in lines if line]
    if sum(len(line) > _LONG_LINE for line in filled) > 0.2 * len(filled):
        return [line.strip() for line in filled]
    return [part.strip("\n") for part in re.split(r"\n{2,}", "\n".join(lines)) if part.strip()]


def _wrap_width(paragraphs: Sequence[str]) -> int:
    """The column at which lines were wrapped; 0 when they were not."""
    lengths = sorted(
        len(line) for paragraph in paragraphs if "\n" in paragraph for line in paragraph.split("\n")
    )
    width = lengths[len(lengths) * 95 // 100] if lengths else 0
    return width if _NARROWEST <= width <= _LONG_LINE else 0


def unwrap(paragraph: str, width: int) -> str:
    """Joins the lines of a paragraph that was wrapped at `width` columns, or less."""
    lines = paragraph.split("\n")
    own = max(map(len, lines))
    if width and own > 0.55 * width and _is_prose(lines, own):
        width = own
    joined = [lines[0].strip()]
    for previous, line in pairwise(lines):
        if width and _is_full(previous, line, width) and not _ITEM.match(line):
            joined[-1] = f"{joined[-1]} {line.strip()}"
        else:
            joined.append(line.strip())
    return re.sub(r"[ \t]+", " ", "\n".join(joined))


def _is_full(line: str, following: str, width: int) -> bool:
    """Whether the next line's first word had no room on `line`; two columns are forgiven."""
    word = following.split(maxsplit=1)[0] if following.split() else ""
    return len(line) + 1 + len(word) >= width - 2


def _is_prose(lines: Sequence[str], width: int) -> bool:
    """Whether nearly all breaks are those of text wrapped at the paragraph's own width."""
    full = sum(_is_full(line, following, width) for line, following in pairwise(lines))
    return full >= 0.8 * (len(lines) - 1)


def _first_line(paragraphs: Sequence[str]) -> str:
    line = " ".join(paragraphs[0].split()) if paragraphs else ""
    return line if len(line) <= _TITLE_CHARACTERS and not line.endswith((".", ",", ";")) else ""
