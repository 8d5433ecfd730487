"""Word documents: the body in order, headings as chapters, tables and lists as text."""

from __future__ import annotations

import re

import pytest
from docx.document import Document as WordDocument
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from lift_chat.documents.docx import read_docx
from lift_chat.documents.draft import Refusal
from tests.documents import builders as make

LONG = make.SENTENCE * 6


def text(data: bytes) -> str:
    return "\n\n".join(leaf.text for leaf in read_docx(data).leaves)


def add(document: WordDocument, inner: str) -> None:
    """Raw XML at the end of the body; `w`, `m`, `mc`, `wps`, `v` are declared."""
    spaces = nsdecls("w") + (
        ' xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
        ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
        ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
        ' xmlns:v="urn:schemas-microsoft-com:vml"'
    )
    node = parse_xml(re.sub(r"^<([\w:]+)", rf"<\1 {spaces}", inner))
    body = document.element.body
    body.insert(len(body) - 1, node)


def test_headings_are_chapters_and_start_pages() -> None:
    def write(document: WordDocument) -> None:
        document.add_heading("The Green Ledger", 0)
        document.add_heading("The Harbour", 1)
        document.add_paragraph(LONG)
        document.add_heading("The Lamp", 2)
        document.add_paragraph(LONG)

    draft = read_docx(make.word(write))
    assert [(m.title, m.level, m.leaf) for m in draft.marks] == [
        ("The Green Ledger", 1, 0),
        ("The Harbour", 1, 0),
        ("The Lamp", 2, 1),
    ]
    assert all(draft.leaves[m.leaf].text[m.offset :].startswith(m.title) for m in draft.marks)


def test_title_and_author_are_the_files_own() -> None:
    def write(document: WordDocument) -> None:
        document.core_properties.title = "The Green Ledger"
        document.core_properties.author = "Ada Wren"
        document.add_paragraph("x")

    draft = read_docx(make.word(write))
    assert (draft.title, draft.author) == ("The Green Ledger", "Ada Wren")


def test_tables_stand_where_they_are_as_lines() -> None:
    def write(document: WordDocument) -> None:
        document.add_paragraph("Before.")
        table = document.add_table(rows=3, cols=2)
        for row, cells in enumerate((("Ship", "Day"), ("Gull", "3"), ("Tern", "9"))):
            for column, cell in enumerate(cells):
                table.cell(row, column).text = cell
        document.add_paragraph("After.")

    assert text(make.word(write)) == "Before.\n\nShip | Day\nGull | 3\nTern | 9\n\nAfter."


def test_merged_cells_stand_once_and_layout_cells_flow() -> None:
    def write(document: WordDocument) -> None:
        table = document.add_table(rows=2, cols=3)
        table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
        table.cell(0, 2).merge(table.cell(1, 2)).text = "tall"
        table.cell(1, 0).text = "a"
        table.cell(1, 1).text = "b"
        frame = document.add_table(rows=1, cols=1)
        frame.cell(0, 0).text = "First."
        frame.cell(0, 0).add_paragraph("Second.")

    assert text(make.word(write)) == "wide | tall\na | b\n\nFirst.\n\nSecond."


def test_lists_have_their_bullets_and_numbers() -> None:
    def write(document: WordDocument) -> None:
        for words in ("rope", "oil"):
            document.add_paragraph(words, style="List Bullet")
        for words in ("first", "second"):
            document.add_paragraph(words, style="List Number")

    assert text(make.word(write)) == "- rope\n- oil\n1. first\n2. second"


def test_text_boxes_are_read_once() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>Boxed.</w:t></w:r></w:p></w:txbxContent>"
    paragraph = (
        "<w:p><w:r><w:t>Anchor.</w:t></w:r><w:r><mc:AlternateContent><mc:Choice Requires='wps'>"
        f"<wps:txbx>{box}</wps:txbx></mc:Choice><mc:Fallback><v:textbox>{box}</v:textbox>"
        "</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert text(make.word(lambda d: add(d, paragraph))) == "Anchor.\n\nBoxed."


def test_content_controls_and_insertions_are_read_deletions_and_hidden_text_are_not() -> None:
    def run(words: str) -> str:
        return f"<w:r><w:t>{words}</w:t></w:r>"

    inner = (
        f"<w:sdt><w:sdtContent><w:p>{run('control ')}<w:ins>{run('inserted')}</w:ins>"
        "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p></w:sdtContent></w:sdt>"
    )
    assert text(make.word(lambda d: add(d, inner))) == "control inserted"


def test_formulas_can_be_read_aloud() -> None:
    def part(name: str, inner: str) -> str:
        return f"<m:{name}>{inner}</m:{name}>"

    def letters(words: str) -> str:
        return f"<m:r><m:t>{words}</m:t></m:r>"

    power = part("sSup", part("e", letters("r")) + part("sup", letters("2")))
    fraction = part("f", part("num", letters("a+b")) + part("den", letters("c")))
    formula = f"<w:p><m:oMath>{letters('A=π')}{power}{letters('+')}{fraction}</m:oMath></w:p>"
    assert text(make.word(lambda d: add(d, formula))) == "A=πr^2+(a+b)/c"


def test_running_heads_are_left_out_unless_there_is_nothing_else() -> None:
    def letterhead(document: WordDocument) -> None:
        document.sections[0].header.paragraphs[0].text = "Harbour Office"

    def letter(document: WordDocument) -> None:
        letterhead(document)
        document.add_paragraph("Dear inspector.")

    assert text(make.word(letter)) == "Dear inspector."
    assert text(make.word(letterhead)) == "Harbour Office"


def test_the_strict_variant_is_read() -> None:
    replaced = {
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships": (
            b"http://purl.oclc.org/ooxml/officeDocument/relationships"
        ),
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main": (
            b"http://purl.oclc.org/ooxml/wordprocessingml/main"
        ),
    }

    def strict(name: str, content: bytes) -> bytes:
        for usual, other in replaced.items():
            content = content.replace(usual, other)
        return content

    data = make.rezipped(make.word(lambda d: d.add_heading("Strict", 1)), strict)
    draft = read_docx(data)
    assert [leaf.text for leaf in draft.leaves] == ["Strict"]
    assert [mark.title for mark in draft.marks] == ["Strict"]


def test_a_macro_document_is_read() -> None:
    usual = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    other = b"application/vnd.ms-word.document.macroEnabled.main+xml"
    data = make.word(lambda d: d.add_paragraph("Macro."))
    assert text(make.rezipped(data, lambda name, c: c.replace(usual, other))) == "Macro."


def test_footnotes_follow_the_body() -> None:
    relation = (
        b'<Relationship Id="rId77" Target="footnotes.xml" Type="http://schemas.openxmlformats.org/'
        b'officeDocument/2006/relationships/footnotes"/></Relationships>'
    )
    override = (
        b'<Override PartName="/word/footnotes.xml" ContentType="application/vnd.openxmlformats-'
        b'officedocument.wordprocessingml.footnotes+xml"/></Types>'
    )
    notes = (
        f"<w:footnotes {nsdecls('w')}><w:footnote w:type='separator' w:id='0'><w:p/></w:footnote>"
        "<w:footnote w:id='1'><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>"
    )

    def change(name: str, content: bytes) -> bytes:
        if name == "word/_rels/document.xml.rels":
            return content.replace(b"</Relationships>", relation)
        return content.replace(b"</Types>", override) if name == "[Content_Types].xml" else content

    data = make.rezipped(make.word(lambda d: d.add_paragraph("Body.")), change)
    assert text(make.with_members(data, {"word/footnotes.xml": notes})) == "Body.\n\nA note."


def test_tables_nested_a_thousand_deep_end() -> None:
    deep = "<w:tbl><w:tr><w:tc>" * 60 + "<w:p><w:r><w:t>x</w:t></w:r></w:p>"
    deep += "</w:tc></w:tr></w:tbl>" * 60
    assert text(make.word(lambda d: add(d, deep))) == "x"


def test_an_entity_bomb_is_refused() -> None:
    def change(name: str, content: bytes) -> bytes:
        return b'<!DOCTYPE x [<!ENTITY a "b">]>' + content if name.endswith("t.xml") else content

    with pytest.raises(Refusal) as caught:
        read_docx(make.rezipped(make.word(lambda d: d.add_paragraph("x")), change))
    assert caught.value.reason == "bomb"
