from __future__ import annotations

import pytest

from lift_chat.adapters import kinds
from lift_chat.lift.train import NOTHING, Fit, TrainState
from lift_chat.models.loading import LoadedModel
from lift_chat.slices.budget import DISK, GROWTH, SPARE, Budget, TimeUp
from tests.conftest import QUICK, no_turn


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def turns(budget: Budget, clock: Clock, seconds: float) -> int:
    """How many turns of so many seconds are granted."""
    turn, count = budget.over(no_turn), 0
    while True:
        try:
            with turn():
                clock.now += seconds
        except TimeUp as left:
            assert left.request == "close"
            return count
        count += 1


def test_the_last_turn_ends_in_time_also_when_it_takes_longer_than_those_before() -> None:
    clock = Clock()
    granted = turns(Budget(60, clock.now, clock), clock, 2.0)
    assert clock.now == 2.0 * granted <= 60 * (1 - SPARE) < clock.now + GROWTH * 2.0 + 2.0


def test_what_was_waited_for_before_counts() -> None:
    clock = Clock()
    clock.now = 50.0
    assert turns(Budget(60, 0.0, clock), clock, 2.0) == 3
    assert turns(Budget(60, -10.0, clock), clock, 2.0) == 0


@pytest.mark.parametrize("measured", [0.0, 12.0])
def test_time_is_kept_for_saving_what_was_learned(tiny: LoadedModel, measured: float) -> None:
    clock = Clock()
    state = TrainState.start(kinds.attach(tiny.twin(), QUICK), QUICK, NOTHING, Fit())
    numbers = sum(master.numel() for master in state.optimizer.masters)
    expected = GROWTH * measured or 12 * numbers / DISK
    budget = Budget(60, clock.now, clock)
    budget.plan_saving(state, measured)
    turns(budget, clock, 0.001)
    assert clock.now == pytest.approx(60 * (1 - SPARE) - expected, abs=0.01)
