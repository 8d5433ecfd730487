"""Files made to hurt: each is a recipe, and the outcomes that are right for it.

"text" stands for a document that was read; everything else is a `reason`.
"""

from __future__ import annotations

import random
import struct
import zipfile
from collections.abc import Callable
from typing import NamedTuple

from tests.documents import builders as make


class Case(NamedTuple):
    suffix: str
    build: Callable[[], bytes]
    outcomes: frozenset[str]


CASES: dict[str, Case] = {}
PLAIN = [make.SENTENCE[:60]] * 10


def case(suffix: str, *outcomes: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    def register(build: Callable[[], bytes]) -> Callable[[], bytes]:
        CASES[build.__name__] = Case(suffix, build, frozenset(outcomes))
        return build

    return register


# --- not what the name says -------------------------------------------------------------------


@case(".pdf", "empty")
def nothing() -> bytes:
    return b""


@case(".epub", "damaged")
def only_zeros() -> bytes:
    return bytes(5000)


@case(".pdf", "wrong_type")
def web_page_as_pdf() -> bytes:
    return b"\n <!-- saved --> <!DOCTYPE html><html><body>Redirecting</body></html>"


@case(".txt", "wrong_type")
def web_page_as_text() -> bytes:
    return b"<html><body>404</body></html>"


@case(".txt", "wrong_type")
def pdf_as_text() -> bytes:
    return make.pdf([PLAIN])


@case(".pdf", "wrong_type")
def prose_as_pdf() -> bytes:
    return b"Dear reader, I am not a PDF at all."


@case(".md", "wrong_type")
def picture_as_markdown() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@case(".txt", "wrong_type")
def random_bytes_as_text() -> bytes:
    return random.Random(1).randbytes(4000)


@case(".docx", "wrong_type")
def plain_zip_as_word() -> bytes:
    return make.zipped({"readme.txt": "hello"})


@case(".docx", "wrong_type")
def spreadsheet_as_word() -> bytes:
    return make.zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"})


@case(".epub", "wrong_type")
def gzip_as_epub() -> bytes:
    return b"\x1f\x8b\x08\x00" + bytes(200)


@case(".docx", "wrong_type")
def old_word_file() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(256)) * 8


@case("", "wrong_type")
def program_without_extension() -> bytes:
    return b"\x7fELF" + random.Random(2).randbytes(2000)


# --- locked -----------------------------------------------------------------------------------


@case(".docx", "password")
def encrypted_word() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")


@case(".pdf", "password")
def pdf_with_user_password() -> bytes:
    return make.pdf([PLAIN], password="secret")


@case(".pdf", "text")
def pdf_with_owner_password_only() -> bytes:
    return make.pdf([PLAIN], password="")


@case(".pdf", "damaged", "password")
def pdf_with_unknown_encryption() -> bytes:
    return make.raw_pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [] /Count 0 >>",
            3: b"<< /Filter /Nobody /V 99 /R 99 /O (x) /U (y) /P -1 >>",
        },
        trailer=b"/Encrypt 3 0 R /ID [(a) (b)]",
    )


@case(".epub", "password")
def epub_under_drm() -> bytes:
    return make.epub(
        {"c1.xhtml": "<p>x</p>"},
        more={
            "META-INF/encryption.xml": '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns'
            ':container" xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
            '<enc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
            '<enc:CipherData><enc:CipherReference URI="OPS/c1.xhtml"/></enc:CipherData>'
            "</enc:EncryptedData></encryption>"
        },
    )


@case(".epub", "password")
def epub_with_zip_password() -> bytes:
    data = bytearray(make.epub({"c1.xhtml": "<p>x</p>"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = data.find(signature)
        while position >= 0:
            data[position + offset] |= 1
            position = data.find(signature, position + 4)
    return bytes(data)


# --- without text -----------------------------------------------------------------------------


@case(".pdf", "no_text")
def scanned_pdf() -> bytes:
    return make.scan(2)


@case(".pdf", "no_text")
def blank_pdf() -> bytes:
    return make.pdf([[], []])


@case(".txt", "no_text")
def blanks_only() -> bytes:
    return b" \n\t\n" * 100


@case(".html", "no_text")
def script_only() -> bytes:
    return b"<html><script>alert('text')</script></html>"


# --- broken PDFs ------------------------------------------------------------------------------


@case(".pdf", "damaged")
def pdf_header_only() -> bytes:
    return b"%PDF-1.7\n"


@case(".pdf", "text", "damaged", "no_text")
def pdf_cut_in_half() -> bytes:
    data = make.pdf([PLAIN] * 3)
    return data[: len(data) // 2]


@case(".pdf", "text", "damaged")
def pdf_without_cross_references() -> bytes:
    data = make.pdf([PLAIN])
    return data[: data.rfind(b"xref")] + b"startxref\n7\n%%EOF"


@case(".pdf", "damaged", "no_text")
def pdf_with_garbage_inside() -> bytes:
    return b"%PDF-1.4\n" + random.Random(3).randbytes(50_000) + b"\n%%EOF"


@case(".pdf", "text")
def pdf_with_junk_in_front() -> bytes:
    return b"HTTP/1.1 200 OK\r\n\r\n" + make.pdf([PLAIN])


@case(".pdf", "damaged", "no_text", "text")
def pdf_with_lying_count() -> bytes:
    return make.raw_pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>",
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
        }
    )


# --- loops ------------------------------------------------------------------------------------


@case(".pdf", "text")
def cyclic_outline() -> bytes:
    return make.one_page_pdf(
        make.show(make.SENTENCE),
        catalog=b"/Outlines 5 0 R",
        more={
            5: b"<< /First 6 0 R /Last 7 0 R /Count 2 >>",
            6: b"<< /Title (One) /Parent 5 0 R /Next 7 0 R /First 6 0 R /Dest [3 0 R /Fit] >>",
            7: b"<< /Title (Two) /Parent 5 0 R /Next 6 0 R /First 5 0 R /Dest [3 0 R /Fit] >>",
        },
    )


@case(".pdf", "damaged", "no_text")
def cyclic_page_tree() -> bytes:
    return make.raw_pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 3 /Parent 3 0 R >>",
            3: b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 3 /Parent 2 0 R >>",
        }
    )


@case(".pdf", "text", "damaged")
def cyclic_cross_references() -> bytes:
    data = make.one_page_pdf(make.show(make.SENTENCE))
    start = data.rfind(b"xref\n0")
    return data.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)


@case(".pdf", "text", "no_text")
def form_that_calls_itself() -> bytes:
    return make.one_page_pdf(
        make.show(make.SENTENCE) + b"/X Do\n",
        resources=make.FONT[:-2] + b"/XObject << /X 5 0 R >> >>",
        more={
            5: make.stream(
                b"/X Do /X Do\n",
                b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] "
                b"/Resources << /XObject << /X 5 0 R >> >>",
            )
        },
    )


@case(".pdf", "text", "damaged", "no_text")
def stream_length_points_to_itself() -> bytes:
    return make.raw_pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 600] /Contents 4 0 R >>",
            4: b"<< /Length 4 0 R >>\nstream\nBT ET\nendstream",
        }
    )


# --- amplification ----------------------------------------------------------------------------


@case(".pdf", "too_large")
def one_page_listed_20000_times() -> bytes:
    return make.raw_pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Count 20000 /Kids [%b] >>" % (b"3 0 R " * 20000),
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 600] /Contents 4 0 R "
            b"/Resources %b >>" % make.FONT,
            4: make.stream(make.show(make.SENTENCE)),
        }
    )


@case(".pdf", "text", "too_slow", "no_text")
def page_of_ten_million_bytes_of_operators() -> bytes:
    return make.one_page_pdf(make.show(make.SENTENCE) + b"BT ET q Q\n" * 1_000_000, packed=True)


@case(".pdf", "text", "too_slow", "no_text")
def two_thousand_calls_of_one_form() -> bytes:
    return make.one_page_pdf(
        make.show(make.SENTENCE) + b"/X Do\n" * 2000,
        resources=make.FONT[:-2] + b"/XObject << /X 5 0 R >> >>",
        more={
            5: make.stream(
                b"BT /F1 1 Tf (x) Tj ET\n" * 500,
                b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources " + make.FONT,
                packed=True,
            )
        },
    )


@case(".pdf", "text", "too_slow", "no_text", "damaged")
def forms_that_double_thirty_times() -> bytes:
    head = (
        b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X %d 0 R >> >>"
    )
    forms = {n: make.stream(b"/X Do /X Do\n", head % (n + 1)) for n in range(5, 35)}
    forms[35] = make.stream(b"q Q\n", b"/Type /XObject /Subtype /Form /BBox [0 0 9 9]")
    return make.one_page_pdf(
        make.show(make.SENTENCE) + b"/X Do\n",
        resources=make.FONT[:-2] + b"/XObject << /X 5 0 R >> >>",
        more=forms,
    )


@case(".pdf", "no_text", "damaged", "too_slow", "too_much_memory")
def page_that_inflates_to_a_hundred_megabytes() -> bytes:
    return make.one_page_pdf(b" " * 100_000_000, packed=True)


@case(".pdf", "text", "no_text", "damaged", "too_slow")
def array_nested_fifty_thousand_deep() -> bytes:
    return make.one_page_pdf(make.show(make.SENTENCE) + b"[" * 50_000 + b"]" * 50_000 + b" TJ\n")


@case(".pdf", "text", "no_text", "damaged", "too_slow")
def font_map_of_four_billion_characters() -> bytes:
    cmap = (
        b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00000000> "
        b"<FFFFFFFF> endcodespacerange 1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange "
        b"endcmap end"
    )
    font = (
        b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica "
        b"/ToUnicode 5 0 R >> >> >>"
    )
    return make.one_page_pdf(make.show(make.SENTENCE), resources=font, more={5: make.stream(cmap)})


@case(".pdf", "text", "no_text", "damaged")
def page_labels_out_of_all_bounds() -> bytes:
    return make.one_page_pdf(
        make.show(make.SENTENCE),
        catalog=b"/PageLabels << /Nums [0 << /S /r /St 999999999999 >> -5 << /S /A >> (x) 7] >>",
    )


@case(".pdf", "text")
def title_of_a_million_characters() -> bytes:
    data = make.one_page_pdf(
        make.show(make.SENTENCE), more={5: b"<< /Title (%b) >>" % (b"T" * 10**6)}
    )
    return data.replace(b"/Root 1 0 R", b"/Root 1 0 R /Info 5 0 R")


# --- containers -------------------------------------------------------------------------------


def _word_with(document: bytes) -> bytes:
    def change(name: str, content: bytes) -> bytes:
        return document if name == "word/document.xml" else content

    return make.rezipped(make.word(lambda d: d.add_paragraph("x")), change)


W = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


@case(".docx", "bomb")
def word_zip_bomb() -> bytes:
    return _word_with(b"<w:document %b><w:body>" % W + b" " * 100_000_000)


@case(".docx", "bomb")
def word_entity_bomb() -> bytes:
    entities = b"".join(b'<!ENTITY e%d "%b">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 10))
    return _word_with(
        b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY e0 "lol">%b]><w:document %b><w:body><w:p><w:r>'
        b"<w:t>&e9;</w:t></w:r></w:p></w:body></w:document>" % (entities, W)
    )


@case(".docx", "bomb")
def word_that_includes_a_file() -> bytes:
    return _word_with(
        b'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
        b"<w:document %b><w:body><w:p><w:r><w:t>&x;</w:t></w:r></w:p></w:body></w:document>" % W
    )


@case(".docx", "damaged", "text")
def word_nested_ten_thousand_deep() -> bytes:
    depth = 10_000
    return _word_with(
        b"<w:document %b><w:body>%b<w:p/>%b</w:body></w:document>"
        % (W, b"<w:sdt>" * depth, b"</w:sdt>" * depth)
    )


@case(".docx", "damaged")
def word_without_main_part() -> bytes:
    data = make.word(lambda d: d.add_paragraph("x"))
    return make.rezipped(data, lambda name, c: None if name == "word/document.xml" else c)


@case(".docx", "text")
def word_with_a_dead_link() -> bytes:
    link = (
        b'<Relationship Id="rId99" Target="NULL" Type="http://schemas.openxmlformats.org/'
        b'officeDocument/2006/relationships/image"/></Relationships>'
    )

    def change(name: str, content: bytes) -> bytes:
        is_links = name == "word/_rels/document.xml.rels"
        return content.replace(b"</Relationships>", link) if is_links else content

    return make.rezipped(make.word(lambda d: d.add_paragraph(make.SENTENCE)), change)


@case(".epub", "bomb")
def epub_of_twenty_thousand_members() -> bytes:
    return make.epub({"c1.xhtml": "<p>x</p>"}, more={f"OPS/{n}.css": "" for n in range(20_000)})


@case(".epub", "bomb")
def epub_zip_bomb() -> bytes:
    return make.epub({"c1.xhtml": "<p>" + "a" * 50_000_000 + "</p>"})


@case(".epub", "bomb")
def epub_whose_members_overlap() -> bytes:
    """Every directory entry points to the same packed bytes."""
    data = make.zipped({"mimetype": "application/epub+zip", "a": bytes(range(256)) * 4000})
    end = data.rfind(b"PK\x05\x06")
    size, start = struct.unpack("<II", data[end + 12 : end + 20])
    entry = data[start + data[start:].rfind(b"PK\x01\x02") : start + size]
    directory = data[start : start + size] + entry * 900
    count = 2 + 900
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
    return data[:start] + directory + tail


@case(".epub", "damaged", "text", "no_text")
def epub_member_that_lies_about_its_size() -> bytes:
    data = bytearray(make.epub({"c1.xhtml": "<p>" + make.SENTENCE * 1000 + "</p>"}))
    position = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, position + 24, 10)
    return bytes(data)


@case(".epub", "bomb")
def epub_entity_bomb() -> bytes:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return make.epub(
        {"c1.xhtml": "<p>x</p>"},
        more={
            "OPS/book.opf": f'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY e0 "lol">{entities}]>'
            "<package><metadata>&e9;</metadata></package>"
        },
    )


@case(".epub", "bomb")
def epub_that_includes_a_file() -> bytes:
    return make.epub(
        {"c1.xhtml": "<p>x</p>"},
        more={
            "META-INF/container.xml": '<?xml version="1.0"?><!DOCTYPE c [<!ENTITY x SYSTEM '
            '"file:///etc/hostname">]><container>&x;</container>'
        },
    )


@case(".epub", "no_text", "damaged")
def epub_whose_spine_leaves_the_book() -> bytes:
    return make.epub(
        {"c1.xhtml": "<p></p>"},
        more={"OPS/book.opf": make.opf(["../../../../../../etc/hostname", "/etc/hostname", "%00"])},
    )


@case(".epub", "damaged")
def epub_without_container() -> bytes:
    return make.zipped({"mimetype": "application/epub+zip", "book.opf": make.opf([])})


@case(".epub", "damaged")
def epub_cut_in_half() -> bytes:
    data = make.epub({"c1.xhtml": f"<p>{make.SENTENCE * 50}</p>"})
    return data[: len(data) // 2]


@case(".epub", "text")
def epub_with_cyclic_contents() -> bytes:
    nested = '<navPoint id="a"><navLabel><text>A</text></navLabel><content src="c1.xhtml"/>' * 300
    return make.epub(
        {"c1.xhtml": f"<p>{make.SENTENCE}</p>"},
        ncx=f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{nested}'
        f"{'</navPoint>' * 300}</navMap></ncx>",
    )


@case("", "wrong_type")
def zip_of_zips() -> bytes:
    inner = make.zipped({f"{n}.bin": bytes(100) for n in range(10)})
    return make.zipped({f"{n}.zip": inner for n in range(50)}, compression=zipfile.ZIP_STORED)


# --- markup and text --------------------------------------------------------------------------


@case(".html", "text")
def html_nested_thirty_thousand_deep() -> bytes:
    return b"<html><body>" + b"<div>" * 30_000 + make.SENTENCE.encode() + b"</div>" * 30_000


@case(".html", "text", "no_text")
def html_of_comment_openings() -> bytes:
    return b"<html>" + make.SENTENCE.encode() + b"<!--" * 300_000


@case(".html", "text")
def html_of_nested_tables() -> bytes:
    return b"<html>" + b"<table><tr><td>a" * 3000 + make.SENTENCE.encode()


@case(".md", "text")
def markdown_of_brackets() -> bytes:
    return make.SENTENCE.encode() + b"\n\n" + b"[" * 20_000 + b"*" * 20_000 + b"`" * 20_000


@case(".md", "text")
def markdown_of_quotes() -> bytes:
    return b">" * 100_000 + make.SENTENCE.encode()


@case(".txt", "text")
def one_line_of_five_megabytes() -> bytes:
    return (make.SENTENCE.encode() + b" ") * 57_000


@case(".txt", "text")
def text_with_broken_utf8() -> bytes:
    return "Grüße aus Köln. ".encode() * 50 + b"\xff\xfe\xc3" + b" and more text"


@case(".txt", "text")
def text_cut_within_utf16() -> bytes:
    return make.SENTENCE.encode("utf-16")[:-1]


@case(".txt", "text")
def text_of_terminal_codes() -> bytes:
    return b"\x1b[31m" + make.SENTENCE.encode() + b"\x1b[0m\x07" + make.SENTENCE.encode() * 10
