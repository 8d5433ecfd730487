"""Recipes by name, and how a command line changes them."""

from __future__ import annotations

import pytest

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.recipes import NAMED, recipe_of, recipes_of
from lift_chat.lift.recipe import LiftConfig


def test_ours_is_what_a_user_gets() -> None:
    assert recipe_of("ours") == ("ours", LiftConfig.preset("read"))
    assert recipe_of("skim") == ("skim", LiftConfig.preset("skim"))


def test_the_generations_are_those_of_the_papers() -> None:
    _, g2 = recipe_of("g2")
    _, g3 = recipe_of("g3")
    _, raw = recipe_of("raw")
    assert g2 is not None and g3 is not None and raw is not None
    assert (g2.segment_epochs, g2.epochs, g2.context_tokens, g2.study) == (3, 5, 4096, "evidence")
    assert (g3.segments, g3.study, g3.questions, g3.epochs) == ("none", "sentences", 10, 5)
    assert (raw.segments, raw.study) == ("overlapping", "none")
    assert {name for name in NAMED if recipe_of(name)[1]} == set(NAMED)


def test_settings_behind_a_name_change_ours_or_what_they_are_from() -> None:
    name, config = recipe_of("long=epochs:9,learning-rate:2e-4,schedule:constant")
    changes = {"epochs": 9, "learning_rate": 2e-4, "schedule": "constant"}
    assert (name, config) == ("long", LiftConfig.preset("read").with_changes(**changes))
    _, from_g3 = recipe_of("few=from:g3,questions:2")
    _, g3 = recipe_of("g3")
    assert g3 is not None
    assert from_g3 == g3.with_changes(questions=2)
    assert recipe_of("g3=questions:2")[1] == from_g3


def test_the_base_needs_no_recipe() -> None:
    assert recipes_of(["base"]) == {}
    assert list(recipes_of(["base", "raw", "ours"])) == ["raw", "ours"]


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["g4"], "no recipe 'g4'"),
        (["x=from:g4"], "no recipe 'g4'"),
        (["x=epochs"], "KEY:VALUE"),
        (["x=epochs:0"], "epochs must lie"),
        (["x=epoch:3"], "Unknown settings: epoch"),
        (["a/b"], "plain name"),
        (["base=epochs:3"], "no recipe"),
        (["raw", "raw=epochs:2"], "Two recipes"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(texts: list[str], problem: str) -> None:
    with pytest.raises(InvalidConfig, match=problem):
        recipes_of(texts)
