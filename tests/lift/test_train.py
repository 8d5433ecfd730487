from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import torch

from lift_chat.adapters import kinds, lora
from lift_chat.adapters.gated_memory.gates import record_gates
from lift_chat.costs import Costs
from lift_chat.errors import OutOfMemory
from lift_chat.lift.batching import Unit, micro_batches
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.losses import IGNORE, FrozenHead, Soft
from lift_chat.lift.optimizer import rate
from lift_chat.lift.passages import passages
from lift_chat.lift.questions import QuestionSamples, Taught
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.samples import Sample, answer_ids, behind, window
from lift_chat.lift.tokens import tokenize
from lift_chat.lift.train import (
    SHARED_TOKENS,
    Fit,
    TrainState,
    _accumulate,
    mean_loss,
    run_slice,
    study_once,
)
from lift_chat.models.context import ChatSettings
from lift_chat.models.device import Turn
from lift_chat.models.engine import Engine
from lift_chat.models.loading import LoadedModel
from lift_chat.models.reply import decode
from tests.conftest import TALE, facts, no_turn

CONFIG = LiftConfig(
    segment_tokens=64, stride_tokens=24, epochs=3, rank=8, alpha=16, learning_rate=5e-3
)


def plan(tiny: LoadedModel, config: LiftConfig) -> Curriculum:
    """Windows of the tale, and questions about it where the recipe has some, every other one with
    a teacher."""
    ids = tokenize(tiny, TALE)[0].tolist()
    if config.study == "none":
        return Curriculum(tiny, "Orrin Vale", ids, config)
    torch.manual_seed(6)
    taught = []
    for number, item in enumerate(facts()):
        rows = len(answer_ids(tiny, item.answer))
        top = torch.randn(rows, 300).log_softmax(-1).topk(20)
        soft = Soft(top.indices, top.values)
        taught.append(Taught(item, soft if number % 2 else None))
    spans = passages(tiny.tokenizer, TALE, 40)
    questions = QuestionSamples(tiny, "Orrin Vale", TALE, spans, taught)
    return Curriculum(tiny, "Orrin Vale", ids, config, questions)


def begin(tiny: LoadedModel, config: LiftConfig = CONFIG, windows: int = 0) -> TrainState:
    adapted = kinds.attach(tiny.twin(), config)
    fit = Fit(windows=windows or config.batch_segments)
    return TrainState.start(adapted, config, plan(tiny, config), fit)


def weights(state: TrainState) -> list[torch.Tensor]:
    return [master.clone() for master in state.optimizer.masters]


def document_loss(state: TrainState, tiny: LoadedModel) -> float:
    return list(mean_loss(state.adapted, [tokenize(tiny, TALE)], no_turn))[-1]


def test_the_loss_on_the_document_falls(tiny: LoadedModel) -> None:
    state = begin(tiny, CONFIG.with_changes(epochs=8))
    before = document_loss(state, tiny)
    events = list(run_slice(state, no_turn))
    assert document_loss(state, tiny) < before - 0.5
    assert events[-1].loss is not None and events[-1].loss < before - 0.5


def test_the_base_is_untouched_by_training(tiny: LoadedModel) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    ids = tokenize(tiny, TALE)[:, :40]
    logits = tiny.model(ids).logits
    list(run_slice(begin(tiny), no_turn))
    assert torch.equal(tiny.model(ids).logits, logits)
    assert all(torch.equal(before[n], t) for n, t in tiny.model.state_dict().items())


def test_slices_give_the_same_adapter_as_one_go(tiny: LoadedModel) -> None:
    config = CONFIG.with_changes(study="passages", segment_epochs=1, epochs=1)
    whole, sliced = begin(tiny, config), begin(tiny, config)
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


def test_seconds_are_those_of_the_steps_and_not_of_what_is_done_between_them(
    tiny: LoadedModel,
) -> None:
    events = run_slice(begin(tiny), no_turn)
    within = 0.0
    for _ in range(3):
        started = time.monotonic()
        event = next(events)
        within += time.monotonic() - started
        assert event.tokens and event.tokens_per_second
        assert 0 < event.seconds <= within
        assert event.tokens / event.tokens_per_second == pytest.approx(event.seconds)
        assert event.eta_seconds is not None
        left = event.total - event.step
        assert event.eta_seconds == pytest.approx(event.seconds / event.step * left)
        time.sleep(0.1)  # an exam
    events.close()


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
@pytest.mark.parametrize("study", ["none", "passages"])
def test_out_of_memory_halves_the_micro_batch_and_gives_the_same_adapter(
    tiny: LoadedModel, failures: int, micro_batch: int, recompute: bool, study: Any
) -> None:
    config = CONFIG.with_changes(batch_segments=4, epochs=1, study=study)
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


def first_step(
    state: TrainState, units: list[Unit], turn: Turn = no_turn
) -> tuple[float | None, list[torch.Tensor]]:
    """Shown loss and gradients of one step, of an adapter that is not at its start any more."""
    torch.manual_seed(8)
    state.optimizer.load_masters([m + 0.02 * torch.randn_like(m) for m in state.optimizer.masters])
    state.adapted.train()
    loss = _accumulate(state, FrozenHead(state.adapted), units, turn)
    found = []
    for parameter in state.optimizer.parameters:
        assert parameter.grad is not None
        found.append(parameter.grad.clone())
    return loss, found


def mixed(tiny: LoadedModel, config: LiftConfig) -> list[Unit]:
    """A step that holds windows, and questions with and without a teacher, of many lengths."""
    units = plan(tiny, config).units(0)
    samples = [sample for unit in units for sample in unit]
    assert {(s.is_text, s.soft is None) for s in samples} == {
        (True, True), (False, True), (False, False),
    }  # fmt: skip
    assert len({len(sample.ids) for sample in samples}) > 5
    return units


@pytest.mark.parametrize("adapter", ["lora", "gated-memory"])
def test_a_steps_gradient_does_not_depend_on_the_micro_batch(
    tiny: LoadedModel, adapter: Any
) -> None:
    config = CONFIG.with_changes(
        study="passages", one_step_per_epoch=True, open_share=1.0, adapter=adapter
    )
    units = mixed(tiny, config)
    loss, gradients = first_step(begin(tiny, config, windows=1), units)
    assert max(float(g.abs().max()) for g in gradients) > 1e-3
    for windows in (2, 5, 100):
        other_loss, others = first_step(begin(tiny, config, windows=windows), units)
        assert other_loss == pytest.approx(loss, rel=1e-5)
        for ours, theirs in zip(gradients, others, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def trained_sizes(state: TrainState, turn: Turn) -> list[tuple[int, int]]:
    """Trains; samples and padded tokens of each micro-batch."""
    sizes: list[tuple[int, int]] = []
    decoder = state.adapted.get_decoder()
    hook = decoder.register_forward_pre_hook(
        lambda _, args, inputs: sizes.append(inputs["input_ids"].shape), with_kwargs=True
    )
    list(run_slice(state, turn))
    hook.remove()
    return sizes


@contextmanager
def chatting(engine: Engine) -> Iterator[None]:
    """Somebody asks the base one question after the other, and has begun to."""
    begun, over = threading.Event(), threading.Event()

    def ask() -> None:
        prompt = tokenize(engine.base, TALE)[0, :40].tolist()
        while not over.is_set():
            for _ in decode(
                engine.base.model, engine.base, prompt, ChatSettings(max_new_tokens=4), engine.turn
            ):
                begun.set()

    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_micro_batches_are_small_while_somebody_chats_and_the_adapter_is_the_same(
    tiny: LoadedModel,
) -> None:
    config = CONFIG.with_changes(
        study="passages", one_step_per_epoch=True, open_share=1.0, stride_tokens=8, epochs=2
    )
    alone, beside = (begin(tiny, config, windows=100) for _ in range(2))
    whole = trained_sizes(alone, Engine(lambda: tiny).turn)
    engine = Engine(lambda: tiny)
    with chatting(engine):
        small = trained_sizes(beside, engine.turn)
    assert all(rows == 1 or rows * tokens <= SHARED_TOKENS for rows, tokens in small)
    assert max(rows for rows, _ in small) > 1
    assert all(rows * tokens > 4 * SHARED_TOKENS for rows, tokens in whole if tokens == 64)
    for ours, theirs in zip(weights(alone), weights(beside), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_micro_batches_are_whole_right_after_an_estimate(tiny: LoadedModel) -> None:
    config = CONFIG.with_changes(one_step_per_epoch=True, epochs=1)
    alone, estimated = (begin(tiny, config, windows=100) for _ in range(2))
    engine = Engine(lambda: tiny)
    Costs(lambda: engine.base, engine.visit).estimate(TALE, config)
    whole = trained_sizes(alone, Engine(lambda: tiny).turn)
    assert trained_sizes(estimated, engine.turn) == whole
    assert max(rows * tokens for rows, tokens in whole) > SHARED_TOKENS


def test_a_chat_that_comes_in_the_middle_of_a_step_shrinks_what_is_left_of_it(
    tiny: LoadedModel,
) -> None:
    config = CONFIG.with_changes(study="passages", one_step_per_epoch=True, open_share=1.0)
    units = mixed(tiny, config)
    turns = iter([False, True])

    @contextmanager
    def turn() -> Iterator[bool]:
        yield next(turns, False)

    loss, gradients = first_step(begin(tiny, config, windows=100), units)
    other_loss, others = first_step(begin(tiny, config, windows=100), units, turn)
    assert next(turns, None) is None
    assert other_loss == pytest.approx(loss, rel=1e-5)
    for ours, theirs in zip(gradients, others, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def plain_loss(state: TrainState, sample: Sample) -> torch.Tensor:
    """Summed loss of one sample alone, by the model's own forward."""
    logits = state.adapted(input_ids=torch.tensor([sample.ids])).logits[0, :-1].float()
    labels = torch.tensor(sample.labels[1:])
    known = labels != IGNORE
    told = logits[known].log_softmax(-1)
    if sample.soft is None:
        return -told.gather(-1, labels[known][:, None]).sum()
    teacher, own = sample.soft.logprobs.exp(), told.exp().gather(-1, sample.soft.tokens)
    others = 1 - teacher.sum(-1), 1 - own.sum(-1)
    top = (teacher * (teacher / own).log()).sum()
    return top + (others[0] * (others[0] / others[1]).log()).sum()


def test_a_steps_gradient_is_that_of_the_mean_over_units_of_their_mean_over_labels(
    tiny: LoadedModel,
) -> None:
    config = CONFIG.with_changes(study="passages", one_step_per_epoch=True, open_share=1.0)
    units = mixed(tiny, config)
    shown, gradients = first_step(begin(tiny, config), units)
    state = begin(tiny, config)
    torch.manual_seed(8)
    state.optimizer.load_masters([m + 0.02 * torch.randn_like(m) for m in state.optimizer.masters])
    means = []
    for unit in units:
        total = torch.stack([plain_loss(state, sample) for sample in unit]).sum()
        means.append(total / sum(sample.labelled for sample in unit))
    torch.autograd.backward(torch.stack(means).mean())
    for parameter, ours in zip(state.optimizer.parameters, gradients, strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-3, atol=1e-6)
    texts = [float(m.detach()) for m, unit in zip(means, units, strict=True) if unit[0].is_text]
    assert shown == pytest.approx(sum(texts) / len(texts), rel=1e-4)


def test_the_shown_loss_is_the_texts_and_absent_where_a_step_has_none(tiny: LoadedModel) -> None:
    config = CONFIG.with_changes(study="passages", batch_segments=1, open_share=0.0)
    state = begin(tiny, config)
    texts = [bool(state.plan.units(step)[0][0].is_text) for step in range(state.total)]
    losses = [event.loss is not None for event in run_slice(state, no_turn)]
    assert losses == texts and set(texts) == {True, False}
    alone = begin(tiny, config.with_changes(segments="none"))
    assert all(event.loss is not None for event in run_slice(alone, no_turn))


def test_samples_without_a_label_are_left_out(tiny: LoadedModel) -> None:
    state = begin(tiny)
    full = window(tokenize(tiny, TALE)[0, :40].tolist())
    blind = behind(full.ids, [])
    _, alone = first_step(state, [(full,)])
    _, beside = first_step(begin(tiny), [(full, blind)])
    assert all(torch.equal(a, b) for a, b in zip(alone, beside, strict=True))


def test_parts_of_a_micro_batch_are_its_samples_with_their_weights() -> None:
    units = [(window(range(n)),) for n in (64, 64, 20, 20, 20)]
    (batch,) = micro_batches(units, 1000)
    parts = batch.parts(40)
    assert [[len(sample.ids) for sample in part.samples] for part in parts] == [
        [64], [64], [20, 20], [20],
    ]  # fmt: skip
    pairs = [pair for part in parts for pair in zip(part.samples, part.weights, strict=True)]
    assert pairs == list(zip(batch.samples, batch.weights, strict=True))


def test_micro_batches_stay_within_their_tokens_and_keep_kinds_apart() -> None:
    soft = Soft(torch.zeros(3, 2, dtype=torch.long), torch.zeros(3, 2))
    texts = [window(range(n)) for n in (64, 64, 64, 20)]
    taught = [Sample((1, 2, 3, 4), (1, 2, 3, 4), soft) for _ in range(9)]
    units = [(sample,) for sample in texts] + [tuple(taught)]
    found = list(micro_batches(units, 128))
    assert [len(batch.samples) for batch in found if batch.is_text] == [2, 2]
    assert [len(batch.samples) for batch in found if batch.soft] == [9]
    assert sum(batch.labelled_share for batch in found) == pytest.approx(1)
    for batch in found:
        ids, labels, row_weights = batch.tensors(torch.device("cpu"))
        assert ids.shape == labels.shape and len(ids) == len(row_weights) == len(batch.samples)
        assert ids.numel() <= 128
        positions = batch.positions(torch.device("cpu"))
        assert positions.shape == ids.shape
        assert float(positions.sum()) == pytest.approx(batch.labelled_share)
        for row, sample in enumerate(batch.samples):
            size = len(sample.ids)
            assert tuple(ids[row, :size].tolist()) == sample.ids
            assert tuple(labels[row, :size].tolist()) == sample.labels
            assert bool((labels[row, size:] == IGNORE).all())
            assert bool((positions[row, :size] > 0).all())
            assert not positions[row, size:].any()


MEMORY = CONFIG.with_changes(adapter="gated-memory", learning_rate=2e-2, epochs=8)


def opened(state: TrainState, tiny: LoadedModel) -> float:
    with record_gates(state.adapted) as gates, torch.no_grad():
        state.adapted.eval()(tokenize(tiny, TALE))
    return float(gates.mean())


def test_a_penalty_keeps_the_gates_lower(tiny: LoadedModel) -> None:
    means = []
    for penalty in (0.0, 20.0):
        state = begin(tiny, MEMORY.with_changes(gate_penalty=penalty))
        list(run_slice(state, no_turn))
        means.append(opened(state, tiny))
    assert 0 < means[1] < 0.5 * means[0]


def test_a_penalty_has_the_same_gradient_with_recomputed_activations(tiny: LoadedModel) -> None:
    config = MEMORY.with_changes(gate_penalty=5.0, batch_segments=4)
    kept, again, free = begin(tiny, config), begin(tiny, config), begin(tiny, MEMORY)
    again.recompute()
    units = list(plan(tiny, config).units(0))
    _, ours = first_step(kept, units)
    _, theirs = first_step(again, units)
    _, without = first_step(free, units)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert not all(torch.allclose(a, b) for a, b in zip(ours, without, strict=True))


def test_padding_has_no_part_in_a_penalty(tiny: LoadedModel) -> None:
    config = MEMORY.with_changes(
        study="passages", one_step_per_epoch=True, open_share=1.0, gate_penalty=5.0
    )
    units = mixed(tiny, config)
    _, gradients = first_step(begin(tiny, config, windows=1), units)
    for windows in (5, 100):
        _, others = first_step(begin(tiny, config, windows=windows), units)
        for ours, theirs in zip(gradients, others, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_pass_beside_the_plan_trains_and_counts_no_step(tiny: LoadedModel) -> None:
    config = CONFIG.with_changes(study="sentences", segments="none")
    state = begin(tiny, config)
    questions = cast(Curriculum, state.plan).questions
    assert questions is not None
    units = questions.in_order()
    before = weights(state)
    tokens = study_once(state, units, no_turn)
    assert tokens == sum(len(sample.ids) for unit in units for sample in unit)
    assert state.step == 0
    assert not all(torch.equal(a, b) for a, b in zip(before, weights(state), strict=True))


def test_the_rate_warms_up_peaks_and_falls_to_a_tenth() -> None:
    config = CONFIG.with_changes(warmup_steps=4)
    rates = [rate(config, step, 40) for step in range(41)]
    assert rates[0] < rates[3] < rates[4] == config.learning_rate == max(rates)
    assert rates[40] == pytest.approx(config.learning_rate / 10)
    constant = config.with_changes(schedule="constant")
    assert {rate(constant, step, 40) for step in range(4, 40)} == {config.learning_rate}


def test_losses_are_those_of_the_models_own_forward(tiny: LoadedModel) -> None:
    ids = tokenize(tiny, TALE)[:, :64]
    with torch.no_grad():
        theirs = float(tiny.model(input_ids=ids, labels=ids).loss)
    assert next(mean_loss(tiny.model, [ids], no_turn)) == pytest.approx(theirs, rel=1e-5)
    adapted = lora.attach(tiny.twin(), CONFIG)
    assert next(mean_loss(adapted, [ids], no_turn)) == pytest.approx(theirs, rel=1e-5)
