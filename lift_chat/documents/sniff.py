"""What kind of file this is, by its bytes, and whether that agrees with its name.

The extension is the user's claim. Where the content contradicts it, the file is refused with a
sentence that names both; without a known extension the content alone decides.
"""

from __future__ import annotations

import re
from typing import Final

from lift_chat.documents.archive import Archive
from lift_chat.documents.draft import Refusal

CLAIMS: Final = {
    ".pdf": "pdf",
    ".epub": "epub",
    ".docx": "docx",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
}

NAMES: Final = {
    "pdf": "a PDF",
    "epub": "an EPUB book",
    "docx": "a Word document",
    "html": "a web page",
    "markdown": "a Markdown text",
    "text": "a plain text",
}

READABLE = "lift-chat reads PDF, EPUB, Word (.docx), HTML, Markdown and plain text"

_FOREIGN: Final[tuple[tuple[bytes, str], ...]] = (
    (b"{\\rtf", "a rich-text file (.rtf)"),
    (b"\x89PNG\r\n\x1a\n", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\x00", "a picture"),
    (b"MM\x00*", "a picture"),
    (b"AT&TFORM", "a DjVu scan"),
    (b"7z\xbc\xaf\x27\x1c", "a packed archive"),
    (b"Rar!\x1a\x07", "a packed archive"),
    (b"\x1f\x8b", "a packed archive"),
    (b"BZh", "a packed archive"),
    (b"\xfd7zXZ\x00", "a packed archive"),
    (b"SQLite format 3\x00", "a database"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"ID3", "a sound file"),
    (b"RIFF", "a picture, sound or film file"),
    (b"%!PS", "a PostScript file"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PDF_WITHIN = 8 * 1024
_HTML = re.compile(rb"<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)
_LEADING_MARKUP = re.compile(rb"(?:\s|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def kind_of(data: bytes, suffix: str) -> str:
    """The parser to use for `data`, which the user calls a `suffix` (".pdf", "" if none).

    Raises `Refusal`: empty, wrong_type, password (an encrypted Office file), bomb, damaged.
    """
    if not data:
        raise Refusal("empty", "The file is empty (0 bytes).")
    if not data.strip(b"\x00"):
        raise Refusal(
            "damaged", "The file holds nothing but zero bytes; copy or download it again."
        )
    claim = CLAIMS.get(suffix.lower(), "")
    found, description = _content(data)
    if claim in ("", found) or (claim in ("html", "markdown") and found == "text"):
        if not found:
            raise Refusal("wrong_type", f"This is {description}; {READABLE}.")
        return claim or found
    raise Refusal(
        "wrong_type",
        f"It is named {suffix.lower()}, but it is not {NAMES[claim]}: it is {description}.",
    )


def _content(data: bytes) -> tuple[str, str]:
    """(kind or "", description) of the bytes."""
    if b"%PDF-" in data[:_PDF_WITHIN]:
        return "pdf", NAMES["pdf"]
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_content(data)
    if data.startswith(_OLE):
        return _ole_content(data)
    for magic, description in _FOREIGN:
        if data.startswith(magic):
            return "", description
    if data[60:68] == b"BOOKMOBI":
        return "", "a Kindle book"
    if data[4:8] == b"ftyp":
        return "", "a film or a picture"
    return _text_content(data)


def _zip_content(data: bytes) -> tuple[str, str]:
    archive = Archive(data)
    mimetype = archive.read("mimetype").strip() if archive.has("mimetype") else b""
    if mimetype == b"application/epub+zip" or archive.has("META-INF/container.xml"):
        return "epub", NAMES["epub"]
    if archive.has("[Content_Types].xml"):
        for folder, kind, description in (
            ("word/", "docx", NAMES["docx"]),
            ("xl/", "", "an Excel table"),
            ("ppt/", "", "a PowerPoint presentation"),
        ):
            if any(name.startswith(folder) for name in archive.names):
                return kind, description
    if mimetype.startswith(b"application/vnd.oasis.opendocument"):
        return "", "an OpenDocument file"
    return "", "a zip archive"


def _ole_content(data: bytes) -> tuple[str, str]:
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise Refusal(
            "password",
            "It is protected with a password. Save a copy without the password and add that one.",
        )
    return "", "a file of an older Office version; save it as .docx or PDF"


def _text_content(data: bytes) -> tuple[str, str]:
    head = data[: 64 * 1024]
    if head.startswith(_BOMS[1:]) or _looks_like_utf16(head):
        head = head.replace(b"\x00", b"")
    elif _is_binary(head):
        return "", "a file of a kind that lift-chat does not know"
    for bom in _BOMS:
        head = head.removeprefix(bom)
    leading = _LEADING_MARKUP.match(head)
    start = leading.end() if leading else 0
    if _HTML.match(head, start):
        return "html", "a web page (HTML)"
    if head.lstrip().startswith(b"<?xml"):
        return "", "an XML file"
    return "text", "plain text"


def _looks_like_utf16(head: bytes) -> bool:
    """Whether every second byte is zero, as in UTF-16 of a Latin script without its mark."""
    pairs = min(len(head), 4096) // 2
    if pairs < 4:
        return False
    even, odd = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    return max(even, odd) > 0.7 * pairs and min(even, odd) < 0.05 * pairs


def _is_binary(head: bytes) -> bool:
    controls = sum(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in head)
    return b"\x00" in head or controls > len(head) // 50
