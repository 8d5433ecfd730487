"""Characters: what a reader would not see goes, what they would see stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_chat.documents.cleaning import clean, control_characters, squeeze, unmapped_glyphs


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("e\ufb03cient \ufb02ow, \ufb06op", "efficient flow, stop"),
        ("\ufee3\ufeae\ufea3\ufe92\ufe8e", "مرحبا"),
        ("\u01c6ep \u0133s", "džep ijs"),
        ("x\u00b2 + H\u2082O", "x² + H₂O"),
        ("\U0001d465 \u2124 \uff21", "\U0001d465 \u2124 \uff21"),
        ("soft\u00adhyphen and soft\u00ad\nline", "softhyphen and softline"),
        ("a\x00b\x07c\x7fd", "abcd"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("left\u202eright\u2066", "leftright"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("one\u00a0two\u2003three", "one two three"),
        ("a\r\nb\rc\u2028d\x0ce", "a\nb\nc\nd\ne"),
        ("Cafe\u0301", "Café"),
        ("bad \ud800 half", "bad \ufffd half"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("plain text, untouched\n", "plain text, untouched\n"),
    ],
)
def test_characters_become_what_a_reader_sees(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@given(st.text())
def test_cleaning_twice_changes_nothing_and_can_be_encoded(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    once.encode("utf-8")


def test_glyphs_without_a_character_are_counted() -> None:
    assert unmapped_glyphs("ok \ufffd \ue001\ue002 (cid:17) \U000f1234 (cid)") == 5
    assert control_characters("a\x01b\nc\td\x9f") == 2


def test_blanks_are_squeezed_and_paragraphs_kept() -> None:
    assert squeeze("  a  b \n c\n\n\n\nd\t e ") == "a b\nc\n\nd e"
