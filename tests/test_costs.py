from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from lift_chat.adapters import kinds
from lift_chat.costs import Costs, Found, _longest, estimate, fit
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.load import Load
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.presets import PRESETS
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.tokens import tokenize
from lift_chat.lift.train import Fit, TrainState, decoder_of, run_slice
from lift_chat.lift.workload import workload
from lift_chat.models.context import ChatSettings
from lift_chat.models.device import Device, aside
from lift_chat.models.engine import Engine
from lift_chat.models.loading import LoadedModel
from lift_chat.models.reply import decode
from lift_chat.probe import Probe, measure
from lift_chat.service import LiftChat
from lift_chat.shape import Shape
from tests.conftest import TALE, no_turn

CONFIG = LiftConfig(segment_tokens=64, stride_tokens=64, epochs=4, rank=8, alpha=16)
SPEED = Probe(0.0, 1e-9, 1e-9, 1e-9, 0.01, 0.02, 0.001, 5e4, "Set by the test.")


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
    assert plain.trained_tokens < examined.trained_tokens < asked.trained_tokens  # held out


def test_the_estimated_size_is_that_of_the_file(tiny: LoadedModel, tmp_path: Path) -> None:
    for config in (CONFIG, CONFIG.with_changes(adapter="gated-memory", skip_layers=0)):
        folder = tmp_path / config.adapter
        folder.mkdir()
        kinds.save(kinds.attach(tiny.twin(), config), folder, tiny.identity)
        size = (folder / "adapter_model.safetensors").stat().st_size
        expected = estimate(tiny, TALE, config, SPEED).adapter_bytes
        assert expected <= size < expected + 8000


def test_time_grows_in_proportion_to_the_epochs(tiny: LoadedModel) -> None:
    one, two, four = (
        estimate(tiny, TALE, CONFIG.with_changes(epochs=n), SPEED).seconds for n in (1, 2, 4)
    )
    assert four - two == pytest.approx(2 * (two - one), rel=1e-6) and two > one


def test_questions_that_are_there_already_are_not_written_again(tiny: LoadedModel) -> None:
    """And as many as are there are trained, whatever a text of this length would have given."""
    config = CONFIG.with_changes(study="passages", passage_tokens=40)
    fresh, few, many = (
        estimate(tiny, TALE * 20, config, SPEED, Found(given=given)) for given in (0, 12, 300)
    )
    assert few.seconds < fresh.seconds and few.trained_tokens < fresh.trained_tokens
    assert many.trained_tokens > fresh.trained_tokens
    bare, asked = (estimate(tiny, TALE, CONFIG, SPEED, Found(given=given)) for given in (0, 300))
    assert (bare.seconds, bare.steps) == (asked.seconds, asked.steps)


def test_pages_are_read_before_and_after(tiny: LoadedModel) -> None:
    none, some, most, more = (
        estimate(tiny, TALE * 90, CONFIG, SPEED, Found(pages)).seconds for pages in (0, 4, 32, 900)
    )
    assert none < some < most == more


def test_reading_has_a_price_of_its_own(tiny: LoadedModel) -> None:
    """Training may be replayed from graphs; what is read is not."""
    study = CONFIG.with_changes(study="passages", passage_tokens=40)
    both, faster, free = (
        estimate(tiny, TALE, study, replace(SPEED, operation_seconds=a, reading_seconds=b)).seconds
        for a, b in ((1e-6, 1e-6), (1e-7, 1e-6), (0, 1e-6))
    )
    assert free < faster < both
    assert both - free == pytest.approx((both - faster) / 0.9)
    assert free > estimate(tiny, TALE, study, replace(SPEED, operation_seconds=0)).seconds


def test_each_pass_has_its_price_however_short_it_is(tiny: LoadedModel) -> None:
    """Questions are trained in many short ones."""
    windows = -(-estimate(tiny, TALE, CONFIG, SPEED).document_tokens // 64)
    study = CONFIG.with_changes(study="passages", passage_tokens=40, exam_questions=0)
    for config, least in ((CONFIG, 4 * windows), (study, 4 * windows + 4)):
        free, dear = (
            estimate(tiny, TALE, config, replace(SPEED, pass_seconds=price)).seconds
            for price in (0, 1)
        )
        if config is CONFIG:
            assert dear - free == pytest.approx(least)
        else:
            assert dear - free > least


def test_the_head_has_a_price_of_its_own(tiny: LoadedModel) -> None:
    """Windows have a label at each token, questions at those of their answers alone."""
    study = CONFIG.with_changes(segments="none", study="passages", exam_questions=0)
    for config in (CONFIG, study):
        both, dear, free = (
            estimate(tiny, TALE * 20, config, replace(SPEED, head_seconds=price)).seconds
            for price in (1e-6, 1e-5, 0)
        )
        load = workload(
            estimate(tiny, TALE * 20, config, SPEED).document_tokens, config, 1
        ).training
        share = Shape.of(tiny, config).losses(load) * 1e-6
        assert both - free >= share > 0
        assert dear - free == pytest.approx(10 * (both - free))


def test_a_larger_rank_needs_more_memory_and_a_larger_file(tiny: LoadedModel) -> None:
    small = estimate(tiny, TALE, CONFIG, SPEED)
    large = estimate(tiny, TALE, CONFIG.with_changes(rank=64, alpha=64), SPEED)
    assert large.memory_bytes > small.memory_bytes
    assert large.adapter_bytes == 8 * small.adapter_bytes


def test_the_warm_up_measures_and_leaves_the_base_alone(tiny: LoadedModel) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    speed = measure(tiny, CONFIG, no_turn)
    assert speed.operation_seconds > 0 and speed.head_seconds > 0 and speed.step_seconds > 0
    assert speed.pass_seconds >= 0
    assert speed.reading_seconds >= speed.operation_seconds  # which leaves out what a pass costs
    assert speed.decoding_seconds > 0 and speed.row_seconds >= 0
    assert all(bool((before[n] == t).all()) for n, t in tiny.model.state_dict().items())


@pytest.mark.parametrize("adapter", ["lora", "gated-memory"])
def test_counted_operations_are_those_that_torch_counts(tiny: LoadedModel, adapter: Any) -> None:
    """Attention apart, of which torch does not know every kernel. Less than counted is done at the
    bottom, whose input needs no gradient; and biases are parameters."""
    config = CONFIG.with_changes(adapter=adapter, skip_layers=0)
    ids, shape = torch.arange(8)[None], Shape.of(tiny, config)
    model = kinds.attach(tiny.twin(), config)
    head, decoder = FrozenHead(model), decoder_of(model)
    load = Load(tokens=8, labelled=7)
    in_place = {torch.ops.aten.addmm_: _operations}  # which torch's counter does not know
    with FlopCounterMode(display=False, custom_mapping=in_place) as reading, torch.no_grad():
        head.nll(decoder(input_ids=ids, use_cache=False).last_hidden_state, ids)
    told = shape.reading(load) + shape.scores(load)
    assert reading.get_total_flops() == pytest.approx(told, rel=0.02)
    with FlopCounterMode(display=False, custom_mapping=in_place) as training:
        decoder(input_ids=ids, use_cache=False).last_hidden_state.sum().backward()
    counted = shape.training(load, recompute=False)
    assert training.get_total_flops() == pytest.approx(counted, rel=0.1)


def _operations(_: Any, left: torch.Size, right: torch.Size, **__: Any) -> int:
    return 2 * left[0] * left[1] * right[1]


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(
    "changes",
    [{}, {"rank": 128}, {"adapter": "gated-memory"}, {"batch_segments": 1}],
)
def test_the_estimated_memory_is_what_the_allocator_gives(
    tiny: LoadedModel, recompute: bool, changes: dict[str, Any]
) -> None:
    """At the highest point of the second step, when the optimizer has all its states."""
    config = CONFIG.with_changes(**changes)
    loaded = replace(tiny, device=Full("cpu", "full", torch.float32)) if recompute else tiny
    probe = measure(tiny, config, no_turn)
    chosen = fit(loaded, config, probe)
    assert chosen.recompute == recompute
    adapted = kinds.attach(tiny.twin(), config)
    ids = tokenize(tiny, TALE * 20)[0].tolist()
    state = TrainState.start(adapted, config, Curriculum(tiny, "", ids, config), chosen)
    steps = run_slice(state, no_turn)
    next(steps)
    held = sum(t.nbytes for t in (*state.optimizer.parameters, *state.optimizer.state().values()))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        next(steps)
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    changes_in_time = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
    allocated = held + max(accumulate(changes_in_time))
    expected = estimate(loaded, TALE * 20, config, probe).memory_bytes
    if recompute:  # all gradients of a layer, which are not there all at once
        assert 0.97 * allocated < expected < 1.25 * allocated
    else:
        assert expected == pytest.approx(allocated, rel=0.1)


def test_the_counted_bytes_are_what_autograd_really_keeps(tiny: LoadedModel) -> None:
    """At least each layer's input, attention and feed-forward activations; not the weights."""
    kept = measure(tiny, CONFIG, no_turn).saved_bytes
    layer_numbers = 32 + 4 * 32 + 3 * 64
    assert 2 * layer_numbers * 4 < kept < 10 * 2 * layer_numbers * 4


class Small(Device):
    """A device with a known amount of free memory."""

    def free_memory(self) -> int:
        return FREE


class Full(Device):
    """A device without any free memory."""

    def free_memory(self) -> int:
        return 0


FREE = 11_500_000


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
    longest = _longest(asked, tiny.window)
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
        asked = range(1, 200) if changed.study != "none" else ()
        found += [workload(3_000, changed, tiny.window, given=given).longest for given in asked]
        # Shorter samples go together up to a window's tokens.
        assert most == max(max(found), changed.segment_tokens)


def test_a_warm_up_is_done_once_and_a_run_corrects_it(tiny: LoadedModel) -> None:
    costs = Costs(lambda: tiny, Engine(lambda: tiny).visit)
    first = costs.probe(CONFIG)
    assert costs.probe(CONFIG.with_changes(epochs=9)) is first
    memory = CONFIG.with_changes(adapter="gated-memory")
    linear = memory.with_changes(gate="linear")
    assert costs.probe(memory) is not costs.probe(linear) is not first
    before = costs.estimate(TALE, CONFIG)
    costs.learn(CONFIG, before.document_tokens, 0.5)
    after = costs.estimate(TALE, CONFIG)
    assert "last run" in after.basis and costs.probe(CONFIG).saved_bytes == first.saved_bytes
    assert after.seconds > 0.5 * after.trained_tokens
    costs.learn(CONFIG, before.document_tokens, 0.25)
    assert costs.estimate(TALE, CONFIG).seconds == pytest.approx(after.seconds / 2)


def test_who_estimated_is_not_taken_for_somebody_who_chats(app: LiftChat, tale: Path) -> None:
    """So a run that is started at once does not begin in small micro-batches."""

    def wanted_elsewhere() -> bool:
        with app.engine.turn() as shared:
            return bool(shared)

    def chat() -> None:
        base = app.engine.base
        said = decode(base.model, base, [1, 2, 3], ChatSettings(max_new_tokens=2), app.engine.turn)
        list(said)

    app.estimate(app.add_document(tale).id, CONFIG)
    assert not wanted_elsewhere()
    aside(chat)
    assert wanted_elsewhere()
