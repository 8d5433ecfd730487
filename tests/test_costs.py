from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lift_chat.adapters import kinds
from lift_chat.costs import Costs, Probe, _longest, estimate, fit, measure
from lift_chat.lift.presets import PRESETS
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.train import Fit
from lift_chat.lift.workload import workload
from lift_chat.models.device import Device
from lift_chat.models.loading import LoadedModel
from tests.conftest import TALE, no_turn

CONFIG = LiftConfig(segment_tokens=64, stride_tokens=64, epochs=4, rank=8, alpha=16)
SPEED = Probe(64, 0.001, 5e4, "Set by the test.")


def test_tokens_and_steps_are_those_of_the_run(tiny: LoadedModel) -> None:
    result = estimate(tiny, TALE, CONFIG, SPEED)
    windows = -(-result.document_tokens // 64)
    assert result.trained_tokens == windows * 64 * 4
    assert result.steps == -(-windows // 2) * 4


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_estimated_before_anything_is_written(
    tiny: LoadedModel, name: str
) -> None:
    config = LiftConfig.preset(name)
    result = estimate(tiny, TALE * 20, config, SPEED)
    assert result.seconds > 0 and result.steps > 0 and result.memory_bytes > 0
    assert result.trained_tokens >= config.epochs * result.document_tokens * 0.9
    memory = config.with_changes(adapter="gated-memory")
    assert 0 < estimate(tiny, TALE * 20, memory, SPEED).adapter_bytes != result.adapter_bytes


def test_study_and_exam_take_their_time(tiny: LoadedModel) -> None:
    text = TALE * 20
    study = CONFIG.with_changes(study="passages", exam_questions=0)
    plain, asked, examined = (
        estimate(tiny, text, config, SPEED)
        for config in (CONFIG, study, study.with_changes(exam_questions=32))
    )
    assert plain.seconds < asked.seconds < examined.seconds
    assert plain.trained_tokens < asked.trained_tokens == examined.trained_tokens


def test_the_estimated_size_is_that_of_the_file(tiny: LoadedModel, tmp_path: Path) -> None:
    for config in (CONFIG, CONFIG.with_changes(adapter="gated-memory", skip_layers=0)):
        folder = tmp_path / config.adapter
        folder.mkdir()
        kinds.save(kinds.attach(tiny.twin(), config), folder, tiny.identity)
        size = (folder / "adapter_model.safetensors").stat().st_size
        expected = estimate(tiny, TALE, config, SPEED).adapter_bytes
        assert expected <= size < expected + 8000


def test_time_grows_in_proportion_to_the_epochs(tiny: LoadedModel) -> None:
    one, four = (estimate(tiny, TALE, CONFIG.with_changes(epochs=n), SPEED).seconds for n in (1, 4))
    trained = estimate(tiny, TALE, CONFIG, SPEED).trained_tokens
    assert four - one == pytest.approx(0.001 * trained * 3 / 4, rel=1e-6)


def test_a_larger_rank_needs_more_memory_and_a_larger_file(tiny: LoadedModel) -> None:
    small = estimate(tiny, TALE, CONFIG, SPEED)
    large = estimate(tiny, TALE, CONFIG.with_changes(rank=64, alpha=64), SPEED)
    assert large.memory_bytes > small.memory_bytes
    assert large.adapter_bytes == 8 * small.adapter_bytes


def test_the_warm_up_measures_and_leaves_the_base_alone(tiny: LoadedModel) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    speed = measure(tiny, CONFIG, no_turn)
    assert speed.seconds_per_token > 0 and speed.window == 64
    assert all(bool((before[n] == t).all()) for n, t in tiny.model.state_dict().items())


def test_the_counted_bytes_are_what_autograd_really_keeps(tiny: LoadedModel) -> None:
    """At least each layer's input, attention and feed-forward activations; not the weights."""
    kept = measure(tiny, CONFIG, no_turn).saved_bytes
    layer_numbers = 32 + 4 * 32 + 3 * 64
    assert 2 * layer_numbers * 4 < kept < 10 * 2 * layer_numbers * 4


class Small(Device):
    """A device with a known amount of free memory."""

    def free_memory(self) -> int:
        return FREE


FREE = 10_000_000


def test_memory_decides_how_many_windows_go_at_once(tiny: LoadedModel) -> None:
    gpu = replace(tiny, device=Small("cuda", "small", torch.float32))
    many = CONFIG.with_changes(batch_segments=64)
    probe = replace(SPEED, saved_bytes=2e4)
    assert fit(gpu, many, probe) == Fit(windows=5, recompute=False)
    assert fit(gpu, many, replace(probe, saved_bytes=2e5)) == Fit(windows=1, recompute=True)
    assert fit(gpu, CONFIG, replace(probe, saved_bytes=1.0)).windows == CONFIG.batch_segments
    cpu = replace(tiny, device=Small("cpu", "small", torch.float32))
    assert fit(cpu, many, replace(probe, saved_bytes=1.0)).windows == 1


def test_what_fits_is_counted_in_the_longest_sample_not_in_windows(tiny: LoadedModel) -> None:
    gpu = replace(tiny, device=Small("cuda", "small", torch.float32))
    asked = CONFIG.with_changes(batch_segments=64, study="passages", open_share=0.5)
    longest = workload(10_000, asked, tiny.window).longest
    assert longest > 2 * CONFIG.segment_tokens
    probe = replace(SPEED, saved_bytes=2e4 * CONFIG.segment_tokens / longest)
    assert fit(gpu, asked, probe) == Fit(windows=5, recompute=False)
    assert fit(gpu, asked, replace(SPEED, saved_bytes=2e4)) == Fit(windows=1, recompute=True)


@pytest.mark.parametrize("name", PRESETS)
def test_no_document_has_a_longer_sample_than_what_fits_is_counted_in(
    tiny: LoadedModel, name: str
) -> None:
    config = LiftConfig.preset(name)
    for changed in (
        config,
        config.with_changes(segments="none", segment_epochs=0, study="passages"),
    ):
        most = _longest(changed, tiny.window)
        found = [workload(n, changed, tiny.window).longest for n in (3, 100, 3_000, 100_000)]
        assert max(found) <= most
        # Shorter samples go together up to a window's tokens.
        assert most == max(max(found), changed.segment_tokens)


def test_a_warm_up_is_done_once_and_a_run_corrects_it(tiny: LoadedModel) -> None:
    costs = Costs(lambda: tiny, no_turn)
    first = costs.probe(CONFIG)
    assert costs.probe(CONFIG.with_changes(epochs=9)) is first
    memory = CONFIG.with_changes(adapter="gated-memory")
    linear = memory.with_changes(gate="linear")
    assert costs.probe(memory) is not costs.probe(linear) is not first
    costs.learn(CONFIG, 0.5)
    learned = costs.probe(CONFIG)
    assert learned.seconds_per_token == 0.5 and learned.saved_bytes == first.saved_bytes
    assert "last run" in costs.estimate(TALE, CONFIG).basis
