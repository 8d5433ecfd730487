"""Word documents (.docx, also in the Strict variant): the body in order, as blocks.

Headings become chapters, table rows become lines with " | ", text boxes stand where they are
anchored, foot- and endnotes follow the body. Deleted and hidden text, comments and running heads
are left out. The package is rebuilt before python-docx sees it: pictures and everything else
that is not XML stay outside.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import tostring

import docx
from docx.document import Document as WordDocument
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from lxml.etree import XMLSyntaxError

from lift_chat.documents import safe_xml
from lift_chat.documents.archive import Archive
from lift_chat.documents.cleaning import clean
from lift_chat.documents.draft import Draft, Refusal
from lift_chat.documents.numbering import Numbering
from lift_chat.documents.outline import Block, clean_title, paginate
from lift_chat.documents.word_text import FALLBACK, table_row, text_boxes, visible_text

_MAIN_TYPE: Final = (
    b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
)
_VARIANTS: Final = (
    (b"http://purl.oclc.org/ooxml/officeDocument/relationships/",
     b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/"),
    (b"http://purl.oclc.org/ooxml/officeDocument/relationships",
     b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"),
    (b"http://purl.oclc.org/ooxml/officeDocument/math",
     b"http://schemas.openxmlformats.org/officeDocument/2006/math"),
    (b"http://purl.oclc.org/ooxml/wordprocessingml/main",
     b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"),
    (b"http://purl.oclc.org/ooxml/drawingml/",
     b"http://schemas.openxmlformats.org/drawingml/2006/"),
    (b"application/vnd.ms-word.document.macroEnabled.main+xml", _MAIN_TYPE),
    (b"application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
     _MAIN_TYPE),
)  # fmt: skip
_HEADING = re.compile(r"heading\s*([1-9])$|(title)$|überschrift\s*([1-9])$", re.IGNORECASE)
_SEPARATORS: Final = ("separator", "continuationSeparator", "continuationNotice")


def read_docx(data: bytes) -> Draft:
    """Raises `Refusal`: damaged, bomb, password."""
    try:
        document = docx.Document(io.BytesIO(_rebuilt(Archive(data))))
        body = _Body(document)
        blocks = list(body.blocks(document.element.body))
    except (KeyError, ValueError, XMLSyntaxError, PackageNotFoundError) as error:
        raise Refusal(
            "damaged",
            "The Word file's inner structure is damaged; open it in Word and save it again.",
        ) from error
    if not blocks:
        blocks = _heads(document, body)
    leaves, marks = paginate(blocks)
    properties = document.core_properties
    first = next((block.text for block in blocks if block.level), "")
    return Draft(
        kind="docx",
        title=clean_title(clean(properties.title or first)),
        author=clean_title(clean(properties.author or "")),
        language=properties.language or "",
        leaves=leaves,
        marks=marks,
    )


def _rebuilt(archive: Archive) -> bytes:
    """The package with its XML parts only, in the Transitional vocabulary, without dead links."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name in archive.names:
            if name.endswith(".rels"):
                package.writestr(name, _living_links(archive, name))
            elif name.endswith(".xml"):
                package.writestr(name, _transitional(archive.read(name)))
            else:
                package.writestr(name, b"")
    return buffer.getvalue()


def _transitional(part: bytes) -> bytes:
    if b"<!DOCTYPE" in part or b"<!ENTITY" in part:
        raise Refusal(
            "bomb",
            "It defines XML entities, a trick of files that attack the program reading them.",
        )
    for variant, usual in _VARIANTS:
        part = part.replace(variant, usual)
    return part


def _living_links(archive: Archive, name: str) -> bytes:
    """A relationships part without those that lead to parts the package does not have."""
    root = safe_xml.parse(_transitional(archive.read(name)))
    base = name.replace("_rels/", "")
    for link in list(root):
        outside = link.get("TargetMode") == "External"
        if not outside and not archive.has(archive.resolve(base, link.get("Target", ""))):
            root.remove(link)
    return tostring(root)


class _Body:
    """Walks Word's XML. Keeps its own stack: tables and text boxes may nest without end."""

    def __init__(self, document: WordDocument) -> None:
        self._levels = _style_levels(document)
        self._numbering = Numbering(_part_root(document, "numbering"))
        self._style_lists = _style_lists(document)
        self._notes = {kind: _part_root(document, kind) for kind in ("footnotes", "endnotes")}

    def blocks(self, root: Any) -> Iterator[Block]:
        """The blocks of the body, then those of the notes."""
        yield from self.blocks_of(root)
        for notes in self._notes.values():
            for note in notes if notes is not None else ():
                if note.get(qn("w:type")) not in _SEPARATORS:
                    yield from self.blocks_of(note)

    def blocks_of(self, root: Any) -> Iterator[Block]:
        """The blocks under one element, in order."""
        stack = list(reversed(root))
        while stack:
            node = stack.pop()
            if node.tag == qn("w:p"):
                yield from self._paragraph(node)
                stack.extend(reversed(text_boxes(node)))
            elif node.tag == qn("w:tr") and sum(1 for _ in node.iter(qn("w:tc"))) > 1:
                yield from table_row(node)
                stack.extend(reversed(text_boxes(node)))
            elif node.tag not in (qn("w:del"), qn("w:sectPr"), FALLBACK):
                stack.extend(reversed(node))

    def _paragraph(self, paragraph: Any) -> Iterator[Block]:
        text = visible_text(paragraph)
        if not text:
            return
        properties = paragraph.find(qn("w:pPr"))
        style = _child_value(properties, "w:pStyle")
        level = _outline_level(properties) or self._levels.get(style, 0)
        marker = self._marker(properties, style)
        shown = f"{marker} {text}" if marker and (marker != "-" or not level) else text
        yield Block(shown, level if len(text) <= 300 else 0, tight=bool(marker) and not level)

    def _marker(self, properties: Any, style: str) -> str:
        list_id, depth = _list_of(properties)
        if not list_id:
            list_id, depth = self._style_lists.get(style, ("", 0))
        return self._numbering.marker(list_id, depth) if list_id else ""


def _child_value(element: Any, name: str) -> str:
    child = element.find(qn(name)) if element is not None else None
    return str(child.get(qn("w:val"), "")) if child is not None else ""


def _outline_level(properties: Any) -> int:
    value = _child_value(properties, "w:outlineLvl")
    return int(value) + 1 if value.isdecimal() and int(value) < 9 else 0


def _list_of(properties: Any) -> tuple[str, int]:
    """(list id, depth) of paragraph properties; list id "" when they name none."""
    numbering = properties.find(qn("w:numPr")) if properties is not None else None
    depth = _child_value(numbering, "w:ilvl")
    return _child_value(numbering, "w:numId"), int(depth) if depth.isdecimal() else 0


def _styles(document: WordDocument) -> dict[str, Any]:
    root = document.styles.element
    return {style.get(qn("w:styleId"), ""): style for style in root.findall(qn("w:style"))}


def _style_levels(document: WordDocument) -> dict[str, int]:
    """Heading level per style id; styles inherit it from the style they are based on."""
    styles = _styles(document)
    levels = {}
    for key in styles:
        current, steps = key, 0
        while current in styles and steps < 20:
            level = _style_level(styles[current])
            if level:
                levels[key] = level
                break
            current, steps = _child_value(styles[current], "w:basedOn"), steps + 1
    return levels


def _style_level(style: Any) -> int:
    match = _HEADING.match(_child_value(style, "w:name"))
    if match:
        return int(match[1] or match[3] or 1)
    return _outline_level(style.find(qn("w:pPr")))


def _style_lists(document: WordDocument) -> dict[str, tuple[str, int]]:
    found = {key: _list_of(style.find(qn("w:pPr"))) for key, style in _styles(document).items()}
    return {key: value for key, value in found.items() if value[0]}


def _part_root(document: WordDocument, kind: str) -> Any | None:
    """The root element of a part that belongs to the main part, parsed without entities."""
    ending = f"/{kind}"
    for relation in document.part.rels.values():
        if relation.reltype.endswith(ending) and not relation.is_external:
            return docx.oxml.parse_xml(relation.target_part.blob)
    return None


def _heads(document: WordDocument, body: _Body) -> list[Block]:
    """Running heads and feet: the whole text of a letterhead without a body."""
    blocks: list[Block] = []
    for section in document.sections:
        for part in (section.header, section.footer):
            blocks.extend(body.blocks_of(part._element))
    return list(dict.fromkeys(blocks))
