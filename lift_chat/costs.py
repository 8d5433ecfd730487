"""What absorbing costs in time and memory: a short measured warm-up, scaled by arithmetic.

Work is counted (`lift.workload`), what it costs in operations and bytes is arithmetic (`shape`),
and how fast they are done is measured (`probe`), once per kind of recipe. What a finished run
really took corrects the measurement. Memory is that of training, the most that a run takes:
questions and exams are decoded in batches that stay below it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from lift_chat.lent import Gpu
from lift_chat.lift.expected import longest_behind_ends
from lift_chat.lift.forgetting import reading as general_reading
from lift_chat.lift.load import Load
from lift_chat.lift.measures import map_pages
from lift_chat.lift.memory_map import MOST_TOKENS
from lift_chat.lift.questions import ENDS_TOKENS
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.tokens import probe_windows, tokenize
from lift_chat.lift.train import Fit
from lift_chat.lift.workload import Workload, workload
from lift_chat.models.batch import most_prompt_tokens
from lift_chat.models.device import Visit, aside
from lift_chat.models.loading import LoadedModel
from lift_chat.probe import Probe, measure
from lift_chat.shape import Shape

MEASURING_SECONDS = 15
"""For which a lent device is asked: most of it is for a first use of the device."""

HEADROOM = 0.7
"""Share of the free memory that a micro-batch may plan with; the rest is for a chat and for
fragmentation."""


MANY = 1000
"""Questions: enough for the largest group that is ever asked behind one text."""


@dataclass(frozen=True)
class Estimate:
    """Seconds, bytes and tokens of a run. `memory_bytes` comes on top of the loaded base. `basis`
    is one sentence: what was measured."""

    seconds: float
    memory_bytes: int
    free_memory_bytes: int
    document_tokens: int
    trained_tokens: int
    steps: int
    adapter_bytes: int
    basis: str

    @property
    def fits(self) -> bool:
        return self.memory_bytes <= self.free_memory_bytes


@dataclass(frozen=True)
class Found:
    """What a run finds with its document: pages, study questions that are kept already, and its
    own exam questions."""

    pages: int = 0
    given: int = 0
    own: int = 0


NOTHING_FOUND = Found()


class Costs:
    """Measures once per kind of recipe and remembers; all else needs no device. Thread-safe."""

    def __init__(
        self, base: Callable[[], LoadedModel], visit: Visit, gpu: Gpu | None = None
    ) -> None:
        self._base, self._visit = base, visit
        self._probes: dict[tuple[object, ...], Probe] = {}
        self._measuring = threading.Lock()
        self._measure = (gpu or Gpu()).run(self._there, MEASURING_SECONDS)

    def _there(self, config: LiftConfig) -> Iterator[Probe]:
        base = self._base()

        def measured() -> Probe:
            with self._visit() as turn:
                return measure(base, config, turn)

        yield aside(measured)

    def estimate(self, text: str, config: LiftConfig, found: Found = NOTHING_FOUND) -> Estimate:
        """Time and memory of absorbing `text`. Raises `ModelUnavailable`."""
        return estimate(self._base(), text, config, self.probe(config), found)

    def probe(self, config: LiftConfig) -> Probe:
        with self._measuring:
            key = _kind(config)
            if key not in self._probes:
                (self._probes[key],) = self._measure(config)
            return self._probes[key]

    def fit(self, config: LiftConfig) -> Fit:
        """How many windows go through the device at once, and whether activations are kept."""
        return fit(self._base(), config, self.probe(config))

    def learn(self, config: LiftConfig, document_tokens: int, seconds_per_token: float) -> None:
        """A run with `config` took this long per trained token."""
        loaded, probe = self._base(), self.probe(config)
        work = workload(document_tokens, config, loaded.window)
        expected = _training_seconds(loaded, config, work, probe) / max(work.trained, 1)
        learned = probe.corrected(
            seconds_per_token / expected, "From the last run with such a recipe on this machine."
        )
        with self._measuring:
            self._probes[_kind(config)] = learned


def _kind(config: LiftConfig) -> tuple[object, ...]:
    return (
        config.adapter,
        config.rank,
        config.targets,
        config.segment_tokens,
        config.memory_width,
        config.gate,
        config.gate_width,
        config.skip_layers,
    )


def estimate(
    loaded: LoadedModel,
    text: str,
    config: LiftConfig,
    probe: Probe,
    found: Found = NOTHING_FOUND,
) -> Estimate:
    """Time and memory of absorbing `text` with `config` on `loaded`'s device."""
    ids = tokenize(loaded, text, torch.device("cpu"))
    work = workload(
        ids.shape[1],
        config,
        loaded.window,
        given=found.given,
        own=found.own,
        prompt_tokens=most_prompt_tokens(loaded),
    )
    shape = Shape.of(loaded, config)
    reading = work.reading + _measured(loaded, ids, config, found.pages) * 2
    asking = probe.reading_seconds * shape.reading(reading)
    asking += probe.head_seconds * shape.scores(reading)
    writing = probe.decoding_seconds * work.decodings + probe.row_seconds * work.written
    return Estimate(
        seconds=_training_seconds(loaded, config, work, probe) + asking + writing,
        memory_bytes=_memory(shape, config, work, probe, fit(loaded, config, probe)),
        free_memory_bytes=loaded.device.free_memory(),
        document_tokens=ids.shape[1],
        trained_tokens=work.trained,
        steps=work.steps,
        adapter_bytes=shape.adapter * loaded.device.dtype.itemsize,
        basis=probe.basis,
    )


def _training_seconds(
    loaded: LoadedModel, config: LiftConfig, work: Workload, probe: Probe
) -> float:
    recompute = fit(loaded, config, probe).recompute
    shape = Shape.of(loaded, config)
    layers = probe.pass_seconds * work.passes
    layers += probe.operation_seconds * shape.training(work.training, recompute=recompute)
    head = probe.head_seconds * shape.losses(work.training)
    return layers + head + probe.step_seconds * work.steps


def _measured(loaded: LoadedModel, ids: torch.Tensor, config: LiftConfig, pages: int) -> Load:
    """What is read before training, and again after it, to compare: the document's probe windows,
    its pages' beginnings, and what has nothing to do with it."""
    load = general_reading(loaded)
    for window in probe_windows(ids, config):
        load += Load.of(1, window.shape[1], window.shape[1])
    pages = min(pages, map_pages(loaded))
    page = min(MOST_TOKENS, ids.shape[1] / max(pages, 1))
    return load + Load.of(pages, page, page)


def _memory(shape: Shape, config: LiftConfig, work: Workload, probe: Probe, at_once: Fit) -> int:
    """Bytes at the highest point of training: where a loss is taken, with everything kept for
    going backward, or where the optimizer takes its step."""
    peaks = [
        shape.peak(probe.saved_bytes, batch, recompute=at_once.recompute)
        for batch in work.batches(config, at_once.windows)
    ]
    several = work.units > at_once.windows or work.questions.tokens > 0
    # A first batch has its gradients only when what it kept is gone; a recomputed one before.
    gradients = shape.gradients if several or at_once.recompute else 0
    return shape.states + max(gradients + max(peaks), shape.update)


def fit(loaded: LoadedModel, config: LiftConfig, probe: Probe) -> Fit:
    """As many windows at once as memory allows. On a CPU always one: batching gains nothing
    there, and a fixed number keeps a resumed run bit-equal."""
    shape = Shape.of(loaded, config)
    room = HEADROOM * loaded.device.free_memory()
    room -= shape.states + shape.gradients + shape.loss(shape.chunk)
    window = probe.saved_bytes * _longest(config, loaded.window)
    most = 1 if loaded.device.kind == "cpu" else config.batch_segments
    return Fit(windows=max(1, min(most, int(room // window))), recompute=window > room)


def _longest(config: LiftConfig, window: int) -> int:
    """Tokens of the longest sample that any document may give; at least a window's, since shorter
    samples go together up to that many."""
    least = config.segment_tokens + config.context_tokens + ENDS_TOKENS
    enough = (least // config.passage_tokens + 3) * config.passage_tokens
    longest = workload(enough, config, window, given=MANY).longest
    return max(config.segment_tokens, longest, longest_behind_ends(config))
