"""What the base says unasked, and that a run which rehearses it bends the model less."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import takewhile
from pathlib import Path

import pytest
import torch

from lift_chat.errors import InvalidConfig
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.losses import FrozenHead, Soft
from lift_chat.lift.rehearsal import TEXTS, TOKENS, beside_a_window, remembered
from lift_chat.lift.samples import Sample
from lift_chat.lift.train import decoder_of
from lift_chat.lift.workload import workload
from lift_chat.models.loading import LoadedModel
from lift_chat.steps import finished
from tests.conftest import QUICK, TALE

REHEARSING = QUICK.with_changes(rehearsal=2.5)
"""One text beside each of its windows of 64 tokens."""


@pytest.fixture(scope="module")
def drawn(tiny: LoadedModel) -> list[Sample]:
    return finished(remembered(tiny, 0, nullcontext))


def test_texts_are_the_same_for_a_seed_and_others_for_another(
    tiny: LoadedModel, drawn: list[Sample]
) -> None:
    again = finished(remembered(tiny, 0, nullcontext))
    other = finished(remembered(tiny, 1, nullcontext))
    assert [one.ids for one in again] == [one.ids for one in drawn]
    assert [one.ids for one in other] != [one.ids for one in drawn]
    assert len({one.ids for one in drawn}) == len(drawn) == TEXTS


def test_no_text_ends_before_its_length(tiny: LoadedModel, drawn: list[Sample]) -> None:
    for one in drawn:
        assert len(one.ids) == TOKENS + 1 and one.labelled == TOKENS
        assert not set(one.ids[1:]) & tiny.ends.stop


def test_what_is_rehearsed_is_the_bases_own_distribution(
    tiny: LoadedModel, drawn: list[Sample]
) -> None:
    """So an adapter that changes nothing has nothing to learn from it."""
    head = FrozenHead(tiny.model)
    ids = torch.tensor([drawn[0].ids])
    soft = drawn[0].soft
    assert soft is not None
    with torch.no_grad():
        hidden = decoder_of(tiny.model)(input_ids=ids, use_cache=False).last_hidden_state
        same = head.distance(hidden, ids, Soft.joined([soft], ids.device), torch.ones(1))
        other = head.distance(hidden.flip(1), ids, Soft.joined([soft], ids.device), torch.ones(1))
    assert abs(float(same)) < 1e-3
    assert float(other) > 1


def test_each_window_meets_as_many_texts_as_its_tokens_ask_for(
    tiny: LoadedModel, drawn: list[Sample]
) -> None:
    ids = torch.arange(300).remainder(290).tolist()
    made = Curriculum(tiny, "Orrin Vale", ids, REHEARSING, rehearsed=drawn)
    units = [made.units(step) for step in range(made.steps)]
    texts = [sample for step in units for unit in step for sample in unit if sample.soft]
    windows = [sample for step in units for unit in step for sample in unit if sample.is_text]
    told = {
        share: beside_a_window(REHEARSING.with_changes(rehearsal=share)) for share in (0, 0.1, 4)
    }
    assert told == {0: 0, 0.1: 1, 4: 2} and beside_a_window(REHEARSING) == 1
    assert len(texts) == len(windows)
    assert len({text.ids for text in texts}) > 1
    counted = workload(300, REHEARSING, 1024)
    assert counted.trained == sum(len(s.ids) for step in units for unit in step for s in unit)
    assert counted.written == TEXTS * TOKENS


def _bent(tiny: LoadedModel, folder: Path, rehearsal: float, held: list[Sample]) -> float:
    """Mean KL, nats per token, from the base on texts of its own that no run has seen."""
    config = QUICK.with_changes(rehearsal=rehearsal, epochs=6, learning_rate=0.01)
    lesson = Lesson(tiny, TALE, config, folder=folder, turn=nullcontext)
    list(lesson.run())
    model = lesson.adapted.eval()
    head, total = FrozenHead(model), 0.0
    for one in held:
        ids = torch.tensor([one.ids])
        assert one.soft is not None
        with torch.no_grad():
            hidden = decoder_of(model)(input_ids=ids, use_cache=False).last_hidden_state
            total += float(head.distance(hidden, ids, one.soft, torch.ones(1)))
    return total / (len(held) * TOKENS)


def test_a_run_that_rehearses_stays_nearer_to_the_base(tiny: LoadedModel, tmp_path: Path) -> None:
    held = finished(remembered(tiny, 99, nullcontext))[:8]
    for name in ("bare", "rehearsing"):
        (tmp_path / name).mkdir()
    bare = _bent(tiny, tmp_path / "bare", 0.0, held)
    rehearsing = _bent(tiny, tmp_path / "rehearsing", 2.5, held)
    assert rehearsing < 0.8 * bare


def test_rehearsal_without_segments_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="rehearsal"):
        QUICK.with_changes(segments="none", study="passages", rehearsal=1.0)


def test_a_resumed_run_rehearses_the_same_texts(tiny: LoadedModel, tmp_path: Path) -> None:
    config = QUICK.with_changes(rehearsal=2.5, checkpoint_seconds=0.0)

    def masters(lesson: Lesson) -> list[torch.Tensor]:
        assert lesson.state is not None
        return lesson.state.optimizer.masters

    for name in ("calm", "cut"):
        (tmp_path / name).mkdir()
    calm = Lesson(tiny, TALE, config, folder=tmp_path / "calm", turn=nullcontext)
    list(calm.run())
    cut = Lesson(tiny, TALE, config, folder=tmp_path / "cut", turn=nullcontext)
    for _ in takewhile(lambda event: event.step < 3 or event.stage != "training", cut.run()):
        pass
    resumed = Lesson(tiny, TALE, config, folder=tmp_path / "cut", turn=nullcontext)
    list(resumed.run())
    assert 0 < resumed.resumed_from < resumed.step
    assert all(torch.equal(a, b) for a, b in zip(masters(calm), masters(resumed), strict=True))
