from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from lift_chat.sharing.markdown import inline, one_line

COMMONMARK = MarkdownIt("commonmark").enable(["table", "strikethrough"])

HOSTILE = [
    '"]: \n---\n evil: <script>alert(1)</script>',
    "# A heading",
    "> quoted",
    "- item",
    "1. item",
    "1) item",
    "    code",
    "```sh\nrm -rf ~\n```",
    "`code` **bold** _it_ ~~gone~~",
    "[link](https://evil.example) ![img](x.png)",
    "[ref]: https://evil.example",
    "<https://evil.example> <img src=x onerror=y> <!-- -->",
    "a | b\n--|--\nc | d",
    "&lt;b&gt; &#42;x&#42;",
    "ends with a backslash \\",
    "setext\n===",
    "\\<b> \\| \\\\|",
    "$x^2$ @somebody https://evil.example www.evil.example",
    "\u202egnp.exe\u202c \u2066turned\u2069",
    "nul \x00 bell \x07 line\u2028next \x85 lone \ud800 end",
    "Moby-Dick; or, The Whale (1851) – 白鯨 🐋",
]


def tokens(text: str) -> list[Token]:
    return [t for block in COMMONMARK.parse(text) for t in [block, *(block.children or [])]]


def shown(text: str) -> str:
    return "".join(t.content for t in tokens(text) if t.type in ("text", "text_special"))


def check(text: str) -> None:
    """In a paragraph, a heading and a cell, `text` is text, all of it, and nothing else."""
    plain, safe = one_line(text), inline(text)
    assert "\n" not in safe
    for before, after, opened in (
        ("", "", ["paragraph"]),
        ("# ", "", ["heading"]),
        ("- Title: ", "", ["bullet_list", "list_item", "paragraph"]),
        ("“", "” is it", ["paragraph"]),
    ):
        found = tokens(before + safe + after)
        kinds = {t.type.removesuffix("_open").removesuffix("_close") for t in found}
        assert kinds <= {*opened, "inline", "text", "text_special"}
        label = before.lstrip("#-").strip() + (" " if ":" in before else "")
        assert shown(before + safe + after) == f"{label}{plain}{after}".strip()
    cells = [t for t in tokens(f"| a | b |\n|---|---|\n| {safe} | b |") if t.type == "td_open"]
    assert len(cells) == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_title_is_shown_as_it_stands(text: str) -> None:
    check(text)


@given(st.text(st.characters() | st.sampled_from("\\`*_{}[]()#+-.!|~<>&\n :=1"), max_size=60))
def test_any_text_is_shown_as_it_stands(text: str) -> None:
    if one_line(text):
        check(text)


def test_one_line_has_no_control_characters_and_no_turned_writing() -> None:
    assert one_line(" a\x00b\r\n\tc\u2028d\u202ee ") == "a b c de"
    assert one_line("\ud800x").encode() == b"?x"
