from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from lift_chat.adapters import kinds, lora
from lift_chat.lift.batching import Unit, micro_batches
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.passes import MOST, ROOM, WIDTH, Passes
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.samples import behind, window
from lift_chat.lift.tokens import tokenize
from lift_chat.lift.train import NOTHING, Fit, TrainState, _accumulate, decoder_of, run_slice
from lift_chat.models.graphs import CudaGraphs, Pair, Way
from lift_chat.models.loading import LoadedModel
from tests.conftest import QUICK, TALE, no_turn


@dataclass
class Seen:
    kept: int
    waiting: bool

    def waits(self) -> bool:
        return self.waiting


class Computed:
    """A pair that computes what a graph would replay, into one and the same memory."""

    def __init__(self, way: Way, ids: torch.Tensor) -> None:
        self.way, self.shape, self.times = way, ids.shape, 0
        self.addresses = [weight.data_ptr() for weight in way.weights]
        self.told = way.decode(ids).detach()
        self.hidden = self.told

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        assert ids.shape == self.shape
        assert [weight.data_ptr() for weight in self.way.weights] == self.addresses
        self.times += 1
        with torch.enable_grad():
            self.hidden = self.way.decode(ids)
        self.told.copy_(self.hidden.detach())
        return self.told.detach()

    def backward(self, gradient: torch.Tensor) -> None:
        self.way.back(self.hidden, gradient)


@dataclass
class OnCpu:
    """`Graphs` without a device for them; captures until `fails` says what to raise."""

    fails: Callable[[], Exception | None] = lambda: None
    free: int = 10**12
    kept: int = 1000
    waiting: bool = True
    pairs: list[Computed] = field(default_factory=list)
    dropped: int = 0

    def watch(self, work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, Seen]:
        return work(), Seen(self.kept, self.waiting)

    def room(self) -> int:
        return self.free

    def capture(self, way: Way, ids: torch.Tensor) -> Pair:
        error = self.fails()
        if error is not None:
            raise error
        self.pairs.append(Computed(way, ids))
        return self.pairs[-1]

    def drop(self) -> None:
        for pair in self.pairs:
            pair.told.fill_(torch.nan)  # whoever looks at it later finds something else there
        self.pairs.clear()
        self.dropped += 1

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [tuple(pair.shape) for pair in self.pairs]


def begin(tiny: LoadedModel, graphs: Any = None, config: LiftConfig = QUICK) -> TrainState:
    """An adapter that is not at its start any more, whose training captures into `graphs`."""
    state = TrainState.start(kinds.attach(tiny.twin(), config), config, NOTHING, Fit(windows=4))
    torch.manual_seed(8)
    state.optimizer.load_masters([m + 0.02 * torch.randn_like(m) for m in state.optimizer.masters])
    state.adapted.train()
    if graphs is not None:
        weights = state.optimizer.parameters
        state.passes = Passes(decoder_of(state.adapted), weights, graphs)
    return state


def units(tiny: LoadedModel) -> list[Unit]:
    """A step of windows and questions of many lengths."""
    ids = tokenize(tiny, TALE)[0].tolist()
    asked = [(behind(ids[: 9 + i], ids[9 + i : 14 + 2 * i]),) for i in range(3)]
    return [(window(ids[:64]),), *asked, (window(ids[64:128]),)]


def gradients(state: TrainState) -> list[torch.Tensor]:
    found = []
    for weight in state.optimizer.parameters:
        assert weight.grad is not None
        found.append(weight.grad.clone())
    return found


def step(state: TrainState, told: list[Unit]) -> tuple[float | None, list[torch.Tensor]]:
    """Loss and gradients of one step, which is not taken."""
    loss = _accumulate(state, FrozenHead(state.adapted), told, no_turn)
    found = gradients(state)
    state.optimizer.clear()
    return loss, found


def test_passes_padded_to_a_multiple_and_replayed_give_the_same_loss_and_gradients(
    tiny: LoadedModel,
) -> None:
    told = units(tiny)
    loss, plain = step(begin(tiny), told)
    assert max(float(g.abs().max()) for g in plain) > 1e-3
    graphs = OnCpu()
    state = begin(tiny, graphs)
    for _ in range(3):  # eager, captured, replayed
        other_loss, others = step(state, told)
        assert other_loss == pytest.approx(loss, rel=1e-5)
        for ours, theirs in zip(plain, others, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert graphs.pairs and all(width % WIDTH == 0 for _, width in graphs.shapes)


@pytest.mark.parametrize("most", [64, 128, 200, 1000])
def test_batches_of_a_rounded_width_stay_within_the_tokens_that_fit(
    tiny: LoadedModel, most: int
) -> None:
    told = units(tiny) * 2
    whole = list(micro_batches(told, most, WIDTH))
    parts = [part for batch in micro_batches(told, 10**6, WIDTH) for part in batch.parts(most)]
    for batches in (whole, parts):
        shapes = [batch.tensors(torch.device("cpu"))[0].shape for batch in batches]
        assert all(rows == 1 or rows * width <= most for rows, width in shapes)
        assert all(width % WIDTH == 0 for _, width in shapes)
        assert sum(rows for rows, _ in shapes) == len(told)


def test_a_run_with_replays_gives_the_adapter_of_an_eager_one(tiny: LoadedModel) -> None:
    class Plan:
        steps = 6

        def units(self, step: int) -> list[Unit]:
            return units(tiny)

    eager, graphs = begin(tiny), OnCpu()
    captured = begin(tiny, graphs)
    times = []
    for state in (eager, captured):
        state.plan = Plan()
        for _ in run_slice(state, no_turn):
            times = [pair.times for pair in graphs.pairs]
    assert max(times) >= 5
    assert not graphs.pairs  # the memory is back when the slice is over
    for ours, theirs in zip(eager.optimizer.masters, captured.optimizer.masters, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_shape_is_captured_when_it_comes_for_the_second_time(tiny: LoadedModel) -> None:
    graphs = OnCpu()
    passes = begin(tiny, graphs).passes
    one, two = torch.ones(1, 64, dtype=torch.long), torch.ones(2, 64, dtype=torch.long)
    seen = []
    for ids in (one, two, one, one, two):
        passes.hidden(ids)
        seen.append((graphs.shapes.copy(), [pair.times for pair in graphs.pairs]))
    assert seen == [
        ([], []),
        ([], []),
        ([(1, 64)], [1]),
        ([(1, 64)], [2]),
        ([(1, 64), (2, 64)], [2, 1]),
    ]


class _Life:
    """Lives as long as the part of autograd's graph that holds it."""


class _Marked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, lives: list[Any]) -> torch.Tensor:
        ctx.life = _Life()
        lives.append(weakref.ref(ctx.life))
        return hidden.view_as(hidden)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grads[0], None


def test_nothing_of_an_earlier_pass_is_alive_when_a_shape_is_captured(tiny: LoadedModel) -> None:
    """Else autograd would order a captured pass behind the stream of that one, which no capture
    may do."""
    lives: list[Any] = []
    alive: list[int] = []

    class Watching(OnCpu):
        def watch(self, work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, Seen]:
            hidden: torch.Tensor = _Marked.apply(work(), lives)  # type: ignore[no-untyped-call]
            assert lives[-1]() is not None
            return hidden, Seen(self.kept, self.waiting)

        def capture(self, way: Way, ids: torch.Tensor) -> Pair:
            alive.append(sum(life() is not None for life in lives))
            return super().capture(way, ids)

    state, ids = begin(tiny, Watching()), tokenize(tiny, TALE)[0].tolist()
    state.micro_batch = 1
    one, other = (window(ids[:64]),), (window(ids[:128]),)
    for told in ([one], [other, one, other]):  # `other` is captured in the middle of a step
        step(state, told)
    assert len(alive) == 2 and alive == [0, 0]


def test_nobody_waits_for_a_capture(tiny: LoadedModel) -> None:
    graphs = OnCpu()
    passes = begin(tiny, graphs).passes
    ids = torch.ones(1, 64, dtype=torch.long)
    for _ in range(3):
        passes.hidden(ids, capture=False)
    assert not graphs.pairs
    passes.hidden(ids)
    passes.hidden(ids, capture=False)
    assert [pair.times for pair in graphs.pairs] == [2]


@pytest.mark.parametrize(
    "graphs",
    [OnCpu(waiting=False), OnCpu(free=int(ROOM * 1000) - 1)],
    ids=["a-busy-device", "little-memory"],
)
def test_nothing_is_captured_where_it_brings_nothing_or_does_not_fit(
    tiny: LoadedModel, graphs: OnCpu
) -> None:
    passes = begin(tiny, graphs).passes
    for _ in range(4):
        passes.hidden(torch.ones(1, 64, dtype=torch.long))
    assert not graphs.pairs


def test_the_number_of_captured_shapes_is_bounded(tiny: LoadedModel) -> None:
    graphs = OnCpu()
    passes = begin(tiny, graphs).passes
    for rows in range(1, MOST + 3):
        for _ in range(2):
            passes.hidden(torch.ones(rows, 2, dtype=torch.long))
    assert len(graphs.pairs) == MOST


@pytest.mark.parametrize(
    "error", [RuntimeError("a\nb"), torch.OutOfMemoryError("full"), KeyError()]
)
def test_after_a_failed_capture_all_goes_on_eager_and_says_so_in_one_line(
    tiny: LoadedModel, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    told = units(tiny)
    _, plain = step(begin(tiny), told)
    left = iter([None, error])
    graphs = OnCpu(fails=lambda: next(left))
    state = begin(tiny, graphs)
    for _ in range(3):
        _, others = step(state, told)
        for ours, theirs in zip(plain, others, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert next(left, "asked twice") == "asked twice"
    assert graphs.dropped and not graphs.pairs and state.passes.multiple == 1
    (record,) = caplog.records
    assert "without graphs" in record.message and "\n" not in record.message


def test_gradients_are_summed_up_and_outlive_the_graphs(tiny: LoadedModel) -> None:
    graphs = OnCpu()
    state, told = begin(tiny, graphs), units(tiny)
    for _ in range(2):
        step(state, told)
    assert graphs.pairs
    _accumulate(state, FrozenHead(state.adapted), told, no_turn)
    once = gradients(state)
    _accumulate(state, FrozenHead(state.adapted), told, no_turn)
    state.passes.drop()
    for ours, theirs in zip(once, gradients(state), strict=True):
        torch.testing.assert_close(2 * ours, theirs, rtol=1e-4, atol=1e-6)
    _accumulate(state, FrozenHead(state.adapted), told, no_turn)
    for ours, theirs in zip(once, gradients(state), strict=True):
        torch.testing.assert_close(3 * ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_step_of_the_optimizer_leaves_nothing_behind_for_the_next(tiny: LoadedModel) -> None:
    told = units(tiny)
    eager, replayed = begin(tiny), begin(tiny, OnCpu())
    for _ in range(4):
        for state in (eager, replayed):
            _accumulate(state, FrozenHead(state.adapted), told, no_turn)
        for ours, theirs in zip(gradients(eager), gradients(replayed), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
        for state in (eager, replayed):
            state.optimizer.step(1e-3)


def test_the_best_weights_are_what_a_replay_computes_with(tiny: LoadedModel) -> None:
    graphs = OnCpu()
    state = begin(tiny, graphs)
    ids = torch.ones(1, 64, dtype=torch.long)
    first = [master.clone() for master in state.optimizer.masters]
    before = [state.passes.hidden(ids) for _ in range(3)][-1].clone()
    state.optimizer.load_masters([master + 0.1 for master in first])
    assert not torch.equal(state.passes.hidden(ids), before)
    state.optimizer.load_masters(first)
    assert torch.equal(state.passes.hidden(ids), before) and graphs.pairs[0].times > 2


def test_memory_that_runs_out_beside_graphs_costs_the_graphs_first(tiny: LoadedModel) -> None:
    class Plan:
        steps = 5

        def units(self, step: int) -> list[Unit]:
            return units(tiny)

    graphs, left = OnCpu(), iter([True])
    eager, state = begin(tiny), begin(tiny, graphs)
    eager.plan = state.plan = Plan()
    list(run_slice(eager, no_turn))

    real = FrozenHead.nll

    def nll(self: Any, *args: Any) -> Any:
        if len(graphs.pairs) > 1 and next(left, False):
            raise torch.OutOfMemoryError("simulated")
        return real(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrozenHead, "nll", nll)
        events = list(run_slice(state, no_turn))
    assert [event.message for event in events if event.message] == [
        "Memory ran out; going on without captured graphs (slower)."
    ]
    assert state.micro_batch == 4 and not state.checkpointing and state.passes.multiple == 1
    for ours, theirs in zip(eager.optimizer.masters, state.optimizer.masters, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_recomputed_activations_are_never_captured(tiny: LoadedModel) -> None:
    graphs = OnCpu()
    state = begin(tiny, graphs)
    state.recompute()
    for _ in range(3):
        step(state, units(tiny))
    assert not graphs.pairs and state.passes.multiple == 1


def test_on_a_cpu_and_with_gated_memories_nothing_is_padded_or_captured(tiny: LoadedModel) -> None:
    for config in (QUICK, QUICK.with_changes(adapter="gated-memory")):
        assert begin(tiny, config=config).passes.multiple == 1


@pytest.fixture
def on_cuda(tiny_folder: Any) -> Iterator[LoadedModel]:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    from lift_chat.models.device import pick_device
    from lift_chat.models.loading import load_model

    device = pick_device("cuda")
    yield load_model(
        str(tiny_folder), device, cache=tiny_folder.parent, revision=None, four_bit=False
    )


def test_on_a_cuda_device_replays_give_the_eager_gradients(on_cuda: LoadedModel) -> None:
    adapted = lora.attach(on_cuda.twin(), QUICK).train()
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    with torch.no_grad():
        for weight in weights:
            weight.normal_(0, 0.05)
    ids = torch.arange(128, device="cuda").view(2, 64) % 250
    head, decoder = FrozenHead(adapted), decoder_of(adapted)

    def once(passes: Passes) -> list[torch.Tensor]:
        torch.autograd.backward(head.nll(passes.hidden(ids), ids))
        found = [weight.grad.clone() for weight in weights if weight.grad is not None]
        for weight in weights:
            weight.grad = None
        return found

    eager = once(Passes(decoder, weights))
    passes = Passes(decoder, weights, CudaGraphs())
    for _ in range(4):
        for ours, theirs in zip(eager, once(passes), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=1e-3)
    assert passes.stop()
