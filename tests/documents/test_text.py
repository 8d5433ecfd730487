"""Plain text: encodings, wrapped lines, chapters, Project Gutenberg's frame."""

from __future__ import annotations

import textwrap

import pytest

from lift_chat.documents.encoding import decode
from lift_chat.documents.text import read_text, unwrap
from tests.documents.test_headings import BODY

GUTENBERG = """The Project Gutenberg eBook of The Green Ledger

Title: The Green Ledger;
       Or, The Lamp

Author: Ada Wren

Language: English

*** START OF THE PROJECT GUTENBERG EBOOK THE GREEN LEDGER ***

The story itself.

*** END OF THE PROJECT GUTENBERG EBOOK THE GREEN LEDGER ***

Updated editions will replace the previous one.
"""


def leaves(text: str) -> list[str]:
    return [leaf.text for leaf in read_text(text.encode()).leaves]


def test_the_gutenberg_frame_is_not_text_but_its_facts_are_used() -> None:
    draft = read_text(GUTENBERG.encode())
    assert [leaf.text for leaf in draft.leaves] == ["The story itself."]
    assert (draft.title, draft.author, draft.language) == (
        *("The Green Ledger; Or, The Lamp", "Ada Wren", "en"),
    )


@pytest.mark.parametrize("width", [55, 72, 100])
def test_wrapped_paragraphs_are_joined(width: int) -> None:
    wrapped = "\n\n".join([textwrap.fill(BODY, width)] * 3)
    assert leaves(wrapped) == ["\n\n".join([BODY.strip()] * 3)]


def test_a_narrow_passage_in_a_wider_text_is_joined() -> None:
    text = "\n\n".join([textwrap.fill(BODY, 72)] * 9 + [textwrap.fill(BODY, 52)])
    assert leaves(text)[0].endswith(BODY.strip())


def test_verse_and_addresses_keep_their_lines() -> None:
    verse = "Dark was the sea,\nLong was the night,\nStill was the bell,\nOut was the light."
    assert unwrap(verse, 72) == verse


def test_list_items_keep_their_lines() -> None:
    items = "\n".join(f"{n}. {BODY[:66]}" for n in range(1, 4))
    assert unwrap(items, 72).count("\n") == 2


def test_one_paragraph_per_line_is_understood() -> None:
    assert leaves("\n".join([BODY.strip()] * 3)) == ["\n\n".join([BODY.strip()] * 3)]


def test_chapters_start_pages() -> None:
    draft = read_text(f"Title page\n\nCHAPTER I\n\n{BODY}\n\nCHAPTER II\n\n{BODY}".encode())
    assert [m.title for m in draft.marks] == ["CHAPTER I", "CHAPTER II"]
    assert [leaf.text[:10] for leaf in draft.leaves] == ["Title page", "CHAPTER II"]


def test_the_first_line_is_the_title_if_it_looks_like_one() -> None:
    assert read_text(f"The Green Ledger\n\n{BODY}".encode()).title == "The Green Ledger"
    assert read_text(BODY.encode()).title == ""


SAMPLES = [
    ("Der Übermütige läuft über die Straße, während die Vögel schön singen.", "cp1252"),
    ("L'été dernier, la fenêtre était ouverte et les élèves écoutaient le maître.", "latin-1"),
    ("Wczoraj poszedłem do sklepu, żeby kupić chleb i masło, ale było zamknięte.", "cp1250"),
    ("Вчера я пошёл в магазин, чтобы купить хлеб и масло для всей семьи.", "cp1251"),
    ("Χθες πήγα στο κατάστημα για να αγοράσω ψωμί και βούτυρο.", "cp1253"),
    ("昨日、私はパンを買いに店に行きました。とても寒かったです。", "shift_jis"),
    ("Smart “quotes” and the naïve café – they don’t hurt anybody here.", "cp1252"),
    ("Grüße", "utf-8-sig"),
    ("Grüße aus Köln", "utf-16"),
    ("Greetings from Cologne", "utf-16-le"),
    ("Greetings from Cologne", "utf-16-be"),
    ("Grüße aus Köln", "utf-32"),
]


@pytest.mark.parametrize(("text", "encoding"), SAMPLES)
def test_the_encoding_is_found(text: str, encoding: str) -> None:
    assert decode((text * 3).encode(encoding)) == text * 3


def test_some_damaged_bytes_do_not_spoil_a_text_in_utf8() -> None:
    damaged = "Grüße aus Köln über alles. ".encode() * 20 + b"\xff" + "Grüße".encode()
    assert decode(damaged).count("Grüße") == 21


def test_a_declared_encoding_is_believed_before_any_guess() -> None:
    assert decode("ÿþ und mehr".encode("cp1250", "replace") + b"\xe8", declared="cp1250")[-1] == "č"
    assert decode(b"caf\xe9", declared="no-such-code") == "café"
