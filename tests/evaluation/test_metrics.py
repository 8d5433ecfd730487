"""Answer metrics against values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lift_chat.evaluation.metrics import (
    Scores,
    answer_recall,
    contains_gold,
    exact_match,
    keywords_share,
    number_share,
    rouge_l,
    score,
    token_f1,
    words,
)

WORD = st.sampled_from(["lake", "ice", "goat", "611", "the", "a", "bell", "—", "’"])
TEXT = st.lists(WORD, max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Mess-Room Door.", ["messroom", "door"]),
        ("  a  goat,\nan ox\tand the “Heron” ", ["goat", "ox", "and", "heron"]),
        ("14,000 crowns ($)", ["14000", "crowns"]),
        ("Widow’s Basin", ["widows", "basin"]),
        ("1926–1927", ["1926", "1927"]),
        ("theatre another", ["theatre", "another"]),
        ("The a. an!", []),
        ("ÉMERIC\u00a0Thaulby", ["émeric", "thaulby"]),
    ],
)
def test_case_punctuation_articles_and_spaces_do_not_count(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_curly_and_straight_apostrophes_are_the_same() -> None:
    assert exact_match("the Widow's Basin", ["Widow’s Basin"]) == 1


def test_exact_match_needs_all_words_in_order() -> None:
    assert exact_match("The Soft Acre!", ["soft acre"]) == 1
    assert exact_match("Acre Soft", ["Soft Acre"]) == 0
    assert exact_match("the Soft Acre of ice", ["Soft Acre"]) == 0


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    # given: mess room door of ship (5), gold: mess room door (3); 3 shared; P 3/5, R 1; F1 6/8
    assert token_f1("mess room door of the ship", ["the mess room door"]) == pytest.approx(0.75)
    # given: copper kettle (2), gold: copper jam kettle (3); 2 shared; P 1, R 2/3; F1 4/5
    assert token_f1("a copper kettle", ["a copper jam kettle"]) == pytest.approx(0.8)
    assert token_f1("a goat", ["silver harmonica"]) == 0


def test_f1_counts_a_repeated_word_as_often_as_both_have_it() -> None:
    # given: door door door (3), gold: door (1); 1 shared; F1 2 / 4
    assert token_f1("door door door", ["door"]) == pytest.approx(0.5)
    # given: ice (1), gold: ice ice (2); 1 shared; F1 2 / 3
    assert token_f1("ice", ["ice ice"]) == pytest.approx(2 / 3)


def test_recall_is_the_share_of_the_golds_words_and_ignores_further_words() -> None:
    assert answer_recall("They used a jam kettle, I think.", ["copper jam kettle"]) == (
        pytest.approx(2 / 3)
    )
    assert answer_recall("He steered with the door of the mess room.", ["door"]) == 1
    assert answer_recall("ice", ["ice ice"]) == pytest.approx(0.5)


def test_contains_needs_the_golds_words_in_one_run() -> None:
    assert contains_gold("It was a silver harmonica, sealed in a tin.", ["silver harmonica"]) == 1
    assert contains_gold("a harmonica of silver", ["silver harmonica"]) == 0
    assert contains_gold("The lake is 6110 metres deep.", ["611"]) == 0
    assert contains_gold("harmonica", ["silver harmonica"]) == 0


def test_the_best_gold_counts_for_each_number() -> None:
    golds = ["6,000 crowns", "six thousand"]
    # against "six thousand": 2 words shared, 3 given, 2 in the gold; F1 4 / 5
    assert score("Six thousand crowns", golds) == Scores(
        exact=0, f1=0.8, recall=1, contains=1, rouge_l=0.8
    )


@pytest.mark.parametrize(("answer", "gold", "expected"), [("", "—", 1), ("", "ice", 0)])
def test_an_answer_without_words_equals_only_a_gold_without_words(
    answer: str, gold: str, expected: int
) -> None:
    assert score(answer, [gold]) == Scores(*[expected] * 5)


def test_a_gold_without_words_is_not_found_in_words() -> None:
    assert score("ice", ["the"]) == Scores(0, 0, 0, 0, 0)


def test_no_gold_is_refused() -> None:
    with pytest.raises(ValueError, match="no gold"):
        token_f1("ice", [])


@settings(deadline=None)
@given(TEXT, st.lists(TEXT, min_size=1, max_size=3))
def test_the_numbers_keep_their_order_and_range(answer: str, golds: list[str]) -> None:
    scores = score(answer, golds)
    assert 0 <= scores.exact <= scores.f1 <= 1
    assert scores.exact <= scores.contains <= scores.recall <= 1


@settings(deadline=None)
@given(TEXT)
def test_an_answer_agrees_fully_with_itself(text: str) -> None:
    assert score(text, [text]) == Scores(1, 1, 1, 1, 1)


def test_rouge_l_counts_the_longest_common_subsequence() -> None:
    # Lin 2004, section 3.1: "police ... the gunman" has 3 of 4 words, "the gunman ... police" 2
    assert rouge_l("police kill the gunman", ["police killed the gunman"]) == 0.75
    assert rouge_l("the gunman kill police", ["police killed the gunman"]) == 0.5


def test_rouge_l_counts_articles_and_order_where_f1_does_not() -> None:
    assert rouge_l("bell ice", ["ice bell"]) == 0.5
    assert rouge_l("the ice", ["a ice"]) == 0.5
    assert token_f1("bell the ice", ["ice a bell"]) == 1


@settings(deadline=None)
@given(TEXT, st.lists(TEXT, min_size=1, max_size=3))
def test_rouge_l_lies_between_nothing_and_all(answer: str, golds: list[str]) -> None:
    assert 0 <= rouge_l(answer, golds) <= 1


def test_keywords_are_counted_one_by_one() -> None:
    assert keywords_share("Seven copper bells.", ["seven", "copper", "bells"]) == 1
    assert keywords_share("Seven bells.", ["seven", "copper", "bells", "in the cellar"]) == 0.5
    with pytest.raises(ValueError, match="no keyword"):
        keywords_share("Seven", [])


def test_only_right_numbers_count_and_wrong_ones_cost() -> None:
    assert number_share("Paragraph 12", ["Paragraph 12"]) == 1
    assert number_share("Paragraph 12 or 13", ["Paragraph 12"]) == 0.5
    assert number_share("Paragraph 1", ["Paragraph 12"]) == 0
    assert number_share("the last one", ["Paragraph 12"]) == 0
