"""The content decides what a file is; a name that says otherwise is contradicted."""

from __future__ import annotations

import io
import zipfile

import pytest

from lift_chat.documents import archive
from lift_chat.documents.archive import Archive
from lift_chat.documents.draft import Refusal
from lift_chat.documents.sniff import kind_of
from tests.documents import builders as make

WORD = make.word(lambda document: document.add_paragraph("x"))


@pytest.mark.parametrize(
    ("data", "suffix", "kind"),
    [
        (b"%PDF-1.4 ...", "", "pdf"),
        (b"\r\njunk %PDF-1.4", ".PDF", "pdf"),
        (make.epub({"a.xhtml": "x"}), "", "epub"),
        (make.epub({"a.xhtml": "x"}), ".zip", "epub"),
        (WORD, "", "docx"),
        (WORD, ".doc", "docx"),
        (b"\xef\xbb\xbf <?xml version='1.0'?><!-- c --><html>", "", "html"),
        (b"<p>a fragment</p>", ".html", "html"),
        (b"# A heading", ".md", "markdown"),
        (b"# A heading", "", "text"),
        ("Grüße".encode("utf-16"), ".txt", "text"),
        (b"Words.", ".unknown", "text"),
    ],
)
def test_the_kind_is_found(data: bytes, suffix: str, kind: str) -> None:
    assert kind_of(data, suffix) == kind


@pytest.mark.parametrize(
    ("data", "suffix", "words"),
    [
        (b"<!doctype html><p>", ".pdf", (".pdf", "not a PDF", "web page")),
        (b"%PDF-1.7", ".txt", (".txt", "not a plain text", "a PDF")),
        (WORD, ".epub", (".epub", "not an EPUB book", "a Word document")),
        (b"{\\rtf1", ".docx", (".docx", "rich-text")),
        (b"<?xml version='1.0'?><feed/>", ".md", ("XML",)),
        (b"\xff\xd8\xff\xe0", "", ("a picture", "lift-chat reads PDF")),
        (bytes(60) + b"BOOKMOBI", "", ("Kindle",)),
    ],
)
def test_a_contradiction_names_both_sides(data: bytes, suffix: str, words: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as caught:
        kind_of(data, suffix)
    assert caught.value.reason == "wrong_type"
    assert all(word in caught.value.sentence for word in words)


def test_bytes_that_come_out_are_counted_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that promises little is not believed while reading."""
    monkeypatch.setattr(archive, "MEMBER_BYTES", 1000)
    small = Archive(make.zipped({"a": b"x" * 900, "b": b"x" * 1100}))
    assert len(small.read("a")) == 900
    with pytest.raises(Refusal) as caught:
        small.read("b")
    assert caught.value.reason == "bomb"


def test_many_members_together_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "READ_BYTES", 1000)
    opened = Archive(make.zipped({f"{n}": b"x" * 300 for n in range(5)}))
    with pytest.raises(Refusal) as caught:
        for name in opened.names:
            opened.read(name)
    assert caught.value.reason == "bomb"


@pytest.mark.parametrize(
    ("base", "reference", "member"),
    [
        ("OPS/book.opf", "text/a%20b.xhtml#x", "OPS/text/a b.xhtml"),
        ("OPS/nav/toc.xhtml", "../c1.xhtml", "OPS/c1.xhtml"),
        ("OPS/book.opf", "../../../etc/passwd", "../../etc/passwd"),
        ("OPS/book.opf", "/etc/passwd", "etc/passwd"),
    ],
)
def test_references_are_names_of_members_and_never_paths(
    base: str, reference: str, member: str
) -> None:
    opened = Archive(make.zipped({"x": b""}))
    assert opened.resolve(base, reference) == member
    assert not opened.has(member)


def test_an_unknown_compression_is_damage() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archived:
        archived.writestr("a", b"x" * 20)
    data = bytearray(buffer.getvalue())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.find(signature) + offset] = 99
    with pytest.raises(Refusal) as caught:
        Archive(bytes(data)).read("a")
    assert caught.value.reason == "damaged"
