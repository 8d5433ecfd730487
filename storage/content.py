"""What was read out of a file, and how it lies in the document's folder.

`text.jsonl` has a page per line, `outline.json` the chapters. Knows neither owners nor the index.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.records import Chapter, Page
from storage.values import clean

_TEXT = "text.jsonl"
_OUTLINE = "outline.json"
_SUFFIXES = {
    "pdf": ".pdf",
    "epub": ".epub",
    "docx": ".docx",
    "html": ".html",
    "markdown": ".md",
    "text": ".txt",
}


@dataclass(frozen=True, kw_only=True)
class Content:
    """The text of a document with its pages and chapters; offsets as in `Page`."""

    kind: str
    title: str
    author: str
    language: str
    pages: Sequence[Page]
    outline: Sequence[Chapter]
    quality: dict[str, Any]

    @property
    def suffix(self) -> str:
        """Of the stored original. Not taken from its name, which must not get into a path."""
        return _SUFFIXES.get(self.kind, ".bin")

    @property
    def most_bytes(self) -> int:
        """Upper bound of what `write` writes of the text: four bytes a character."""
        return sum(4 * len(page.text) for page in self.pages)

    def facts(self, size: int) -> dict[str, Any]:
        """The columns that are the same for every owner; `size` is that of the file, in bytes."""
        return {
            "kind": self.kind,
            "title": clean(self.title),
            "author": clean(self.author),
            "language": self.language,
            "pages": len(self.pages),
            "characters": max((page.end for page in self.pages), default=0),
            "bytes": size,
            "quality": self.quality,
        }

    def write(self, folder: Path) -> None:
        # "replace" gives one character for one, so the offsets stay true.
        with open(folder / _TEXT, "x", encoding="utf-8", errors="replace", newline="\n") as file:
            for page in self.pages:
                file.write(json.dumps(asdict(page), ensure_ascii=False) + "\n")
        with open(folder / _OUTLINE, "x", encoding="ascii", newline="\n") as file:
            file.write(json.dumps([asdict(chapter) for chapter in self.outline], indent=1))


def read_pages(folder: Path) -> list[Page]:
    """Raises OSError, ValueError or TypeError where the file is missing or damaged."""
    with open(folder / _TEXT, encoding="utf-8", newline="\n") as file:
        return [Page(**json.loads(line)) for line in file]


def read_outline(folder: Path) -> list[Chapter]:
    """Raises as `read_pages` does."""
    entries = json.loads((folder / _OUTLINE).read_text(encoding="ascii"))
    return [Chapter(**entry) for entry in entries]
