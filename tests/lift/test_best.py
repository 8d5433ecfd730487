from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lift_chat.adapters import lora
from lift_chat.lift.best import NAME, Best
from lift_chat.lift.train import NOTHING, Fit, TrainState
from lift_chat.models.loading import LoadedModel
from tests.conftest import QUICK


@pytest.fixture
def state(tiny: LoadedModel) -> TrainState:
    return TrainState.start(lora.attach(tiny.twin(), QUICK), QUICK, NOTHING, Fit())


def at(state: TrainState, step: int) -> TrainState:
    """As if trained for so many steps: every weight is their number."""
    state.step = step
    state.optimizer.load_masters([torch.full_like(m, step) for m in state.optimizer.masters])
    return state


def weights(state: TrainState) -> set[float]:
    """What the weights are, in the optimizer and in the model alike."""
    own = {float(value) for m in state.optimizer.masters for value in m.unique()}
    assert own == {float(v) for p in state.optimizer.parameters for v in p.detach().unique()}
    return own


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_weights_of_the_best_sitting_are_taken(state: TrainState, tmp_path: Path) -> None:
    best = Best(tmp_path)
    for step, score in [(4, 10.0), (8, 40.0), (12, 20.0)]:
        best.offer(at(state, step), score)
    best.take(state)
    assert weights(state) == {8.0} and (best.step, best.taken, best.score) == (8, 8, 40.0)
    assert state.step == 12


def test_of_equals_the_later_is_taken(state: TrainState, tmp_path: Path) -> None:
    best = Best(tmp_path)
    for step in (4, 8):
        best.offer(at(state, step), 0.0)
    best.take(at(state, 9))
    assert weights(state) == {8.0}


def test_without_a_sitting_nothing_is_changed(state: TrainState, tmp_path: Path) -> None:
    best = Best(tmp_path)
    best.take(at(state, 5))
    assert weights(state) == {5.0} and not best.taken and not files(tmp_path)


def test_a_resumed_run_knows_its_best_up_to_its_checkpoint(
    state: TrainState, tmp_path: Path
) -> None:
    best = Best(tmp_path)
    best.offer(at(state, 4), 30.0)
    best.offer(at(state, 8), 50.0)
    for reached, step, score in [(8, 8, 50.0), (11, 8, 50.0), (7, 4, 30.0)]:
        resumed = Best(tmp_path)
        resumed.restore(at(state, reached), reached)
        assert (resumed.step, resumed.score) == (step, score)
        resumed.take(at(state, 99))
        assert weights(state) == {float(step)}
    before_any = Best(tmp_path)
    before_any.restore(state, 3)
    assert before_any.step == 0 and before_any.score == float("-inf")


@pytest.mark.parametrize("content", [b"", b"half of it"])
def test_a_damaged_file_gives_way_to_the_one_before(
    state: TrainState, tmp_path: Path, content: bytes
) -> None:
    best = Best(tmp_path)
    best.offer(at(state, 4), 30.0)
    best.offer(at(state, 8), 50.0)
    (tmp_path / NAME.format(8)).write_bytes(content)
    (tmp_path / "best-00000009.draft").write_bytes(b"a draft")
    resumed = Best(tmp_path)
    resumed.restore(state, 10)
    assert (resumed.step, resumed.score) == (4, 30.0)


def test_what_a_run_that_started_over_had_before_gives_way_to_its_first_sitting(
    state: TrainState, tmp_path: Path
) -> None:
    former = Best(tmp_path)
    for step in (8, 12):
        former.offer(at(state, step), 90.0 + step)
    best = Best(tmp_path)
    for step in (4, 8):
        best.offer(at(state, step), 30.0 - step)
    assert files(tmp_path) == [NAME.format(4)]
    resumed = Best(tmp_path)
    resumed.restore(state, 12)
    assert (resumed.step, resumed.score) == (4, 26.0)


def test_the_two_newest_are_kept(state: TrainState, tmp_path: Path) -> None:
    best = Best(tmp_path)
    for step in range(1, 7):
        best.offer(at(state, step), float(step))
    assert files(tmp_path) == [NAME.format(5), NAME.format(6)]
