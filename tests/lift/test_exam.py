from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from lift_chat.adapters import kinds
from lift_chat.evaluation.metrics import token_f1
from lift_chat.lift import exam as exam_module
from lift_chat.lift.absorption import answer_nll
from lift_chat.lift.exam import ANSWER_TOKENS, Exam
from lift_chat.models import batch
from lift_chat.models.batch import generate
from lift_chat.models.context import ChatSettings, Source, assemble
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import question_ids
from storage.records import Message, Page, StudyItem
from tests.conftest import QUICK, TALE, facts, no_turn


def sit(tiny: LoadedModel, items: list[StudyItem] | None = None, text: str = TALE) -> Exam:
    source = Source("Orrin Vale", [Page(1, "1", 0, len(text), text)])
    return Exam(tiny, source, text, facts() if items is None else items, no_turn)


def other(tiny: LoadedModel, seed: int = 1) -> Any:
    """An adapter that says other things than the base."""
    adapted = kinds.attach(tiny.twin(), QUICK)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.normal_(std=0.2)
    return adapted


def test_answers_are_greedy_and_scored_by_token_f1(tiny: LoadedModel) -> None:
    exam = sit(tiny)
    prompts = [question_ids(tiny, "Orrin Vale", one.question) for one in exam.items]
    told = dict(generate(tiny.model, tiny, prompts, max_new_tokens=ANSWER_TOKENS, turn=no_turn))
    said = next(i for i in told if token_f1(told[i], [told[i]]) == 1)
    exam.items = [
        replace(one, answer=told[i]) if i == said else one for i, one in enumerate(exam.items)
    ]
    sitting = exam.hold(tiny.model, "closed")
    assert sitting.answers == tuple(told[i] for i in range(len(told)))
    scores = [token_f1(told[i], [one.answer]) for i, one in enumerate(exam.items)]
    assert sitting.f1 == round(100 * sum(scores) / len(scores), 1) >= 12.5


@pytest.mark.parametrize("window", ["closed", "truncated"])
def test_the_exam_asks_as_a_chat_does(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch, window: str
) -> None:
    asked: list[list[int]] = []

    def recorded(model: Any, loaded: LoadedModel, prompts: Any, **more: Any) -> Any:
        asked.extend(prompts)
        return generate(model, loaded, prompts, **more)

    monkeypatch.setattr(batch, "generate", recorded)
    exam = sit(tiny, facts(TALE)[:2], TALE * 4)
    exam.hold(tiny.model, window)
    mode: Any = {"closed": "none", "truncated": "truncated"}[window]
    settings = ChatSettings(context=mode, max_new_tokens=ANSWER_TOKENS)
    for one, prompt in zip(exam.items, asked, strict=True):
        chat = assemble(tiny, exam.source, [Message("user", one.question)], settings)
        assert prompt == chat.ids
        assert (chat.facts.document_tokens > 0) == (window == "truncated")
    assert len(asked) == 2


def test_a_base_that_learned_nothing_has_an_absorption_of_zero(tiny: LoadedModel) -> None:
    exam = sit(tiny)
    exam.before(tiny.model)
    assert exam.absorption is None
    exam._nll["opened"] = [value - 1 for value in exam._nll["without"]]
    exam.after(tiny.model, 9)
    assert exam.absorption == pytest.approx(0, abs=1e-6)
    exam.after(other(tiny), 9)
    assert abs(exam.absorption) > 1e-3


def test_a_restored_exam_goes_on_as_if_nothing_had_been(tiny: LoadedModel) -> None:
    whole, cut = sit(tiny), sit(tiny)
    adapted = other(tiny)
    for exam in (whole, cut):
        exam.before(tiny.model)
        exam.during(adapted, 4)
    fresh = sit(tiny)
    fresh.restore(json.loads(json.dumps(cut.state())))
    assert fresh.state() == whole.state()
    for exam in (whole, fresh):
        exam.during(tiny.model, 8)
        exam.after(adapted, 12)
    assert fresh.report() == whole.report() and fresh.pinned == whole.pinned
    assert fresh.absorption == whole.absorption
    assert [point["step"] for point in fresh.history] == [0, 4, 8, 12]


def test_a_sitting_that_is_held_again_replaces_what_came_after(tiny: LoadedModel) -> None:
    exam = sit(tiny)
    exam.before(tiny.model)
    for step in (4, 8):
        exam.during(tiny.model, step)
    told = exam.during(other(tiny), 4)
    assert [point["step"] for point in exam.history] == [0, 4]
    for entry, one in zip(exam.pinned, told, strict=True):
        assert [answer["step"] for answer in entry["answers"]] == [0, 4]
        assert entry["answers"][1]["text"] == one.answer != entry["answers"][0]["text"]


def test_three_questions_of_beginning_middle_and_end_are_pinned(tiny: LoadedModel) -> None:
    exam = sit(tiny)
    pinned = exam.before(tiny.model)
    chosen = [facts()[i] for i in (0, 3, 7)]
    assert [(one.question, one.gold) for one in pinned] == [(i.question, i.answer) for i in chosen]
    assert [one.answer for one in pinned] == [exam.base["closed"].answers[i] for i in (0, 3, 7)]
    assert len(sit(tiny, facts()[:1]).before(tiny.model)) == 1


def test_where_questions_are_marked_as_pinned_these_are_shown(tiny: LoadedModel) -> None:
    marked = [
        replace(item, kind="pinned") if i in (1, 5) else item for i, item in enumerate(facts())
    ]
    pinned = sit(tiny, marked).before(tiny.model)
    assert [one.question for one in pinned] == [facts()[i].question for i in (1, 5)]


def test_a_question_about_more_than_fits_is_opened_at_both_ends(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def recorded(model: Any, loaded: LoadedModel, prompts: Any, golds: Any, turn: Any) -> Any:
        asked.extend(len(prompt) for prompt in prompts)
        return answer_nll(model, loaded, prompts, golds, turn)

    monkeypatch.setattr(exam_module, "answer_nll", recorded)
    text = TALE * 20
    whole = replace(facts()[0], end=len(text), kind="exam")
    assert len(tiny.tokenizer(text)["input_ids"]) > 2 * tiny.window
    sit(tiny, [whole], text).before(tiny.model)
    assert len(asked) == 2 and tiny.window // 2 < max(asked) <= tiny.window


def test_waiting_counts_the_sittings_since_the_last_gain(tiny: LoadedModel) -> None:
    exam = sit(tiny)
    assert exam.waited == 0
    waited = []
    for step, score in enumerate([90.0, 10.0, 20.0, 20.0, 15.0, 30.0]):
        exam.history.append({"step": step, "closed": score})
        waited.append(exam.waited)
    assert waited == [0, 0, 0, 1, 2, 0]  # what the base could say is no gain


def test_the_report_holds_both_models_in_both_windows_and_the_control(tiny: LoadedModel) -> None:
    exam = sit(tiny)
    assert exam.report() is None
    exam.before(tiny.model)
    adapted = other(tiny)
    exam.after(adapted, 5)
    stranger = other(tiny, seed=2)
    exam.compare(stranger, "Another book")
    report = json.loads(json.dumps(exam.report()))
    assert report["questions"] == 8
    assert report["base"].keys() == report["adapter"].keys() == {"closed", "truncated"}
    assert report["control"] == {
        "name": "Another book",
        "closed": exam.hold(stranger, "closed").f1,
    }
    assert report["history"] == [
        {"step": 0, "closed": report["base"]["closed"]},
        {"step": 5, "closed": report["adapter"]["closed"]},
    ]
    for window in ("closed", "truncated"):
        for who, model in (("base", tiny.model), ("adapter", adapted)):
            said = [answer[f"{who}_{window}"] for answer in report["answers"]]
            assert tuple(said) == exam.hold(model, window).answers
    assert [answer["gold"] for answer in report["answers"]] == [i.answer for i in facts()]


def test_without_questions_there_is_no_exam(tiny: LoadedModel) -> None:
    assert not sit(tiny, []) and sit(tiny, []).report() is None
