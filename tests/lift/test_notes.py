"""Notes: what was asked once is not asked again, and the answer is the very same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_chat.adapters import kinds
from lift_chat.lift.exam import Exam
from lift_chat.lift.notes import NAME, Notes, key
from lift_chat.lift.study.teacher import ask_back
from lift_chat.models import batch
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import prompt_ids, user
from tests.conftest import QUICK, STUDIED, TALE, facts, no_turn
from tests.lift.test_lesson import Killed, Mortal, finished, lesson, lives, masters, report, same

PROMPTS = [f"Tell me of {word}." for word in ("lamps", "keepers and steps", "oil", "the ship " * 9)]


def prompts(tiny: LoadedModel) -> list[list[int]]:
    return [prompt_ids(tiny, [user(text)]) for text in PROMPTS]


def told(notes: Notes, tiny: LoadedModel, model: Any, mortal: Mortal, most: int = 9) -> list[str]:
    answers = dict(
        notes.generate(model, tiny, prompts(tiny), max_new_tokens=most, turn=mortal.turn)
    )
    return [answers[place] for place in range(len(PROMPTS))]


def test_an_answer_is_paid_for_once(tiny: LoadedModel, tmp_path: Path) -> None:
    plain = dict(batch.generate(tiny.model, tiny, prompts(tiny), max_new_tokens=9, turn=no_turn))
    first, second, longer = Mortal(), Mortal(), Mortal()
    answers = told(Notes(tmp_path), tiny, tiny.model, first)
    assert answers == [plain[place] for place in range(len(PROMPTS))] and first.taken
    assert told(Notes(tmp_path), tiny, tiny.model, second) == answers
    assert second.taken == 0
    assert told(Notes(tmp_path), tiny, tiny.model, longer, most=12) and longer.taken


def test_other_weights_are_asked_themselves(tiny: LoadedModel, tmp_path: Path) -> None:
    told(Notes(tmp_path), tiny, tiny.model, Mortal())
    adapted = kinds.attach(tiny.twin(), QUICK)
    for change, asked in ((False, True), (False, False), (True, True)):
        if change:
            with torch.no_grad():
                next(w for w in adapted.parameters() if w.requires_grad).add_(0.25)
        device = Mortal()
        told(Notes(tmp_path), tiny, adapted, device)
        assert bool(device.taken) == asked


def test_without_a_folder_nothing_is_remembered(tiny: LoadedModel) -> None:
    notes, first, second = Notes(), Mortal(), Mortal()
    told(notes, tiny, tiny.model, first)
    told(notes, tiny, tiny.model, second)
    assert first.taken == second.taken > 0


def test_what_a_kill_left_unfinished_costs_that_note_alone(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.note("first", 1)
    notes.note("second", {"text": "Åland"})
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-3])
    again = Notes(tmp_path)
    assert (again.recall("first"), again.recall("second")) == (1, None)
    again.note("third", 3)
    whole = Notes(tmp_path)
    assert [whole.recall(name) for name in ("first", "second", "third")] == [1, None, 3]


def test_only_what_is_missing_is_asked(tmp_path: Path) -> None:
    asked: list[int] = []

    def ask(places: list[int]) -> Iterator[tuple[int, str]]:
        for place in reversed(places):
            asked.append(place)
            yield place, f"answer {place}"

    keys = [key("someone", number) for number in range(4)]
    half = Notes(tmp_path).all_of(keys, ask)
    assert [next(half) for _ in range(2)] == [(3, "answer 3"), (2, "answer 2")]
    half.close()
    found = dict(Notes(tmp_path).all_of(keys, ask))
    assert found == {place: f"answer {place}" for place in range(4)}
    assert sorted(asked) == [0, 1, 2, 3]


def test_a_teacher_that_was_heard_before_teaches_the_same_numbers(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    def heard(device: Mortal, folder: Path | None) -> list[Any]:
        asked = ask_back(
            tiny.model, tiny, "A Tale", TALE, facts(), device.turn, notes=Notes(folder)
        )
        return sorted(asked, key=lambda one: one.index)

    plain, noted, again = heard(Mortal(), None), heard(Mortal(), tmp_path), Mortal()
    for one, other in zip(plain, heard(again, tmp_path), strict=True):
        assert (one.item, one.agreement, one.nll) == (other.item, other.agreement, other.nll)
        assert torch.equal(one.soft.tokens, other.soft.tokens)
        assert torch.equal(one.soft.logprobs, other.soft.logprobs)
    assert len(noted) == len(plain) and again.taken == 0


def test_an_exam_that_was_cut_off_goes_on_with_its_next_batch(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "groups", partial(batch.groups, most_rows=2))
    whole = Mortal()
    alone = Exam.of(tiny, "A Tale", TALE, facts(), whole.turn, Notes(tmp_path / "alone"))
    sitting = alone.hold(tiny.model, "closed")
    for span in repeat(whole.taken // 3, 5):
        left = Mortal(span)
        try:
            exam = Exam.of(tiny, "A Tale", TALE, facts(), left.turn, Notes(tmp_path / "cut"))
            assert exam.hold(tiny.model, "closed") == sitting
            break
        except Killed:
            continue
    else:
        raise AssertionError("the exam starts from the beginning each time")


def test_a_run_of_many_short_lives_comes_to_the_same_end(tiny: LoadedModel, tmp_path: Path) -> None:
    """No life is long enough for more than a part of any phase but training, whose checkpoints
    are there for that."""
    device = Mortal()
    calm = lesson(tiny, tmp_path / "calm", STUDIED, turn=device.turn)
    undisturbed = finished(calm)

    def make(mortal: Mortal) -> Any:
        return lesson(tiny, tmp_path / "run", STUDIED, turn=mortal.turn)

    survivor, begun = lives(make, repeat(device.taken // 6, 40))
    assert same(masters(survivor), undisturbed) and report(survivor) == report(calm)
    assert len(begun) > 6
