"""EPUB 2 and 3: spine order is the text, the table of contents is the outline.

One page per spine item that has text, a table of contents among them if the book has it there.
Books under DRM are refused, obfuscated fonts are not in the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from bs4 import Tag

from lift_chat.documents import safe_xml
from lift_chat.documents.archive import Archive
from lift_chat.documents.draft import Draft, Leaf, Mark, Refusal
from lift_chat.documents.encoding import decode_markup
from lift_chat.documents.markup import anchor_offsets, blocks_of, soup_of, text_in
from lift_chat.documents.outline import MAX_MARKS, Block, clean_title, compose
from lift_chat.documents.web import drop_gutenberg

_FONT_METHODS: Final = (
    "http://www.idpf.org/2008/embedding",
    "http://ns.adobe.com/pdf/enc#RC",
)
_TEXT_TYPES: Final = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_TEXT_ENDINGS: Final = (".xhtml", ".html", ".htm", ".xml")


@dataclass(frozen=True)
class _Package:
    """The OPF file: where things are. `spine` holds member names in reading order."""

    title: str
    author: str
    language: str
    spine: tuple[str, ...]
    navigation: str
    ncx: str


@dataclass(frozen=True)
class _Entry:
    """A line of the table of contents: the member it points to and the place inside."""

    title: str
    level: int
    member: str
    anchor: str


def read_epub(data: bytes) -> Draft:
    """Raises `Refusal`: damaged, password (DRM), bomb."""
    archive = Archive(data)
    package = _package(archive)
    _refuse_drm(archive, package)
    leaves: list[Leaf] = []
    anchors: dict[str, tuple[int, dict[str, int]]] = {}
    headings: list[Mark] = []
    for member in package.spine:
        if not archive.has(member):
            continue
        blocks = _blocks(archive, member)
        text, offsets = compose(blocks)
        anchors.setdefault(member, (len(leaves), anchor_offsets(blocks, offsets)))
        if not text:
            continue
        marks = _headings(blocks, offsets, len(leaves))
        headings.extend(marks)
        leaves.append(Leaf(marks[0].title if marks else "", text))
    entries = _contents(archive, package)
    return Draft(
        kind="epub",
        title=package.title,
        author=package.author,
        language=package.language,
        leaves=tuple(leaves),
        marks=tuple(_marks(entries, anchors, len(leaves)) or headings),
    )


def _package(archive: Archive) -> _Package:
    container = safe_xml.parse(archive.read("META-INF/container.xml"))
    names = [root.get("full-path", "") for root in safe_xml.descendants(container, "rootfile")]
    name = next((name for name in names if archive.has(name)), "")
    if not name:
        raise Refusal("damaged", "The book's contents file is missing; download the book again.")
    root = safe_xml.parse(archive.read(name))
    items = {item.get("id", ""): item for item in safe_xml.descendants(root, "item")}
    paths = {key: archive.resolve(name, item.get("href", "")) for key, item in items.items()}
    spine = tuple(
        paths[reference]
        for entry in safe_xml.descendants(root, "itemref")
        if (reference := entry.get("idref", "")) in items and _is_text(items[reference])
    )
    navigation = [k for k, item in items.items() if "nav" in item.get("properties", "").split()]
    ncx = [k for k, i in items.items() if i.get("media-type") == "application/x-dtbncx+xml"]
    return _Package(
        title="".join(_metadata(root, "title")[:1]),
        author=", ".join(_metadata(root, "creator")[:4]),
        language="".join(_metadata(root, "language")[:1]),
        spine=spine,
        navigation=paths[navigation[0]] if navigation else "",
        ncx=paths[ncx[0]] if ncx else "",
    )


def _is_text(item: Element) -> bool:
    return item.get("media-type", "") in _TEXT_TYPES or item.get("href", "").endswith(_TEXT_ENDINGS)


def _metadata(root: Element, name: str) -> list[str]:
    values = [safe_xml.text_of(element) for element in safe_xml.descendants(root, name)]
    return [value for value in values if value]


def _refuse_drm(archive: Archive, package: _Package) -> None:
    if not archive.has("META-INF/encryption.xml"):
        return
    root = safe_xml.parse(archive.read("META-INF/encryption.xml"))
    for entry in safe_xml.descendants(root, "EncryptedData"):
        methods = safe_xml.children(entry, "EncryptionMethod")
        if methods and methods[0].get("Algorithm", "") in _FONT_METHODS:
            continue
        targets = [r.get("URI", "") for r in safe_xml.descendants(entry, "CipherReference")]
        if any(archive.resolve("", target) in package.spine for target in targets):
            raise Refusal(
                "password",
                "The book is protected by its seller (DRM) and only opens in the seller's own "
                "programs; lift-chat needs a copy without protection.",
            )


def _blocks(archive: Archive, member: str) -> list[Block]:
    soup = soup_of(decode_markup(archive.read(member)))
    drop_gutenberg(soup)
    return blocks_of(soup.body or soup)


def _headings(blocks: list[Block], offsets: list[int], leaf: int) -> list[Mark]:
    return [
        Mark(clean_title(block.text), block.level, leaf, offset)
        for block, offset in zip(blocks, offsets, strict=True)
        if block.level
    ]


def _marks(
    entries: list[_Entry], anchors: dict[str, tuple[int, dict[str, int]]], leaves: int
) -> list[Mark]:
    marks = []
    for entry in entries:
        if entry.member in anchors:
            leaf, offsets = anchors[entry.member]
            # A chapter may start with a picture page, whose text is on the next page.
            marks.append(
                Mark(entry.title, entry.level, min(leaf, leaves - 1), offsets.get(entry.anchor, 0))
            )
    return marks


def _contents(archive: Archive, package: _Package) -> list[_Entry]:
    """The table of contents, EPUB 3's if there is one; empty when neither can be read."""
    for read, member in ((_navigation_entries, package.navigation), (_ncx_entries, package.ncx)):
        if member and archive.has(member):
            try:
                entries = read(archive, member)
            except Refusal as refusal:
                if refusal.reason == "bomb":
                    raise
                continue
            if entries:
                return entries[:MAX_MARKS]
    return []


def _navigation_entries(archive: Archive, member: str) -> list[_Entry]:
    soup = soup_of(decode_markup(archive.read(member)))
    navs = soup.find_all("nav")
    chosen = [nav for nav in navs if "toc" in str(nav.get("epub:type", "")).split()] or navs
    if not chosen:
        return []
    entries: list[_Entry] = []
    stack: list[tuple[Tag, int]] = [(chosen[0], 0)]
    while stack:
        tag, level = stack.pop()
        if tag.name == "a" and tag.has_attr("href"):
            entries.append(_entry(archive, member, text_in(tag), max(level, 1), str(tag["href"])))
        inner = level + 1 if tag.name == "ol" else level
        tags = [child for child in tag.children if isinstance(child, Tag)]
        stack.extend((child, inner) for child in reversed(tags))
    return entries


def _ncx_entries(archive: Archive, member: str) -> list[_Entry]:
    root = safe_xml.parse(archive.read(member))
    entries: list[_Entry] = []
    stack = [(point, 1) for nav in safe_xml.children(root, "navMap") for point in _points(nav)]
    while stack:
        point, level = stack.pop()
        label = safe_xml.text_of(next(iter(safe_xml.children(point, "navLabel")), None))
        for content in safe_xml.children(point, "content")[:1]:
            entries.append(_entry(archive, member, label, level, content.get("src", "")))
        stack.extend((child, level + 1) for child in _points(point))
    return entries


def _points(element: Element) -> list[Element]:
    return list(reversed(safe_xml.children(element, "navPoint")))


def _entry(archive: Archive, base: str, title: str, level: int, href: str) -> _Entry:
    return _Entry(title, level, archive.resolve(base, href), href.partition("#")[2])
