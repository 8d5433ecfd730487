from __future__ import annotations

import json
from collections import Counter
from importlib import resources

import pytest
import torch

from lift_chat import examples
from lift_chat.adapters import lora
from lift_chat.lift.forgetting import (
    WINDOW,
    Forgetting,
    General,
    control_text,
    probe,
    quiz,
)
from lift_chat.models.loading import LoadedModel
from tests.conftest import QUICK, no_turn
from tests.lift.test_choices import by_hand

FINE = General(loss=3.0, quiz=84.4)


def test_the_probe_is_the_mean_loss_and_the_share_of_right_answers(tiny: LoadedModel) -> None:
    measured = probe(tiny.model, tiny, no_turn)
    ids = torch.tensor([tiny.tokenizer(control_text(), add_special_tokens=False)["input_ids"]])
    total, count, right = 0.0, 0, 0
    for window in ids.split(WINDOW, dim=1):
        with torch.no_grad():
            mean = float(tiny.model(input_ids=window, labels=window).loss)
        total, count = total + mean * (window.shape[1] - 1), count + window.shape[1] - 1
    for question in quiz():
        answers = [f"{question.begin} {choice}" for choice in question.choices]
        chances = by_hand(tiny, question.question, answers)
        right += chances.index(max(chances)) == question.correct
    assert ids.shape[1] > WINDOW
    assert measured.loss == pytest.approx(total / count, rel=1e-4)
    assert measured.quiz == 100 * right / 32


def test_what_an_adapter_changes_shows_in_the_probe_of_its_tree_alone(tiny: LoadedModel) -> None:
    adapted = lora.attach(tiny.twin(), QUICK)
    before = probe(adapted, tiny, no_turn)
    assert before == probe(tiny.model, tiny, no_turn)
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.normal_()
    after = probe(adapted, tiny, no_turn)
    assert abs(after.loss - before.loss) > 0.01 and after.quiz != before.quiz
    assert probe(tiny.model, tiny, no_turn) == before


def test_small_changes_are_no_reason_to_warn() -> None:
    assert Forgetting(FINE, General(loss=3.34, quiz=75.0)).warning == ""
    assert Forgetting(FINE, General(loss=2.0, quiz=100.0)).warning == ""


def test_each_sign_of_forgetting_is_named_in_one_sentence() -> None:
    loss = Forgetting(FINE, General(loss=3.4, quiz=84.4)).warning
    answers = Forgetting(FINE, General(loss=3.0, quiz=71.9)).warning
    both = Forgetting(FINE, General(loss=9.0, quiz=25.0)).warning
    assert "3.40 nats" in loss and "quiz" not in loss
    assert "72 %" in answers and "nats" not in answers
    assert "9.00 nats" in both and "25 %" in both
    assert "nan nats" in Forgetting(FINE, General(loss=float("nan"), quiz=84.4)).warning


def test_what_is_stored_is_rounded_and_keeps_the_warning() -> None:
    found = Forgetting(General(3.45174, 84.375), General(4.0, 81.25))
    stored = json.loads(json.dumps(found.to_json()))
    assert stored == {
        "loss_before": 3.452,
        "loss_after": 4.0,
        "quiz_before": 84.4,
        "quiz_after": 81.2,
        "warning": found.warning,
    }
    assert stored["warning"]


def test_the_quiz_has_32_questions_whose_right_places_are_spread_evenly() -> None:
    questions = quiz()
    assert Counter(item.correct for item in questions) == {0: 8, 1: 8, 2: 8, 3: 8}
    assert len({item.question for item in questions}) == 32
    for item in questions:
        assert len(set(item.choices)) == 4
        # A choice that begins another one would have no token of its own to be scored by.
        assert not any(b.startswith(a) for a in item.choices for b in item.choices if a != b)


def test_the_control_text_shares_no_phrase_with_the_example() -> None:
    folder = resources.files(examples)
    example = folder.joinpath("the-lake-that-rang.md").read_text(encoding="utf-8").split()
    words = control_text().split()
    runs = [{tuple(text[i : i + 6]) for i in range(len(text) - 5)} for text in (example, words)]
    assert 400 < len(words) < 550
    assert not runs[0] & runs[1]
