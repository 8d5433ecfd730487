from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from lift_chat.lift.batching import Unit
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.losses import IGNORE
from lift_chat.lift.passages import passages
from lift_chat.lift.questions import QuestionSamples, Taught
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.samples import Sample
from lift_chat.models.loading import LoadedModel
from tests.conftest import QUICK, TALE, facts

TEXT = " ".join(f"word{number:04d}" for number in range(120))
"""Every word once, so that a word tells where it comes from."""


def ids_of(tiny: LoadedModel, text: str) -> list[int]:
    return list(tiny.tokenizer(text, add_special_tokens=False)["input_ids"])


def plan(tiny: LoadedModel, text: str = TEXT, *, items: int = 0, **changes: Any) -> Curriculum:
    study = {"study": "passages", "passage_tokens": 40} if items else {}
    config = QUICK.with_changes(**study, **changes)
    spans = passages(tiny.tokenizer, text, 40)
    taught = [Taught(item) for item in facts()[:items]]
    questions = QuestionSamples(tiny, "Orrin Vale", text, spans, taught) if items else None
    return Curriculum(tiny, "Orrin Vale", ids_of(tiny, text), config, questions)


def all_units(made: Curriculum) -> list[list[Unit]]:
    return [made.units(step) for step in range(made.steps)]


def of_epoch(made: Curriculum, epoch: int) -> list[Sample]:
    steps = [step for step in range(made.steps) if made.epoch_of(step) == epoch]
    return [sample for step in steps for unit in made.units(step) for sample in unit]


EVERYTHING: dict[str, Any] = {
    "items": 8,
    "text": TALE,
    "segments": "random",
    "context_tokens": 60,
    "segment_epochs": 2,
    "epochs": 3,
    "open_share": 1.5,
    "batch_segments": 3,
}


def test_a_step_has_the_same_units_at_every_call_and_in_a_fresh_object(tiny: LoadedModel) -> None:
    made = plan(tiny, **EVERYTHING)
    forward = all_units(made)
    backward = [plan(tiny, **EVERYTHING).units(step) for step in reversed(range(made.steps))]
    assert list(reversed(backward)) == forward == all_units(made)
    assert all(forward)


def test_another_seed_gives_another_plan(tiny: LoadedModel) -> None:
    assert all_units(plan(tiny, **EVERYTHING)) != all_units(plan(tiny, **EVERYTHING, seed=1))


def test_the_first_stage_has_windows_alone_and_the_second_questions_too(tiny: LoadedModel) -> None:
    made = plan(tiny, TALE, items=8, segment_epochs=2, epochs=3)
    for epoch in range(5):
        kinds = {sample.is_text for sample in of_epoch(made, epoch)}
        assert kinds == ({True} if epoch < 2 else {True, False})


def test_without_segments_there_are_questions_alone(tiny: LoadedModel) -> None:
    made = plan(tiny, TALE, items=8, segments="none")
    assert {s.is_text for epoch in range(made.epochs) for s in of_epoch(made, epoch)} == {False}


def test_every_window_is_trained_once_per_epoch_in_an_order_of_its_own(tiny: LoadedModel) -> None:
    made = plan(tiny, segment_epochs=1, epochs=2)
    orders = [[sample.ids for sample in of_epoch(made, epoch)] for epoch in range(3)]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])
    assert len(set(orders[0])) == len(orders[0]) > 8
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize("segments", ["overlapping", "random"])
def test_windows_of_an_epoch_cover_every_token(tiny: LoadedModel, segments: Any) -> None:
    made, ids = plan(tiny, segments=segments), ids_of(tiny, TEXT)
    for epoch in range(made.epochs):
        windows = sorted(places(ids, sample.ids) for sample in of_epoch(made, epoch))
        covered = {place for start, end in windows for place in range(start, end)}
        assert covered >= set(range(1, len(ids) - 1))


def places(ids: list[int], piece: tuple[int, ...]) -> tuple[int, int]:
    """Where a window stands; the words are all different, so it stands there only."""
    found = [i for i in range(len(ids)) if tuple(ids[i : i + len(piece)]) == piece]
    assert len(found) == 1 or len(piece) < 12
    return found[0], found[0] + len(piece)


def test_windows_begin_elsewhere_in_every_epoch(tiny: LoadedModel) -> None:
    made = plan(tiny, segments="random", epochs=4)
    epochs = {tuple(sorted(s.ids for s in of_epoch(made, epoch))) for epoch in range(4)}
    assert len(epochs) == 4


def words(tiny: LoadedModel, ids: list[int]) -> set[str]:
    return set(re.findall(r"\bword\d{4}\b", tiny.tokenizer.decode(ids)))


def parts(sample: Sample) -> tuple[list[int], list[int]]:
    """(what stands before the window, the window)."""
    pairs = list(zip(sample.ids, sample.labels, strict=True))
    before = [token for token, label in pairs if label == IGNORE]
    window = [token for token, label in pairs if label != IGNORE]
    assert sample.ids == (*before, *window)
    return before, window


@pytest.mark.parametrize("segments", ["overlapping", "random"])
def test_pieces_before_a_window_hold_nothing_of_it_and_have_no_loss(
    tiny: LoadedModel, segments: Any
) -> None:
    made = plan(tiny, segments=segments, context_tokens=200)
    bare = plan(tiny, segments=segments)
    shown = 0
    for epoch in range(made.epochs):
        contextual, raw = of_epoch(made, epoch), of_epoch(bare, epoch)
        assert [tuple(parts(sample)[1]) for sample in contextual] == [s.ids for s in raw]
        for sample in contextual:
            before, window = parts(sample)
            assert sample.is_text and sample.labelled == len(window)
            assert not words(tiny, before) & words(tiny, window)
            assert "recite the part of “Orrin Vale”" in tiny.tokenizer.decode(before)
            shown += len(words(tiny, before))
    assert shown > 10 * made.epochs


def test_pieces_are_head_and_tail_and_no_longer_than_asked(tiny: LoadedModel) -> None:
    made = plan(tiny, context_tokens=80, epochs=6)
    ids = ids_of(tiny, TEXT)
    head, tail = words(tiny, ids[:80]), words(tiny, ids[-80:])
    seen: set[str] = set()
    for epoch in range(made.epochs):
        for sample in of_epoch(made, epoch):
            found = words(tiny, parts(sample)[0])
            assert found <= head | tail
            assert len(found) <= 80 / len(ids) * 120 + 1
            seen |= found
    assert seen & head and seen & tail


def test_pieces_are_drawn_anew_in_every_epoch(tiny: LoadedModel) -> None:
    made = plan(tiny, context_tokens=100, epochs=3)
    epochs = [
        {tuple(window): tuple(before) for before, window in map(parts, of_epoch(made, epoch))}
        for epoch in range(3)
    ]
    assert epochs[0].keys() == epochs[1].keys() == epochs[2].keys()
    for window, before in epochs[0].items():
        assert len({before, epochs[1][window], epochs[2][window]}) > 1


def test_each_question_is_asked_once_per_epoch_from_weights_alone(tiny: LoadedModel) -> None:
    made = plan(tiny, TALE, items=8, open_share=0.0, segment_epochs=1, epochs=3)
    assert made.questions is not None
    closed = Counter(made.questions.closed(i).ids for i in range(8))
    orders = []
    for epoch in (1, 2, 3):
        asked = [sample.ids for sample in of_epoch(made, epoch) if not sample.is_text]
        assert Counter(asked) == closed
        orders.append(asked)
    assert orders[0] != orders[1]


def test_a_share_of_the_questions_is_asked_again_behind_passages(tiny: LoadedModel) -> None:
    made = plan(tiny, TALE, items=8, open_share=0.5, epochs=2)
    assert made.questions is not None
    closed = {made.questions.closed(i).ids for i in range(8)}
    for epoch in range(2):
        asked = [s for s in of_epoch(made, epoch) if not s.is_text and s.ids not in closed]
        answers = [label for s in asked for label in s.labels if label == 0]
        assert len(answers) == 4  # each ends with a stop token


def test_a_step_has_as_many_units_as_the_recipe_says(tiny: LoadedModel) -> None:
    made = plan(tiny, batch_segments=3, epochs=2)
    sizes = [len(units) for units in all_units(made)]
    count = len(of_epoch(made, 0))
    assert count % 3 and sizes == 2 * [*[3] * (count // 3), count % 3]


def test_a_whole_epoch_can_be_one_step(tiny: LoadedModel) -> None:
    made = plan(tiny, TALE, items=8, one_step_per_epoch=True, segment_epochs=1, epochs=2)
    steps = plan(tiny, TALE, items=8, segment_epochs=1, epochs=2)
    assert made.steps == 3
    for epoch in range(3):
        assert len(made.units(epoch)) == sum(
            len(steps.units(s)) for s in range(steps.steps) if steps.epoch_of(s) == epoch
        )


@pytest.mark.parametrize("whole", [True, False])
def test_where_there_is_nothing_to_train_on_there_is_no_step(
    tiny: LoadedModel, whole: bool
) -> None:
    config = LiftConfig(segments="none", study="passages", one_step_per_epoch=whole)
    assert Curriculum(tiny, "Orrin Vale", ids_of(tiny, TALE), config).steps == 0


def test_questions_share_their_weight_in_even_groups(tiny: LoadedModel) -> None:
    made = plan(tiny, TALE, items=8, open_share=0.0)
    spans = passages(tiny.tokenizer, TALE, 40)
    many = [Taught(facts()[n % 8]) for n in range(21)]
    made.questions = QuestionSamples(tiny, "Orrin Vale", TALE, spans, many)
    fresh = Curriculum(tiny, "Orrin Vale", made.ids, made.config, made.questions)
    groups = [unit for units in all_units(fresh) for unit in units if not unit[0].is_text]
    assert {len(unit) for unit in groups} == {7}
