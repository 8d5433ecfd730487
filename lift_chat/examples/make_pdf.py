"""Makes the example's PDF from its Markdown: `python -m lift_chat.examples.make_pdf [FILE]`.

The same Markdown gives the same bytes: no dates, no random ids, and no compression, since
deflate's output depends on the zlib that Python was built with. The Markdown that is understood
is what the example uses: a title, chapters, paragraphs, and paragraphs wholly in italics.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Any

from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer

from lift_chat.examples import EXAMPLE

AUTHOR = "Ombrath Winter Station"
SUBJECT = "An invented report, made as an example document"
_MARGIN = 34 * mm
_TOP = 30 * mm
_BOTTOM = 28 * mm
_SINKAGE = 20 * mm
_FRAME_PADDING = 6  # points; the template's frame keeps this much free inside its margins

_TITLE = ParagraphStyle(
    "title", fontName="Times-Roman", fontSize=28, leading=40, alignment=TA_CENTER
)
_ITALIC = ParagraphStyle(
    "italic", fontName="Times-Italic", fontSize=11.5, leading=16, alignment=TA_CENTER, spaceBefore=7
)
_CHAPTER = ParagraphStyle(
    "chapter",
    fontName="Times-Bold",
    fontSize=14.5,
    leading=18,
    spaceBefore=24,
    spaceAfter=8,
    keepWithNext=1,
)
_OPENING = ParagraphStyle(
    "opening",
    fontName="Times-Roman",
    fontSize=11.5,
    leading=16.2,
    alignment=TA_JUSTIFY,
    allowWidows=0,
    allowOrphans=0,
)
_BODY = ParagraphStyle("body", parent=_OPENING, firstLineIndent=14)


def make_pdf(target: Path) -> None:
    """Writes the PDF of `EXAMPLE` to `target`."""
    markdown = EXAMPLE.markdown.read_text(encoding="utf-8")
    document = SimpleDocTemplate(
        str(target),
        pagesize=A4,
        leftMargin=_MARGIN - _FRAME_PADDING,
        rightMargin=_MARGIN - _FRAME_PADDING,
        topMargin=_TOP,
        bottomMargin=_BOTTOM,
        title=EXAMPLE.title,
        author=AUTHOR,
        subject=SUBJECT,
        creator="lift-chat",
        producer="lift-chat",
        lang="en",
        invariant=1,
        pageCompression=0,
    )

    def first_page(canvas: Any, _document: Any) -> None:
        for title in _chapters(markdown):
            canvas.addOutlineEntry(title, title, level=0)
        canvas.showOutline()
        _page_number(canvas)

    document.build(_story(markdown), onFirstPage=first_page, onLaterPages=_head_and_page_number)


def _blocks(markdown: str) -> list[str]:
    return [" ".join(block.split()) for block in markdown.split("\n\n")]


def _chapters(markdown: str) -> list[str]:
    return [block[3:] for block in _blocks(markdown) if block.startswith("## ")]


def _story(markdown: str) -> list[Flowable]:
    """One flowable per block. A chapter's heading is the target of its bookmark."""
    flowables: list[Flowable] = []
    style = _OPENING
    for block in _blocks(markdown):
        text = escape(block)
        if text.startswith("# "):
            flowables += [Spacer(1, _SINKAGE), Paragraph(text[2:], _TITLE)]
        elif text.startswith("## "):
            flowables.append(Paragraph(f'<a name="{text[3:]}"/>{text[3:]}', _CHAPTER))
            style = _OPENING
        elif text.startswith("*"):
            flowables.append(Paragraph(text.strip("*"), _ITALIC))
        else:
            flowables.append(Paragraph(text, style))
            style = _BODY
    return flowables


def _page_number(canvas: Any) -> None:
    canvas.setFont("Times-Roman", 10)
    canvas.drawCentredString(A4[0] / 2, 15 * mm, str(canvas.getPageNumber()))


def _head_and_page_number(canvas: Any, _document: Any) -> None:
    canvas.setFont("Times-Italic", 10)
    canvas.drawCentredString(A4[0] / 2, A4[1] - 19 * mm, EXAMPLE.title)
    canvas.setLineWidth(0.4)
    canvas.line(_MARGIN, A4[1] - 21.5 * mm, A4[0] - _MARGIN, A4[1] - 21.5 * mm)
    _page_number(canvas)


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLE.pdf
    make_pdf(target)
    print(target)


if __name__ == "__main__":
    main()
