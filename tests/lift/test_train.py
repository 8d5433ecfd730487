from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from lift_chat.adapters import lora
from lift_chat.errors import OutOfMemory
from lift_chat.lift.lesson import tokenize, training_windows
from lift_chat.lift.optimizer import rate
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.train import Fit, TrainState, batch_of, mean_loss, micro_batches, run_slice
from lift_chat.models.loading import LoadedModel
from tests.conftest import TALE, no_turn

CONFIG = LiftConfig(
    segment_tokens=64, stride_tokens=24, epochs=3, rank=8, alpha=16, learning_rate=5e-3
)


def begin(tiny: LoadedModel, config: LiftConfig = CONFIG) -> TrainState:
    adapted = lora.attach(tiny.twin(), config)
    windows = training_windows(tokenize(tiny, TALE), config)
    return TrainState.start(adapted, config, windows, Fit(windows=config.batch_segments))


def weights(state: TrainState) -> list[torch.Tensor]:
    return [master.clone() for master in state.optimizer.masters]


def test_the_loss_on_the_document_falls(tiny: LoadedModel) -> None:
    state = begin(tiny, CONFIG.with_changes(epochs=8))
    before = list(mean_loss(state.adapted, state.windows, no_turn))[-1]
    for _ in run_slice(state, no_turn):
        pass
    after = list(mean_loss(state.adapted, state.windows, no_turn))[-1]
    assert after < before - 0.5


def test_the_base_is_untouched_by_training(tiny: LoadedModel) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    ids = tokenize(tiny, TALE)[:, :40]
    logits = tiny.model(ids).logits
    list(run_slice(begin(tiny), no_turn))
    assert torch.equal(tiny.model(ids).logits, logits)
    assert all(torch.equal(before[n], t) for n, t in tiny.model.state_dict().items())


def test_slices_give_the_same_adapter_as_one_go(tiny: LoadedModel) -> None:
    whole, sliced = begin(tiny), begin(tiny)
    steps = len(list(run_slice(whole, no_turn)))
    slices = 0
    while sliced.step < sliced.total:
        list(run_slice(sliced, no_turn, budget_seconds=0.0))
        slices += 1
    assert slices == steps == whole.total
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(sliced), strict=True))


def test_closing_the_generator_leaves_the_state_after_the_last_event(tiny: LoadedModel) -> None:
    state = begin(tiny)
    events = run_slice(state, no_turn)
    seen = [next(events).step, next(events).step]
    events.close()
    assert seen == [1, 2] and state.step == 2


def test_every_window_is_trained_once_per_epoch_in_an_order_of_the_seed() -> None:
    config = CONFIG.with_changes(batch_segments=3)
    steps = -(-10 // 3)
    epochs = [
        [i for s in range(e * steps, (e + 1) * steps) for i in batch_of(config, 10, s)]
        for e in (0, 1)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))
    assert epochs[0] != epochs[1]
    assert batch_of(config, 10, 5) == batch_of(config, 10, 5)
    assert batch_of(config.with_changes(seed=1), 10, 0) != batch_of(config, 10, 0)


class Scarce:
    """A device on which the first `failures` micro-batches run out of memory."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    @contextmanager
    def turn(self) -> Iterator[None]:
        yield
        if self.failures:
            self.failures -= 1
            raise torch.OutOfMemoryError("simulated")


@pytest.mark.parametrize(("failures", "micro_batch", "recompute"), [(1, 2, False), (3, 1, True)])
def test_out_of_memory_halves_the_micro_batch_and_gives_the_same_adapter(
    tiny: LoadedModel, failures: int, micro_batch: int, recompute: bool
) -> None:
    config = CONFIG.with_changes(batch_segments=4, epochs=1)
    plain, scarce = begin(tiny, config), begin(tiny, config)
    list(run_slice(plain, no_turn))
    events = list(run_slice(scarce, Scarce(failures).turn))
    assert (scarce.micro_batch, scarce.checkpointing) == (micro_batch, recompute)
    assert "Memory ran out" in events[0].message and not events[1].message
    for ours, theirs in zip(weights(plain), weights(scarce), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_device_too_small_for_one_window_ends_with_one_sentence(tiny: LoadedModel) -> None:
    with pytest.raises(OutOfMemory, match="64 tokens does not fit"):
        list(run_slice(begin(tiny), Scarce(99).turn))


def test_micro_batches_stack_equal_lengths_without_padding() -> None:
    windows = [torch.ones(1, n) for n in (8, 5, 8, 8)]
    shapes = [tuple(batch.shape) for batch in micro_batches(windows, 2)]
    assert sorted(shapes) == [(1, 5), (1, 8), (2, 8)]


def test_the_rate_warms_up_peaks_and_falls_to_a_tenth() -> None:
    config = CONFIG.with_changes(warmup_steps=4)
    rates = [rate(config, step, 40) for step in range(41)]
    assert rates[0] < rates[3] < rates[4] == config.learning_rate == max(rates)
    assert rates[40] == pytest.approx(config.learning_rate / 10)
    constant = config.with_changes(schedule="constant")
    assert {rate(constant, step, 40) for step in range(4, 40)} == {config.learning_rate}


def test_losses_are_those_of_the_models_own_forward(tiny: LoadedModel) -> None:
    state: Any = begin(tiny)
    ids = state.windows[0]
    with torch.no_grad():
        theirs = float(tiny.model(input_ids=ids, labels=ids).loss)
    assert next(mean_loss(tiny.model, [ids], no_turn)) == pytest.approx(theirs, rel=1e-5)
