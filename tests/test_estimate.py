from __future__ import annotations

import pytest

from lift_chat.estimate import Speed, estimate, measure_speed
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.loading import LoadedModel
from tests.conftest import TALE, no_turn

CONFIG = LiftConfig(segment_tokens=64, stride_tokens=64, epochs=4, rank=8, alpha=16)
SPEED = Speed(0.001, 64, "Set by the test.")


def test_tokens_and_steps_are_those_of_the_run(tiny: LoadedModel) -> None:
    result = estimate(tiny, TALE, CONFIG, SPEED)
    windows = -(-result.document_tokens // 64)
    assert result.trained_tokens == windows * 64 * 4
    assert result.steps == -(-windows // 2) * 4


def test_time_grows_in_proportion_to_the_epochs(tiny: LoadedModel) -> None:
    one, four = (estimate(tiny, TALE, CONFIG.with_changes(epochs=n), SPEED).seconds for n in (1, 4))
    trained = estimate(tiny, TALE, CONFIG, SPEED).trained_tokens
    assert four - one == pytest.approx(0.001 * trained * 3 / 4, rel=1e-6)


def test_a_larger_rank_needs_more_memory_and_a_larger_file(tiny: LoadedModel) -> None:
    small = estimate(tiny, TALE, CONFIG, SPEED)
    large = estimate(tiny, TALE, CONFIG.with_changes(rank=64), SPEED)
    assert large.memory_bytes > small.memory_bytes
    assert large.adapter_bytes == 8 * small.adapter_bytes


def test_the_warm_up_measures_and_leaves_the_base_alone(tiny: LoadedModel) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    speed = measure_speed(tiny, CONFIG, no_turn)
    assert speed.seconds_per_token > 0 and speed.window == 64
    assert all(bool((before[n] == t).all()) for n, t in tiny.model.state_dict().items())
