"""Web pages: the main text as blocks, without what surrounds it."""

from __future__ import annotations

from lift_chat.documents.markup import blocks_of, soup_of
from lift_chat.documents.web import read_html


def text(html: str) -> str:
    return "\n\n".join(leaf.text for leaf in read_html(html.encode()).leaves)


def test_the_main_text_is_kept_and_the_rest_is_not() -> None:
    html = """<!doctype html><html lang="de-AT"><head><title>Der  Hafen</title>
    <meta name="author" content="Ada Wren"><script>track()</script></head><body>
    <header role="banner">Logo</header><nav><a href="/">Home</a></nav>
    <main><h1>Der Hafen</h1><p>Viele <b>Schiffe</b> kamen.</p><form><input>Suche</form></main>
    <aside>Werbung</aside><footer>Impressum</footer></body></html>"""
    draft = read_html(html.encode())
    assert [leaf.text for leaf in draft.leaves] == ["Der Hafen\n\nViele Schiffe kamen."]
    assert (draft.title, draft.author, draft.language) == ("Der Hafen", "Ada Wren", "de-AT")


def test_a_main_element_with_little_of_the_text_is_not_the_main_text() -> None:
    assert "All of it" in text(f"<main>menu</main><div>{'All of it. ' * 20}</div>")


def test_headings_are_chapters() -> None:
    html = f"<h1>One</h1><p>{'word ' * 100}</p><h2>Two</h2><p>{'word ' * 100}</p>"
    draft = read_html(html.encode())
    assert [(m.title, m.level, m.leaf) for m in draft.marks] == [("One", 1, 0), ("Two", 2, 1)]


def test_lists_and_their_numbers_are_kept() -> None:
    html = "<ul><li>rope</li><li><p>oil</p><ol start='3'><li>whale</li><li>seal</li></ol></li></ul>"
    assert text(html) == "- rope\n- oil\n3. whale\n4. seal"


def test_tables_become_lines_and_layout_tables_do_not() -> None:
    data = "<table><tr><th>Ship<th>Day<tr><td><p>Gull</p><td>3</table>"
    assert text(data) == "Ship | Day\nGull | 3"
    layout = "<table><tr><td><h2>Left</h2><p>a</p><td><p>b</p><p>c</p></table>"
    assert text(layout) == "Left\n\na\n\nb\n\nc"


def test_white_space_is_the_browsers_and_preformatted_text_keeps_its_own() -> None:
    assert text("<p>a\n   b<br>  c</p><pre>x\n  y</pre>") == "a b\nc\n\nx\n  y"


def test_hidden_text_is_not_read() -> None:
    assert text("<p>a</p><p hidden>b</p><p style='Display:None'>c</p><!-- d -->") == "a"


def test_plain_text_in_a_web_page_is_read() -> None:
    assert text("no tags at all") == "no tags at all"


def test_anchors_lead_to_their_blocks() -> None:
    blocks = blocks_of(soup_of("<p id=a>x</p><a name=b></a><div id=c></div><p>y</p>"))
    assert [(block.text, block.anchors) for block in blocks] == [("x", ("a",)), ("y", ("b", "c"))]


def test_a_declared_encoding_is_followed() -> None:
    html = '<meta charset="windows-1251"><p>Вчера я пошёл в магазин</p>'
    assert read_html(html.encode("cp1251")).leaves[0].text == "Вчера я пошёл в магазин"
