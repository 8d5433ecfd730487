from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lift_chat.learned import Learned, pinned_of
from storage.records import Adapter
from tests.ui.numbers import METRICS, PINNED, pinned_at
from ui import cards, pinned, report

EVIL = "<img src=x onerror=alert(1)>"
ADAPTER = Adapter(
    id="a", owner="local", document_id="d", name="Lamp", kind="lora", base_model="org/Base",
    base_revision="", base_fingerprint="", recipe={}, metrics=METRICS, tags=(), note="", bytes=1,
    state="ready", created_at="",
)  # fmt: skip


def drawn(**changes: Any) -> str:
    return report.learned(Learned.of({**METRICS, **changes}))


def test_the_exam_is_told_before_and_after_with_its_control() -> None:
    html = drawn()
    assert "Exam: 12 % before, 34 % now." in html
    for cells in ("12 %</td><td>24 %", "34 %</td><td>42 %", "13 %</td><td>–"):
        assert cells in html
    assert "Control: “The Lathrin Survey”" in html
    assert "16 questions that were set aside" in html
    assert "Control" not in drawn(exam={**METRICS["exam"], "control": None})


def test_absorption_forgetting_and_study_are_sentences() -> None:
    html = drawn()
    assert "Learned 43 % of what having the passage open gives." in html
    assert "a quiz fell by 12 points." in html
    assert "Loss on an unrelated text 3.12 before, 3.71 now; general quiz 62 % before" in html
    assert "71 kept. Left out: 6 unreadable, 9 asked twice" in html
    calm = drawn(forgetting={**METRICS["forgetting"], "warning": ""})
    assert "No forgetting was noticed." in calm and "lc-notice" not in calm


def test_every_answer_of_the_exam_is_in_a_table() -> None:
    html = drawn()
    for question, gold, answers in PINNED:
        assert f'role="rowheader">{question}</th>' in html
        assert f'data-name="In the text">{gold}</td>' in html
        assert f'data-name="Now">{answers[-1][1]}</td>' in html
    assert 'data-name="Before">(no answer)</td>' in html


def test_an_older_adapter_looks_as_before() -> None:
    old = replace(ADAPTER, metrics={"loss_before": 3.4, "loss_after": 0.52})
    assert report.learned(Learned.of(old.metrics)) == ""
    card = cards.adapter_card(old)
    assert "loss 3.40 → 0.52" in card and "exam" not in card and "lc-strip" not in card


def test_a_card_tells_exam_absorption_and_forgetting() -> None:
    card = cards.adapter_card(ADAPTER)
    for told in ("exam 12 → 34 %", "43 % absorbed", "forgot other things", "lc-strip"):
        assert told in card


def test_an_exam_that_went_down_is_not_shown_as_good() -> None:
    worse = {"base": {"closed": 30.0}, "adapter": {"closed": 20.0}}
    found = Learned.of({"exam": worse})
    assert 'class="lc-chip warn">exam 30 → 20 %' in cards.learned_chips(found)


@pytest.mark.parametrize(
    "metrics",
    [
        {"exam": "x", "absorption": "much", "forgetting": [], "memory_map": {}, "pinned": 3},
        {"exam": {"base": {"closed": "12"}, "adapter": 3}, "study": [1], "pinned": [3, {}]},
        {"exam": None, "absorption": float("nan"), "memory_map": [{"page": 1}, None]},
        {"absorption": True, "forgetting": {"warning": 3}},
    ],
)
def test_metrics_of_another_shape_are_left_out(metrics: dict[str, Any]) -> None:
    assert report.learned(Learned.of(metrics)) == ""


@pytest.mark.parametrize(
    ("absorption", "told"),
    [(-0.2, "Learned nothing"), (0.0, "Learned nothing"), (0.43, "Learned 43 %"),
     (1.0, "Learned all"), (1.3, "Learned all")],
)  # fmt: skip
def test_absorption_is_told_within_what_it_can_mean(absorption: float, told: str) -> None:
    assert Learned.of({"absorption": absorption}).absorbed().startswith(told)


def test_pinned_answers_are_told_to_come_from_the_weights_alone() -> None:
    html = pinned.box(pinned_of(pinned_at(11)), over=False)
    assert "from the weights alone: nothing of the document is in the window" in html
    assert pinned.box((), over=False) == ""


def test_a_pinned_question_shows_its_way_from_before_to_now() -> None:
    answers = pinned_of(pinned_at(20))[0].answers
    assert [row[0] for row in pinned.history(answers[:1], over=False)] == ["Before"]
    assert [row[0] for row in pinned.history(answers, over=False)] == [
        "Before", "Step 6", "Step 11", "Now",
    ]  # fmt: skip
    assert pinned.history(answers, over=True)[-1][0] == "After"
    assert pinned.history((), over=False) == [("Before", "Not asked yet.", "wait")]


def test_answers_that_repeat_are_told_once_and_many_are_cut_short() -> None:
    same = [(step, "oil") for step in range(9)]
    assert [row[0] for row in pinned.history(same, over=False)] == ["Before", "Now"]
    many = [(step, f"answer {step}") for step in range(40)]
    shown = pinned.history(many, over=False)
    assert [row[0] for row in shown] == ["Before", "", "Step 37", "Step 38", "Now"]


def test_nothing_that_a_model_or_a_document_says_becomes_markup() -> None:
    told = [{"question": EVIL, "gold": EVIL, "answers": [{"step": 0, "text": EVIL}]}]
    answers = [dict.fromkeys(METRICS["exam"]["answers"][0], EVIL)]
    exam = {**METRICS["exam"], "answers": answers, "control": {"closed": 1.0, "name": EVIL}}
    html = drawn(pinned=told, exam=exam, study={"dropped": {EVIL: 1}}, forgetting={"warning": EVIL})
    assert "<img" not in html and "onerror" in html
