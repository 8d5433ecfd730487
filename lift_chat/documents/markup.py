"""HTML as a sequence of blocks: paragraphs, headings, list items, table rows.

Used for web pages and for the chapters of EPUB books. The walk over the tree keeps its own
stack, so a page may be nested as deeply as its author was malicious. Nothing is fetched and
nothing is executed. Knows nothing of books.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Final

from bs4 import BeautifulSoup, Comment, Tag, XMLParsedAsHTMLWarning
from bs4.element import Doctype, NavigableString, PageElement, ProcessingInstruction

from lift_chat.documents.cleaning import clean
from lift_chat.documents.outline import Block

_SILENT: Final = frozenset(
    (
        "head",
        "script",
        "style",
        "template",
        "iframe",
        "rt",
        "rp",
        "rtc",
        "svg",
        "datalist",
        "annotation",
        "annotation-xml",
    )
)
_HEADINGS: Final = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_BREAKING: Final = frozenset(
    (
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    )
) | frozenset(_HEADINGS)
_STRUCTURE: Final = frozenset(("table", "ul", "ol", "dl", "h1", "h2", "h3", "h4", "h5", "h6"))
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>")
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def soup_of(html: str) -> BeautifulSoup:
    """The tree. lxml's HTML parser is lenient, linear and knows no entities beyond HTML's."""
    html = _without_cdata(_DECLARATION.sub("", html, count=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        return BeautifulSoup(html.replace("\x00", ""), "lxml")


def _without_cdata(html: str) -> str:
    """CDATA sections of XHTML, which HTML parsers take for comments, as escaped text."""
    first, *sections = html.split("<![CDATA[")
    pieces = [first]
    for section in sections:
        text, _, rest = section.partition("]]>")
        pieces += [text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), rest]
    return "".join(pieces)


def blocks_of(root: Tag, *, skip: frozenset[str] = frozenset()) -> list[Block]:
    """The blocks under `root`; elements named in `skip` are left out with all they contain."""
    flow = _Flow(_SILENT | skip)
    flow.walk(root)
    return flow.blocks


class _Flow:
    """Collects running text and cuts it into blocks where the markup does."""

    def __init__(self, silent: frozenset[str]) -> None:
        self.blocks: list[Block] = []
        self._silent = silent
        self._pieces: list[str] = []
        self._anchors: list[str] = []
        self._level = 0
        self._preformatted = 0
        self._cells = 0
        self._marker = ""
        self._lists: list[int | None] = []

    def walk(self, root: Tag) -> None:
        stack: list[tuple[PageElement, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if isinstance(node, Tag):
                if leaving:
                    self._leave(node)
                elif not self._is_silent(node):
                    self._enter(node)
                    stack.append((node, True))
                    stack.extend((child, False) for child in reversed(node.contents))
            elif isinstance(node, NavigableString):
                self._write(node)
        self._flush()

    def _is_silent(self, tag: Tag) -> bool:
        if tag.name in self._silent or tag.has_attr("hidden"):
            return True
        kind = f"{tag.get('epub:type', '')} {tag.get('role', '')}"
        return "pagebreak" in kind or bool(_HIDDEN_STYLE.search(str(tag.get("style", ""))))

    def _write(self, string: NavigableString) -> None:
        if isinstance(string, (Comment, Doctype, ProcessingInstruction)):
            return
        text = str(string)
        if not self._preformatted:
            text = re.sub(r"\s+", " ", text)
        self._pieces.append(text)

    def _enter(self, tag: Tag) -> None:
        name = tag.name
        if name in _BREAKING and not self._cells:
            self._flush()
        elif name in _BREAKING:
            self._pieces.append(" ")
        self._anchors.extend(str(tag[key]) for key in ("id", "name") if tag.has_attr(key))
        if name in _HEADINGS:
            self._level = _HEADINGS[name]
        elif name == "br":
            self._pieces.append(" " if self._cells else "\n")
        elif name == "pre":
            self._preformatted += 1
        elif name in ("ul", "ol", "menu"):
            self._lists.append(_first_number(tag) if name == "ol" else None)
        elif name == "li" and not self._cells:
            self._begin_item()
        elif name in ("td", "th"):
            self._enter_cell(tag)

    def _leave(self, tag: Tag) -> None:
        name = tag.name
        if name in ("td", "th") and self._cells:
            self._cells -= 1
        if name in _BREAKING:
            if self._cells:
                self._pieces.append(" ")
            else:
                self._flush(tight=name in ("li", "tr"))
        if name in _HEADINGS:
            self._level = 0
        elif name == "pre":
            self._preformatted -= 1
        elif name in ("ul", "ol", "menu") and self._lists:
            self._lists.pop()

    def _begin_item(self) -> None:
        number = self._lists[-1] if self._lists else None
        self._marker = "- " if number is None else f"{number}. "
        if number is not None:
            self._lists[-1] = number + 1

    def _enter_cell(self, tag: Tag) -> None:
        """A cell that holds headings, lists or tables is layout, and flows like a page."""
        names = [child.name for child in tag.children if isinstance(child, Tag)]
        if not self._cells and (
            any(name in _STRUCTURE for name in names) or sum(n in ("p", "div") for n in names) > 1
        ):
            self._flush()
            return
        if "".join(self._pieces).strip():
            self._pieces.append(" | ")
        self._cells += 1

    def _flush(self, *, tight: bool = False) -> None:
        text = "".join(self._pieces)
        lines = text.split("\n") if self._preformatted else [_one_line(x) for x in text.split("\n")]
        text = clean("\n".join(lines)).strip("\n" if self._preformatted else None)
        self._pieces = []
        if not text.strip(" |\n"):
            return
        tight = tight or bool(self._marker)
        self.blocks.append(Block(self._marker + text, self._level, tight, tuple(self._anchors)))
        self._anchors, self._marker = [], ""


def _one_line(text: str) -> str:
    return re.sub(r"[ \t\r\f\v]+", " ", text).strip()


def _first_number(tag: Tag) -> int:
    start = str(tag.get("start", "1"))
    return int(start) if start.isdecimal() and len(start) < 6 else 1


def text_in(tag: Tag | None) -> str:
    """All text under `tag` on one line."""
    return clean(" ".join(tag.get_text().split())) if tag is not None else ""


def anchor_offsets(blocks: Iterable[Block], offsets: Iterable[int]) -> dict[str, int]:
    """Where each anchor stands in the composed text; the first of equal names wins."""
    found: dict[str, int] = {}
    for block, offset in zip(blocks, offsets, strict=True):
        for anchor in block.anchors:
            found.setdefault(anchor, offset)
    return found
