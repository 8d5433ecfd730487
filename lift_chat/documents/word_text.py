"""The visible text of Word's paragraphs, table rows, formulas and text boxes.

Works on python-docx's XML elements; knows no styles, no lists and no packages. Walks with its
own stack, since elements may nest as deep as their author was malicious.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from docx.oxml.ns import qn

from lift_chat.documents.cleaning import clean, squeeze
from lift_chat.documents.outline import Block

_MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


def table_row(row: Any) -> Iterator[Block]:
    """One line per row; a cell that spans several columns or rows stands once."""
    cells = []
    for cell in row.iter(qn("w:tc")):
        merge = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
        if merge is not None and merge.get(qn("w:val")) != "restart":
            continue
        cells.append(" ".join(filter(None, map(visible_text, _own_paragraphs(cell)))))
    filled = list(filter(None, cells))
    line = " | ".join(filled if len(filled) == 1 else cells).replace("\n", " ").rstrip(" |")
    if line:
        yield Block(line, tight=True)


def _own_paragraphs(cell: Any) -> Iterator[Any]:
    """The paragraphs of a cell, not those of a table nested in it, which has its own rows."""
    stack = list(reversed(cell))
    while stack:
        node = stack.pop()
        if node.tag == qn("w:p"):
            yield node
        elif node.tag != qn("w:tc"):
            stack.extend(reversed(node))


def visible_text(paragraph: Any) -> str:
    """The visible text of a paragraph, without that of the text boxes anchored in it."""
    pieces: list[str] = []
    stack = list(reversed(paragraph))
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            pieces.append(node)
        elif node.tag in (qn("w:t"), f"{_MATH}t"):
            pieces.append(node.text or "")
        elif node.tag in _WRITTEN:
            pieces.append(_WRITTEN[node.tag])
        elif node.tag not in _UNSEEN and not _is_hidden(node):
            stack.extend(reversed(_linear(node)))
    return squeeze(clean("".join(pieces)))


def _linear(node: Any) -> list[Any]:
    """The children of `node`; those of a formula's part with the signs that place it."""
    children = list(node)
    if node.tag == f"{_MATH}nary":
        sign = node.find(f"{_MATH}naryPr/{_MATH}chr")
        return ["∫" if sign is None else sign.get(f"{_MATH}val", ""), *children]
    if node.tag not in _FORMULA_SIGNS or not "".join(node.itertext()).strip():
        return children
    before, after = _FORMULA_SIGNS[node.tag]
    if not after and len("".join(node.itertext()).strip()) > 1:
        before, after = f"{before}(", ")"
    return [before, *children, after]


_FORMULA_SIGNS: Final = {
    f"{_MATH}sup": ("^", ""),
    f"{_MATH}sub": ("_", ""),
    f"{_MATH}num": ("", ""),
    f"{_MATH}den": ("/", ""),
    f"{_MATH}rad": ("√(", ")"),
    f"{_MATH}d": ("(", ")"),
}
_WRITTEN: Final = {
    qn("w:tab"): " ",
    qn("w:ptab"): " ",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "-",
}
_UNSEEN: Final = (
    qn("w:del"), qn("w:moveFrom"), qn("w:pPr"), qn("w:rPr"), qn("w:txbxContent"),
    qn("w:instrText"), FALLBACK,
)  # fmt: skip


def _is_hidden(node: Any) -> bool:
    if node.tag != qn("w:r"):
        return False
    vanish = node.find(f"{qn('w:rPr')}/{qn('w:vanish')}")
    return vanish is not None and vanish.get(qn("w:val"), "true") not in ("0", "false")


def text_boxes(node: Any) -> list[Any]:
    """The outermost text boxes anchored in a paragraph; Word stores each twice."""
    boxes = []
    stack = list(reversed(node))
    while stack:
        child = stack.pop()
        if child.tag == qn("w:txbxContent"):
            boxes.append(child)
        elif child.tag not in (FALLBACK, qn("w:del")):
            stack.extend(reversed(child))
    return boxes
