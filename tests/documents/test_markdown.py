"""Markdown: headings as chapters, the words without their marks."""

from __future__ import annotations

import pytest

from lift_chat.documents.markdown import inline, read_markdown


def text(markdown: str) -> str:
    return "\n\n".join(leaf.text for leaf in read_markdown(markdown.encode()).leaves)


def test_headings_of_both_kinds_are_chapters() -> None:
    draft = read_markdown(b"# One #\n\ntext\n\nTwo\n===\n\nThree *x*\n---\n\n###### Six\n\n#no")
    assert [(m.title, m.level) for m in draft.marks] == [
        ("One", 1),
        ("Two", 1),
        ("Three x", 2),
        ("Six", 6),
    ]
    assert draft.title == "One"


def test_front_matter_gives_title_and_author_and_is_not_text() -> None:
    draft = read_markdown(b'---\ntitle: "The Ledger"\nauthor: Ada Wren\n---\n\nBody.\n')
    assert (draft.title, draft.author, draft.leaves[0].text) == ("The Ledger", "Ada Wren", "Body.")


def test_paragraphs_are_joined_and_hard_breaks_kept() -> None:
    assert text("one\ntwo  \nthree\\\nfour\n\nfive") == "one two\nthree\nfour\n\nfive"


def test_lists_quotes_and_rules() -> None:
    markdown = "> quoted\n> text\n\n* a\n* b\n  goes on\n\n3. x\n4. y\n\n- [x] done\n\n***\n\nend"
    assert text(markdown) == "quoted text\n\n- a\n- b goes on\n3. x\n4. y\n- done\n\nend"


def test_code_is_kept_as_written() -> None:
    assert text("```python\ndef f(*a):\n    # no heading\n```\n\nend") == (
        "def f(*a):\n    # no heading\n\nend"
    )
    assert text("~~~\nnever closed") == "never closed"


def test_tables_become_lines() -> None:
    assert text("| Ship | Day |\n|------|:---:|\n| **Gull** | 3 |") == "Ship | Day\nGull | 3"
    assert text("Ship | Day\n--- | ---\nGull | 3\n\na | b") == "Ship | Day\nGull | 3\n\na | b"


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("**bold** and __bold__ and *it* and _it_", "bold and bold and it and it"),
        ("***both*** ~~gone~~", "both gone"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ('[words](http://x.y/z_(a) "t") and [ref][1]', "words and ref"),
        ("![a picture](p.png) <https://a.b>", "a picture https://a.b"),
        ("`*code*` and ``a ` b``", "*code* and a ` b"),
        (r"\*not\* \[a\](b)", "*not* [a](b)"),
        ("<b>html</b><!-- note --> a < b", "html a < b"),
    ],
)
def test_marks_go_and_words_stay(marked: str, plain: str) -> None:
    assert inline(marked) == plain


def test_link_definitions_are_not_text() -> None:
    assert text("See [it][1].\n\n[1]: http://x.y 'T'") == "See it."
