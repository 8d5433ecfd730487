"""Numbers and sentences about a text, and its language."""

from __future__ import annotations

import pytest

from lift_chat.documents.draft import Draft, Leaf, Refusal
from lift_chat.documents.language import language_of
from lift_chat.documents.limits import LIMITS, IntakeLimits
from lift_chat.documents.quality import judged
from tests.documents import builders as make


def draft(*texts: str, kind: str = "pdf", unmapped: int = 0) -> Draft:
    leaves = tuple(Leaf("", text) for text in texts)
    return Draft(kind=kind, leaves=leaves, unmapped=unmapped, warnings=("Given before.",))


def test_a_good_text_has_numbers_and_no_warning_of_its_own() -> None:
    quality = judged(draft(make.SENTENCE * 10, "", make.SENTENCE * 10), LIMITS).quality
    assert quality == {
        "pages": 3,
        "characters_per_page": round(len(make.SENTENCE) * 20 / 3),
        "empty_pages": [2],
        "unmapped_glyphs": 0,
        "warnings": ["Given before."],
    }


def test_glyphs_without_characters_are_counted_and_warned_of() -> None:
    quality = judged(draft(make.SENTENCE * 10 + "\ufffd\ue000" * 5, unmapped=7), LIMITS).quality
    assert quality["unmapped_glyphs"] == 17
    assert "17 characters" in quality["warnings"][1]


def test_little_text_per_page_is_warned_of() -> None:
    warnings = judged(draft(*["Only a few words here, really."] * 30), LIMITS).quality["warnings"]
    assert any("very little text per page" in warning for warning in warnings)


def test_a_short_text_is_warned_of() -> None:
    assert "short" in judged(draft("Hello there.", kind="text"), LIMITS).quality["warnings"][-1]


@pytest.mark.parametrize("texts", [(), ("", " \n"), ("* * *", "…")])
def test_no_letters_are_no_text(texts: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as caught:
        judged(draft(*texts), LIMITS)
    assert caught.value.reason == "no_text"


def test_too_many_parts_and_too_many_characters_are_too_large() -> None:
    for limits in (IntakeLimits(pages=2), IntakeLimits(characters=10)):
        with pytest.raises(Refusal) as caught:
            judged(draft("one word", "two words", "three"), limits)
        assert caught.value.reason == "too_large"


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        (make.SENTENCE, "", "en"),
        ("Der Leuchtturmwärter schrieb jede Nacht die Zahl der Schiffe auf.", "en", "de"),
        ("Le gardien du phare écrivait chaque nuit le nombre des navires.", "", "fr"),
        ("灯台守は毎晩、通り過ぎる船の数を緑色の帳簿に書き留めていました。", "", "ja"),
        ("17 23", "pt-BR", "pt"),
        ("Ja", "no", "no"),
        ("17", "", ""),
        ("17", "english", ""),
    ],
)
def test_the_language_is_what_the_text_shows_else_what_the_file_says(
    text: str, declared: str, language: str
) -> None:
    assert language_of(text * 4, declared) == language
