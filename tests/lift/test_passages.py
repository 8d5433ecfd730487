from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lift_chat.lift.passages import Span, passages, sentences
from lift_chat.models.loading import LoadedModel
from tests.conftest import TALE

LETTERS = st.sampled_from([*"abC1é漢🕯—", ". ", "! ", "? ", "。", "\n", "\n\n", " ", "\r\n"])
TEXTS = st.lists(LETTERS, max_size=80).map("".join)


def tokens(tiny: LoadedModel, text: str) -> int:
    return len(tiny.tokenizer(text, add_special_tokens=False)["input_ids"])


def covers(spans: list[Span], text: str) -> bool:
    edges = [0, *(span.end for span in spans)]
    starts = [span.start for span in spans]
    return (
        starts == edges[:-1] and edges[-1] == len(text) and all(a < b for a, b in pairwise(edges))
    )


@given(text=TEXTS)
@settings(max_examples=60)
def test_sentences_cover_a_text_without_gap_or_overlap(text: str) -> None:
    assert covers(sentences(text), text) or not text.strip()


@given(text=TEXTS, most=st.integers(4, 60))
@settings(max_examples=60)
def test_passages_cover_a_text_and_are_cut_between_sentences(
    tiny: LoadedModel, text: str, most: int
) -> None:
    found = passages(tiny.tokenizer, text, most)
    assert covers(found, text) or not text.strip()
    assert {span.end for span in found} <= {span.end for span in sentences(text)}


def test_sentences_are_those_of_the_text() -> None:
    assert [span.of(TALE)[:9] for span in sentences(TALE)] == [
        "The lamp ",
        "On the ni",
        "The ship ",
        "Her capta",
    ]


def test_a_dot_in_an_abbreviation_ends_no_sentence_of_its_language() -> None:
    assert len(sentences("Mr. Vale saw Dr. Quist. She waved.", "en")) == 2
    german = "Das ist z.B. ein Boot. Es fährt."
    assert [span.of(german) for span in sentences(german, "de")][-1] == "Es fährt."


@pytest.mark.parametrize("language", ["xx", "", "klingon"])
def test_an_unknown_language_is_split_like_english(language: str) -> None:
    assert sentences(TALE, language) == sentences(TALE, "en")


def test_what_says_nothing_is_no_sentence_of_its_own() -> None:
    text = "The oil froze. * * * ... She waited."
    found = sentences(text)
    assert covers(found, text)
    assert all(any(letter.isalnum() for letter in span.of(text)) for span in found)


def test_passages_are_about_as_long_as_asked_and_end_without_a_crumb(tiny: LoadedModel) -> None:
    text = "".join(f"The keeper lit lamp {n} at dusk. " for n in range(41))
    one = tokens(tiny, "The keeper lit lamp 10 at dusk. ")
    for most in (60, 100, 150, 400):
        lengths = [tokens(tiny, span.of(text)) for span in passages(tiny.tokenizer, text, most)]
        assert max(lengths) <= most + one
        assert max(lengths) - min(lengths) <= 2 * one
        assert abs(len(lengths) - tokens(tiny, text) / most) < 1


def test_a_sentence_longer_than_a_passage_is_one_by_itself(tiny: LoadedModel) -> None:
    long = "She burned " + "letter after letter and " * 20 + "slept. "
    text = f"The oil froze. {long}The ship turned. It was late."
    found = [span.of(text) for span in passages(tiny.tokenizer, text, 32)]
    assert long.strip() in found


def test_a_text_without_words_has_no_passage_to_ask_about(tiny: LoadedModel) -> None:
    assert passages(tiny.tokenizer, "", 100) == []
