"""What a PDF says about itself: title, author, page labels, outline.

All of it is optional, and any of it may be wrong or hostile: every function falls back instead
of failing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, Final

from pypdf import PdfReader
from pypdf.generic import Destination, IndirectObject

from lift_chat.documents import headings
from lift_chat.documents.cleaning import clean
from lift_chat.documents.draft import Mark
from lift_chat.documents.limits import IntakeLimits
from lift_chat.documents.lines import Line
from lift_chat.documents.outline import GAP, MAX_MARKS, clean_title
from lift_chat.documents.stopwatch import OutOfTime, processor_time

_JUNK_TITLE = re.compile(
    r"(?:untitled|unbenannt|document\d*|dokument\d*|title|titel|\(?anonymous\)?|unspecified|"
    r"(?:microsoft )?(?:word|powerpoint) - .*|[\w.,/\\: -]*"
    r"\.(?:docx?|pdf|tex|dvi|indd|qxd|qxp|rtf|odt|pptx?|html?|txt|ps|eps|wpd|p65))",
    re.IGNORECASE,
)
_JUNK_AUTHOR = re.compile(
    r"(?:unknown|anonymous|\(?anonymous\)?|user|admin(?:istrator)?|author|owner|.*@.*|"
    r"(?:windows|microsoft|dell|hp)\b.*)",
    re.IGNORECASE,
)
_BIG: Final = 1.1
_TITLE_LINES: Final = 4
_LABEL_CHARACTERS: Final = 20


def metadata(reader: PdfReader | None, second: Any | None) -> dict[str, str]:
    """ "Title", "Author" and "Lang" of the file, cleaned; missing ones are missing."""
    found: dict[str, str] = {}
    try:
        info = reader.metadata if reader is not None else None
        values = {"Title": info.title, "Author": info.author} if info is not None else {}
        if reader is not None:
            values["Lang"] = reader.root_object.get("/Lang")
        if reader is None and second is not None:
            values = {key: second.get_metadata_value(key) for key in ("Title", "Author")}
        for key, value in values.items():
            if isinstance(value, str) and value.strip():
                found[key] = clean_title(clean(value))
    except MemoryError:
        raise
    except Exception:
        return found
    return found


def title(facts: dict[str, str], first_page: Sequence[Line]) -> str:
    """The file's own title unless it is a program's leftover; else the big print on page one."""
    own = facts.get("Title", "")
    if len(own) > 2 and not _JUNK_TITLE.fullmatch(own):
        return own
    return _big_print(first_page)


def author(facts: dict[str, str]) -> str:
    own = facts.get("Author", "")
    return "" if _JUNK_AUTHOR.fullmatch(own) else own


def _big_print(lines: Sequence[Line]) -> str:
    """The lines of the largest size on a page's upper half, if clearly larger than the usual."""
    lines = [line for line in lines if line.placed and sum(map(str.isalpha, line.text)) >= 3]
    if len(lines) < 2:
        return ""
    sizes = [line.size for line in lines for _ in range(0, len(line.text), 10)]
    middle = (max(line.y for line in lines) + min(line.y for line in lines)) / 2
    upper = [line for line in lines if line.y >= middle]
    largest = max(line.size for line in upper)
    if largest < _BIG * median(sizes):
        return ""
    big = [line for line in upper if line.size > 0.97 * largest][:_TITLE_LINES]
    found = clean_title(" ".join(line.text for line in big))
    return found if 3 <= len(found) < 200 else ""


def page_labels(reader: PdfReader | None, count: int) -> list[str]:
    """What is printed on each page according to the file, or the page's number."""
    numbers = [str(number) for number in range(1, count + 1)]
    try:
        labels = reader.page_labels if reader is not None else []
    except MemoryError:
        raise
    except Exception:
        return numbers
    if len(labels) != count:
        return numbers
    shown = [clean(label).strip()[:_LABEL_CHARACTERS] for label in labels]
    return [label or number for label, number in zip(shown, numbers, strict=True)]


def marks(
    reader: PdfReader | None, pages: Sequence[Any], texts: Sequence[str], *, limits: IntakeLimits
) -> list[Mark]:
    """The outline with places in the pages' texts; found headings where the file has none."""
    found = [
        Mark(name, level, page, _offset_of(name, texts[page]))
        for name, level, page in _outline(reader, pages, limits)
        if 0 <= page < len(texts)
    ]
    return found or _detected(texts)


def _outline(
    reader: PdfReader | None, pages: Sequence[Any], limits: IntakeLimits
) -> list[tuple[str, int, int]]:
    """(title, level, page index) in the outline's order."""
    if reader is None:
        return []
    found: list[tuple[str, int, int]] = []
    try:
        with processor_time(limits.page_seconds):
            where = {
                page.indirect_reference.idnum: index
                for index, page in reversed(list(enumerate(pages)))
                if page.indirect_reference is not None
            }
            for entry, level in _entries(reader.outline):
                page = entry.get("/Page")
                reference = page.idnum if isinstance(page, IndirectObject) else None
                index = where.get(reference, page if isinstance(page, int) else -1)
                name = clean_title(clean(str(entry.title or "")))
                if name:
                    found.append((name, level, index))
                if len(found) >= MAX_MARKS:
                    break
    except MemoryError:
        raise
    except (OutOfTime, Exception):
        return found
    return found


def _entries(outline: Sequence[Any]) -> Iterator[tuple[Destination, int]]:
    """The destinations of pypdf's nested lists, each with its level from 1."""
    stack = [(iter(outline), 1)]
    while stack:
        items, level = stack[-1]
        item = next(items, None)
        if item is None:
            stack.pop()
        elif isinstance(item, list):
            stack.append((iter(item), level + 1))
        else:
            yield item, level


def _offset_of(name: str, text: str) -> int:
    """Where a heading stands on its page, ignoring blanks, case and punctuation; 0 if nowhere."""
    wanted = _squashed(name)[0]
    if len(wanted) < 2:
        return 0
    squashed, places = _squashed(text)
    found = squashed.find(wanted)
    while found >= 0:
        place = places[found]
        if place == 0 or text[:place].rstrip(" \t.0123456789§").endswith("\n"):
            return text.rfind("\n", 0, place) + 1
        found = squashed.find(wanted, found + 1)
    first = squashed.find(wanted)
    return places[first] if first >= 0 else 0


def _squashed(text: str) -> tuple[str, list[int]]:
    """The letters and digits of `text` in lower case, and where each stands."""
    kept = [(char.lower()[0], index) for index, char in enumerate(text) if char.isalnum()]
    return "".join(char for char, _ in kept), [index for _, index in kept]


def _detected(texts: Sequence[str]) -> list[Mark]:
    paragraphs: list[str] = []
    places: list[tuple[int, int]] = []
    for page, text in enumerate(texts):
        offset = 0
        for paragraph in text.split(GAP):
            paragraphs.append(paragraph)
            places.append((page, offset))
            offset += len(paragraph) + len(GAP)
    return [
        Mark(heading.title, heading.level, *places[heading.index])
        for heading in headings.detect(paragraphs)
    ]
