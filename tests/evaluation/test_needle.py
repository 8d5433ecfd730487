"""Needles stand where they are said to stand, and in no other way than that."""

from __future__ import annotations

from itertools import combinations

import pytest

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.metrics import keywords_share, words
from lift_chat.evaluation.needle import Grid, documents, insert, needle
from lift_chat.models.loading import LoadedModel
from tests.conftest import TALE

HAY = " ".join(f"Sentence {n} is about the lamp of number {n}." for n in range(80))


def tokens(tiny: LoadedModel, text: str) -> int:
    return len(tiny.tokenizer(text, add_special_tokens=False)["input_ids"])


def test_every_depth_is_really_reached(tiny: LoadedModel) -> None:
    grid = Grid(lengths=(900,), depths=(0, 20, 40, 60, 80, 100))
    shares = []
    for document in documents(tiny.tokenizer, "Lamps", HAY, grid):
        facts = dict(document.facts)
        sentence = needle(f"0-{document.id.removeprefix('needle-')}").sentence
        start = document.text.index(sentence)
        # the token that is reported is the one where the needle's own words begin
        assert tokens(tiny, document.text[:start]) == pytest.approx(facts["token"], abs=1)
        shares.append(facts["token"] / (facts["tokens"] - tokens(tiny, sentence)))
        assert document.questions[0].kind == f"{facts['depth']} %"
    assert shares == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1], abs=0.03)


@pytest.mark.parametrize("depth", [0, 37, 100])
def test_the_needle_stands_between_whole_sentences(tiny: LoadedModel, depth: int) -> None:
    text, start = insert(tiny.tokenizer, TALE.strip(), depth, "THE NEEDLE IS HERE.")
    assert text[start:].startswith("THE NEEDLE IS HERE.")
    without = text.replace("THE NEEDLE IS HERE.", "")
    assert " ".join(without.split()) == " ".join(TALE.split())
    before = text[:start].rstrip()
    assert not before or before.endswith(".")


def test_no_two_texts_hold_the_same_needle(tiny: LoadedModel) -> None:
    grid = Grid(lengths=(200, 400), depths=(0, 50, 100), needles=3)
    made = list(documents(tiny.tokenizer, "Lamps", HAY, grid))
    assert len(made) == 18
    assert len({document.id for document in made}) == 18
    for one, other in combinations(made, 2):
        assert one.questions[0].question != other.questions[0].question


def test_only_the_needle_answers_its_question() -> None:
    for seed in range(30):
        hidden = needle(str(seed))
        assert keywords_share(hidden.answer, hidden.keywords) == 1
        assert set(words(hidden.answer)) <= set(words(hidden.sentence))
        assert keywords_share(hidden.question, hidden.keywords) == 0
        assert hidden == needle(str(seed))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"lengths": ()}, "at least 32 tokens"),
        ({"lengths": (10,)}, "at least 32 tokens"),
        ({"depths": (101,)}, r"0\.\.100"),
        ({"needles": 0}, "1 to 100 needles"),
    ],
)
def test_a_wrong_grid_is_one_sentence(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidConfig, match=problem):
        Grid(**changes)  # type: ignore[arg-type]


def test_a_text_that_is_too_short_is_said(tiny: LoadedModel) -> None:
    with pytest.raises(InvalidConfig, match="fewer than 100,000"):
        list(documents(tiny.tokenizer, "Lamps", HAY, Grid(lengths=(100_000,))))
