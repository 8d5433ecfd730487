from __future__ import annotations

from typing import Any, cast

import gradio as gr
import pytest

from lift_chat.models.context import ChatSettings
from lift_chat.models.tint import TintedToken
from tests.ui.fakes import FakeLiftChat
from ui import present, settings_box, sources
from ui.tint_panel import TintHandlers

HOSTILE = '<script>alert("1")</script>'


def cited(page: int, quote: str = "The oil froze.", label: str = "") -> dict[str, Any]:
    return {"page": page, "label": label, "start": 0, "end": 9, "quote": quote, "score": 1.0}


def test_pages_are_named_once_in_the_order_of_the_document() -> None:
    assert present.page_list([17, 3, 17]) == "Pages 3, 17"
    assert present.page_list([4]) == "Page 4"
    shown = sources.pages([cited(17), cited(3), cited(17, "Again.")])
    assert "<summary>Pages 3, 17</summary>" in shown
    assert shown.count("<li>") == 3


def test_a_label_of_its_own_is_said_with_the_page() -> None:
    assert sources.page_name(cited(3, label="iv")) == "Page 3 (iv)"
    assert sources.page_name(cited(3, label="3")) == "Page 3"


def test_quotes_are_one_line_of_text_whatever_they_hold() -> None:
    shown = sources.pages([cited(1, f"{HOSTILE}\n\n# [a](http://evil.example)", label=HOSTILE)])
    assert "\n" not in shown
    assert "<script" not in shown and "&lt;" in shown
    assert "](http" not in shown


def test_a_very_long_quote_is_cut() -> None:
    shown = sources.pages([cited(1, "word " * 400)])
    assert len(shown) < 600 and "…" in shown


def test_an_answer_without_pages_looks_as_before() -> None:
    bubble = present.bubble("assistant", "Yes.", "In the window: nothing.")
    assert sources.followed(bubble, {"citations": [], "settings": {"strength": 1.0}}) == bubble
    assert sources.followed(bubble, {}) == bubble


def test_another_strength_is_said_under_the_answer() -> None:
    bubble = sources.followed(present.bubble("assistant", "Yes."), {"settings": {"strength": 0.5}})
    assert "At 50% of the strength" in bubble["content"][-1]["text"]


def test_tints_are_words_too_and_never_html_of_a_model() -> None:
    tokens = [
        TintedToken("It was ", 0.0),
        TintedToken(HOSTILE, 4.0, 0.5),
        TintedToken(" not", -2.0, 0.1),
        TintedToken(" so", 1.0, 0.3),
    ]
    shown = sources.tinted(tokens)
    assert "<script" not in shown
    assert 'title="+4.00 nats, memory 50% open"' in shown
    for name in ("much", "some", "same", "less"):
        assert f'class="lc-tint {name}"' in shown
    assert "2 of 4 pieces were made likelier by what was absorbed" in shown
    assert "The memory was 30% open on average." in shown
    assert sources.tinted([]) == ""


def test_an_answer_of_the_base_alone_claims_nothing_learned() -> None:
    summary = sources.summary([TintedToken("Paris", 0.1), TintedToken(".", 0.0)])
    assert summary == "0 of 2 pieces were made likelier by what was absorbed."


@pytest.mark.parametrize(
    ("gain", "tone"),
    [(-5.0, "less"), (-0.69, "same"), (0.0, "same"), (0.7, "some"), (3.0, "much"), (9.0, "much")],
)
def test_the_tone_says_how_much_likelier(gain: float, tone: str) -> None:
    assert sources.tone(gain) == tone


def test_the_dial_follows_what_may_be_looked_at_until_somebody_sets_it() -> None:
    assert settings_box.strength_shown({}, "retrieved") == 50
    assert settings_box.strength_shown({"context": "none"}, "none") == 100
    assert settings_box.strength_shown({"strength": 80}, "none") == gr.skip()
    assert settings_box.chosen({"context": "truncated"}).strength is None


def test_strength_is_a_percentage_on_the_page() -> None:
    assert settings_box.chosen({"strength": 50}).strength == 0.5
    assert settings_box.chosen({"strength": 150}) == ChatSettings(strength=1.5)
    assert 50 in settings_box.defaults()  # of found passages, the default


def test_where_nothing_is_chosen_the_page_shows_found_passages() -> None:
    assert settings_box.chosen({}).context == settings_box.defaults()[1] == "retrieved"


@pytest.fixture
def asked(fake: FakeLiftChat, tmp_path: Any) -> tuple[str, str]:
    """(adapter, conversation) with one answer, given at half strength."""
    note = tmp_path / "note.txt"
    note.write_text("The Lathrin drains the lake.")
    fake.advance(fake.absorb(fake.add_document(note).id).id, 99)
    adapter = fake.adapters()[0].id
    talk = fake.start_conversation(adapter).id
    list(fake.converse(talk, "Which river?", ChatSettings(strength=0.5)))
    return adapter, talk


def test_the_last_answer_is_tinted_as_it_was_given_and_hidden_again(
    fake: FakeLiftChat, asked: tuple[str, str]
) -> None:
    panel = TintHandlers(cast(Any, fake))
    waiting, shown = panel.toggle(*asked, "")
    assert "once with and once without" in waiting
    assert "Lathrin" in shown and "lc-tint-legend" in shown
    assert "most in layer 1, head 1 (40%)" in shown
    assert fake.tinted_with == [ChatSettings(strength=0.5)]
    assert list(panel.toggle(*asked, shown)) == [""]


def test_without_an_answer_there_is_nothing_to_tint(
    fake: FakeLiftChat, asked: tuple[str, str]
) -> None:
    panel = TintHandlers(cast(Any, fake))
    empty = fake.start_conversation(asked[0]).id
    for adapter, talk in ((None, ""), (asked[0], ""), (asked[0], empty)):
        with pytest.raises(gr.Error, match="Ask something first"):
            list(panel.toggle(adapter, talk, ""))
