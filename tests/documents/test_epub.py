"""EPUB books: spine order, contents as chapters, no noise."""

from __future__ import annotations

import pytest

from lift_chat.documents.draft import Draft, Refusal
from lift_chat.documents.epub import read_epub
from lift_chat.documents.outline import bind
from tests.documents import builders as make

NCX = (
    '<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" '
    '"http://www.daisy.org/z3986/2005/ncx-2005-1.dtd">'
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{}</navMap></ncx>'
)
POINT = "<navPoint><navLabel><text>{}</text></navLabel><content src='{}'/>{}</navPoint>"


def text(draft: Draft) -> str:
    return "\n\n".join(leaf.text for leaf in draft.leaves)


def chapters(draft: Draft) -> list[tuple[str, int, int, str]]:
    _, found = bind(draft)
    return [(c.title, c.level, c.page, text(draft)[c.start : c.start + 5]) for c in found]


def test_the_spine_is_the_reading_order() -> None:
    draft = read_epub(make.epub({"z.xhtml": "<p>One.</p>", "a.xhtml": "<p>Two.</p>"}))
    assert [leaf.text for leaf in draft.leaves] == ["One.", "Two."]
    assert (draft.title, draft.author, draft.language) == ("The Green Ledger", "Ada Wren", "en-GB")


def test_the_navigation_document_gives_the_chapters() -> None:
    nav = (
        '<nav epub:type="landmarks"><ol><li><a href="c2.xhtml">Wrong</a></li></ol></nav>'
        '<nav epub:type="toc"><ol><li><a href="c1.xhtml">The Harbour</a><ol><li>'
        '<a href="c1.xhtml#lamp">The <em>Lamp</em></a></li></ol></li>'
        '<li><a href="c2.xhtml">The Storm</a></li></ol></nav>'
    )
    chapter = '<h1>One</h1><p>First.</p><section id="lamp"><h2>Two</h2><p>Then.</p></section>'
    draft = read_epub(make.epub({"c1.xhtml": chapter, "c2.xhtml": "<p>Storm.</p>"}, nav=nav))
    assert chapters(draft) == [
        ("The Harbour", 1, 1, "One\n\n"),
        ("The Lamp", 2, 1, "Two\n\n"),
        ("The Storm", 1, 2, "Storm"),
    ]


def test_an_epub_2_contents_file_gives_the_chapters() -> None:
    ncx = NCX.format(
        POINT.format("Part", "c1.xhtml", POINT.format("Lamp &amp; oil", "c1.xhtml#l", ""))
        + POINT.format("Storm", "c2.xhtml", "")
    )
    chapter = "<p>First.</p><p>a <a id='l'></a>Light</p>"
    draft = read_epub(make.epub({"c1.xhtml": chapter, "c2.xhtml": "<p>Storm</p>"}, ncx=ncx))
    assert chapters(draft) == [
        ("Part", 1, 1, "First"),
        ("Lamp & oil", 2, 1, "a Lig"),
        ("Storm", 1, 2, "Storm"),
    ]


@pytest.mark.parametrize("ncx", ["", "<ncx><broken", NCX.format("")])
def test_without_readable_contents_headings_are_the_chapters(ncx: str) -> None:
    body = "<h1>The Harbour</h1><p>x</p><h2>The Lamp</h2><p>y</p>"
    draft = read_epub(make.epub({"c1.xhtml": body}, ncx=ncx))
    assert [(m.title, m.level) for m in draft.marks] == [("The Harbour", 1), ("The Lamp", 2)]


def test_a_chapter_that_points_to_a_picture_page_starts_on_the_next_page() -> None:
    ncx = NCX.format(POINT.format("Storm", "cover.xhtml", ""))
    pages = {"cover.xhtml": "<img src='x.jpg'/>", "c1.xhtml": "<p>Storm</p>"}
    draft = read_epub(make.epub(pages, ncx=ncx))
    assert len(draft.leaves) == 1
    assert chapters(draft) == [("Storm", 1, 1, "Storm")]


def test_readings_scripts_styles_and_page_breaks_are_not_text() -> None:
    body = (
        "<p><ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby> shone</p><script>x()</script>"
        "<style>p {}</style><p>on<span epub:type='pagebreak' id='p7'>7</span>ward</p>"
        "<svg><text>drawn</text></svg><p hidden='hidden'>secret</p><p style='display: none'>x</p>"
    )
    assert text(read_epub(make.epub({"c1.xhtml": body}))) == "東京 shone\n\nonward"


def test_empty_elements_of_xhtml_swallow_nothing() -> None:
    body = "<a id='x'/><p>One<br/>two</p><title/><script src='y.js'/><p>three</p><i/><p>four</p>"
    assert text(read_epub(make.epub({"c1.xhtml": body}))) == "One\ntwo\n\nthree\n\nfour"


def test_entities_and_cdata_are_text() -> None:
    body = "<p>&eacute;t&#233;&nbsp;&mdash; &lt;tag&gt; <![CDATA[a < b & c]]></p>"
    assert text(read_epub(make.epub({"c1.xhtml": body}))) == "été — <tag> a < b & c"


def test_a_licence_frame_marked_as_such_is_left_out() -> None:
    body = "<section class='pg-boilerplate'><p>licence</p></section><p>Story.</p>"
    assert text(read_epub(make.epub({"c1.xhtml": body}))) == "Story."


def test_names_may_be_encoded_or_of_other_case() -> None:
    data = make.epub(
        {"a b.xhtml": "<p>Found.</p>"},
        more={"OPS/book.opf": make.opf(["A%20b.xhtml", "missing.xhtml"])},
    )
    assert text(read_epub(data)) == "Found."


def test_obfuscated_fonts_are_no_protection() -> None:
    method = "http://www.idpf.org/2008/embedding"
    data = make.epub(
        {"c1.xhtml": "<p>Open.</p>"},
        more={
            "META-INF/encryption.xml": "<encryption><EncryptedData>"
            f"<EncryptionMethod Algorithm='{method}'/><CipherData><CipherReference "
            "URI='OPS/c1.xhtml'/></CipherData></EncryptedData></encryption>"
        },
    )
    assert text(read_epub(data)) == "Open."


def test_an_external_entity_is_refused_and_never_read() -> None:
    evil = '<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/hostname">]><container>&x;</container>'
    with pytest.raises(Refusal) as caught:
        read_epub(make.epub({"c1.xhtml": "<p>x</p>"}, more={"META-INF/container.xml": evil}))
    assert caught.value.reason == "bomb"
