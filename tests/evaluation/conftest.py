"""Two made-up documents, and recipes that the tiny model is through with in a second."""

from __future__ import annotations

import pytest

from lift_chat.evaluation.questions import EvalDocument, EvalQuestion
from tests.conftest import TALE

SHIP = (
    "The Gannet carried salt and lamp oil between the islands of Marrow. Her mate, Brannoch Lyle, "
    "kept a parrot that could count to nineteen. In the year of the long frost they found a bell "
    "of green glass on a reef, and nobody on board would ring it. "
)


@pytest.fixture
def lamp() -> EvalDocument:
    return EvalDocument(
        "lamp",
        "The Lamp of Orrin Vale",
        TALE,
        (
            EvalQuestion("Who lit the lamp?", ("Sable Quist", "a keeper"), kind="who"),
            EvalQuestion("What did the captain send?", ("a cask of honey",), kind="what"),
        ),
    )


@pytest.fixture
def ship() -> EvalDocument:
    return EvalDocument(
        "ship",
        "The Gannet",
        SHIP,
        (
            EvalQuestion("Who kept a parrot?", ("Brannoch Lyle",), kind="who"),
            EvalQuestion(
                "What was found?",
                ("a bell of green glass",),
                kind="what",
                choices=("a cask of honey", "a bell of green glass"),
            ),
        ),
    )
