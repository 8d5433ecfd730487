"""Small documents made on the spot. Nothing here is read from disk or fetched."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence

import docx
from docx.document import Document as WordDocument
from PIL import Image
from reportlab.lib.pagesizes import A5
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

SENTENCE = (
    "The lighthouse keeper wrote the number of passing ships into a green ledger every night."
)


def pdf(
    pages: Sequence[Sequence[str]],
    *,
    heads: Sequence[str] = (),
    feet: Sequence[str] = (),
    title: str = "",
    author: str = "",
    outline: Sequence[tuple[str, int, int]] = (),
    password: str | None = None,
) -> bytes:
    """A PDF of `pages`, each a list of lines; `outline` is (title, level from 0, page index).

    `password` is the one to open it with; "" encrypts too, with an owner's password only.
    """
    buffer = io.BytesIO()
    encryption = None
    if password is not None:
        encryption = StandardEncryption(password, ownerPassword="owner", strength=128)
    canvas = Canvas(buffer, pagesize=A5, encrypt=encryption, pageCompression=1)
    canvas.setTitle(title)
    canvas.setAuthor(author)
    for index, lines in enumerate(pages):
        canvas.setFont("Helvetica", 8)
        if heads:
            canvas.drawString(60, A5[1] - 30, heads[index])
        if feet:
            canvas.drawCentredString(A5[0] / 2, 25, feet[index])
        _draw_lines(canvas, lines)
        for name, level, page in outline:
            if page == index:
                key = f"{name}-{level}-{page}"
                canvas.bookmarkPage(key)
                canvas.addOutlineEntry(name, key, level=level)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _draw_lines(canvas: Canvas, lines: Sequence[str]) -> None:
    """Lines at 14 points; "" is a gap, "# x" is set large, two blanks in front are an indent."""
    y = A5[1] - 70
    for line in lines:
        size = 18 if line.startswith("# ") else 10
        canvas.setFont("Helvetica-Bold" if size > 10 else "Helvetica", size)
        indent = 20 if line.startswith("  ") else 0
        canvas.drawString(60 + indent, y, line.removeprefix("# ").strip())
        y -= 14 if size == 10 else 28


def scan(count: int = 1, *, text_on: Sequence[int] = ()) -> bytes:
    """A PDF of `count` pages that hold a picture each; pages in `text_on` have text too."""
    picture = io.BytesIO()
    Image.new("L", (120, 160), 200).save(picture, "PNG")
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A5)
    for index in range(count):
        picture.seek(0)
        canvas.drawImage(ImageReader(picture), 0, 0, width=A5[0], height=A5[1])
        if index in text_on:
            canvas.setFont("Helvetica", 10)
            for row in range(12):
                canvas.drawString(50, 500 - 14 * row, SENTENCE[:60])
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def raw_pdf(objects: Mapping[int, bytes], *, root: int = 1, trailer: bytes = b"") -> bytes:
    """A PDF from the bodies of its objects, with a correct cross-reference table."""
    out = io.BytesIO()
    out.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = {}
    for number, body in objects.items():
        offsets[number] = out.tell()
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    start = out.tell()
    size = max(objects) + 1
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % size)
    for number in range(1, size):
        out.write(b"%010d 00000 n \n" % offsets.get(number, 0))
    out.write(b"trailer\n<< /Size %d /Root %d 0 R %b >>\n" % (size, root, trailer))
    out.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()


def stream(data: bytes, extra: bytes = b"", *, packed: bool = False) -> bytes:
    """The body of a stream object."""
    if packed:
        data, extra = zlib.compress(data, 9), extra + b" /Filter /FlateDecode"
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(data), extra, data)


FONT = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"


def one_page_pdf(
    content: bytes,
    *,
    resources: bytes = FONT,
    more: Mapping[int, bytes] | None = None,
    catalog: bytes = b"",
    page: bytes = b"",
    packed: bool = False,
) -> bytes:
    """Objects 1 catalog, 2 page tree, 3 page, 4 content, and `more` from 5 on."""
    return raw_pdf(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R %b >>" % catalog,
            2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 600] /Contents 4 0 R "
            b"/Resources %b %b >>" % (resources, page),
            4: stream(content, packed=packed),
            **(more or {}),
        }
    )


def show(text: str, *, x: int = 50, y: int = 500) -> bytes:
    """A content stream that shows one line."""
    return f"BT /F1 12 Tf {x} {y} Td ({text}) Tj ET\n".encode("latin-1")


def zipped(members: Mapping[str, bytes | str], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    '<rootfiles><rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/>'
    "</rootfiles></container>"
)


def opf(spine: Sequence[str], *, extra_items: str = "", spine_attributes: str = "") -> str:
    items = "".join(
        f'<item id="i{n}" href="{href}" media-type="application/xhtml+xml"/>'
        for n, href in enumerate(spine)
    )
    references = "".join(f'<itemref idref="i{n}"/>' for n in range(len(spine)))
    return (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<dc:title>The Green Ledger</dc:title>"
        "<dc:creator>Ada Wren</dc:creator><dc:language>en-GB</dc:language></metadata>"
        f"<manifest>{items}{extra_items}</manifest>"
        f"<spine {spine_attributes}>{references}</spine></package>"
    )


def xhtml(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">'
        f"<head><title>x</title><style>p {{}}</style></head><body>{body}</body></html>"
    )


NAV_ITEM = '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
NCX_ITEM = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'


def epub(
    chapters: Mapping[str, str],
    *,
    nav: str = "",
    ncx: str = "",
    more: Mapping[str, bytes | str] | None = None,
) -> bytes:
    """`chapters` maps file names in OPS/ to the bodies of their pages, in spine order."""
    extra = (NAV_ITEM if nav else "") + (NCX_ITEM if ncx else "")
    members: dict[str, bytes | str] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OPS/book.opf": opf(list(chapters), extra_items=extra),
        **{f"OPS/{name}": xhtml(body) for name, body in chapters.items()},
    }
    if nav:
        members["OPS/nav.xhtml"] = xhtml(nav)
    if ncx:
        members["OPS/toc.ncx"] = ncx
    return zipped({**members, **(more or {})})


def word(write: Callable[[WordDocument], object]) -> bytes:
    """A .docx that `write` has filled."""
    document = docx.Document()
    write(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def rezipped(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The zip with each member changed by `change(name, content)`; None leaves it out."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: change(name, archive.read(name)) for name in archive.namelist()}
    return zipped({name: content for name, content in members.items() if content is not None})


def with_members(data: bytes, more: Mapping[str, bytes | str]) -> bytes:
    """The zip with members added."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**members, **more})
