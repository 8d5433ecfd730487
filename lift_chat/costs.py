"""What absorbing costs in time and memory: a short measured warm-up, scaled by arithmetic.

The warm-up sends one window of at most 512 tokens forward and backward twice, on a twin with the
adapter of the recipe. It yields the time per token and, counted exactly, the bytes that autograd
keeps per token. Time at the recipe's window length follows from the operation count of a frozen
decoder with an adapter: 4N for the frozen weights, 6P for the adapter, and attention, which grows
with the window. What a finished run really took replaces the warm-up's time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from lift_chat.adapters import kinds, lora
from lift_chat.lent import Gpu
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.tokens import probe_windows, tokenize
from lift_chat.lift.train import Fit, decoder_of
from lift_chat.lift.workload import ENDS_TOKENS, workload
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

WARMUP_TOKENS = 512
MEASURING_SECONDS = 15
"""For which a lent device is asked: most of it is for a first use of the device."""

WRITING = 1.5
"""Cost of a written token in trained ones: decoded in batches, each token reads all weights."""

HEADROOM = 0.7
"""Share of the free memory that a micro-batch may plan with; the rest is for a chat and for
fragmentation."""


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
class Probe:
    """Measured at windows of `window` tokens; `saved_bytes` per token without recomputation."""

    window: int
    seconds_per_token: float
    saved_bytes: float
    basis: str


class Costs:
    """Measures once per kind of recipe and remembers; all else needs no device. Thread-safe."""

    def __init__(self, base: Callable[[], LoadedModel], turn: Turn, gpu: Gpu | None = None) -> None:
        self._base, self._turn = base, turn
        self._probes: dict[tuple[object, ...], Probe] = {}
        self._measuring = threading.Lock()
        self._measure = (gpu or Gpu()).run(self._there, MEASURING_SECONDS)

    def _there(self, config: LiftConfig) -> Iterator[Probe]:
        yield measure(self._base(), config, self._turn)

    def estimate(self, text: str, config: LiftConfig) -> Estimate:
        """Time and memory of absorbing `text`. Raises `ModelUnavailable`."""
        return estimate(self._base(), text, config, self.probe(config))

    def probe(self, config: LiftConfig) -> Probe:
        with self._measuring:
            key = _kind(config)
            if key not in self._probes:
                (self._probes[key],) = self._measure(config)
            return self._probes[key]

    def fit(self, config: LiftConfig) -> Fit:
        """How many windows go through the device at once, and whether activations are kept."""
        return fit(self._base(), config, self.probe(config))

    def learn(self, config: LiftConfig, seconds_per_token: float) -> None:
        """A run with `config` took this long per trained token."""
        learned = replace(
            self.probe(config),
            window=config.segment_tokens,
            seconds_per_token=seconds_per_token,
            basis="From the last run with such a recipe on this machine.",
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


def measure(loaded: LoadedModel, config: LiftConfig, turn: Turn) -> Probe:
    """Two forward and backward passes over one short window; takes the device meanwhile."""
    adapted: Any = kinds.attach(loaded.twin(), config)
    adapted.train()
    head, decoder = FrozenHead(adapted), decoder_of(adapted)
    window = min(WARMUP_TOKENS, config.segment_tokens)
    ids = torch.arange(window, device=loaded.device.torch)[None] % 1000 % head.vocabulary
    seconds, saved = 0.0, _Saved(loaded.model)
    for _ in range(2):
        with turn():
            started = time.monotonic()
            with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda tensor: tensor):
                hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state
            torch.autograd.backward(head.nll(hidden, ids))
            if loaded.device.kind == "cuda":
                torch.cuda.synchronize()
            seconds = time.monotonic() - started
    basis = f"Measured on {window} tokens just now."
    return Probe(window, seconds / window, saved.bytes / window, basis)


class _Saved:
    """Counts what autograd keeps: each storage once, weights of the base not at all."""

    def __init__(self, base: Any) -> None:
        self._seen = {weight.untyped_storage().data_ptr() for weight in base.parameters()}
        self._kept: list[torch.Tensor] = []
        self.bytes = 0

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor


def estimate(loaded: LoadedModel, text: str, config: LiftConfig, probe: Probe) -> Estimate:
    """Time and memory of absorbing `text` with `config` on `loaded`'s device."""
    ids = tokenize(loaded, text, torch.device("cpu"))
    work = workload(ids.shape[1], config, loaded.window)
    probed = 2 * sum(window.shape[1] for window in probe_windows(ids, config)) + work.read
    shape = _Shape.of(loaded, config)
    longest = work.longest
    per_token = probe.seconds_per_token
    per_token *= shape.operations(longest) / shape.operations(probe.window)
    at_once = fit(loaded, config, probe)
    kept = shape.checkpointed if at_once.recompute else probe.saved_bytes
    return Estimate(
        # A forward pass alone is a third of the work: backward is twice as much.
        seconds=per_token * (work.trained + probed / 3 + work.written * WRITING),
        memory_bytes=int(kept * longest * at_once.windows) + shape.states,
        free_memory_bytes=loaded.device.free_memory(),
        document_tokens=ids.shape[1],
        trained_tokens=work.trained,
        steps=work.steps,
        adapter_bytes=shape.adapter * loaded.device.dtype.itemsize,
        basis=probe.basis,
    )


def fit(loaded: LoadedModel, config: LiftConfig, probe: Probe) -> Fit:
    """As many windows at once as memory allows. On a CPU always one: batching gains nothing
    there, and a fixed number keeps a resumed run bit-equal."""
    room = HEADROOM * loaded.device.free_memory() - _Shape.of(loaded, config).states
    window = probe.saved_bytes * _longest(config, loaded.window)
    most = 1 if loaded.device.kind == "cpu" else config.batch_segments
    return Fit(windows=max(1, min(most, int(room // window))), recompute=window > room)


def _longest(config: LiftConfig, window: int) -> int:
    """Tokens of the longest sample that any document may give; at least a window's, since shorter
    samples go together up to that many."""
    enough = config.segment_tokens + config.context_tokens + ENDS_TOKENS
    return max(config.segment_tokens, workload(enough, config, window).longest)


@dataclass(frozen=True)
class _Shape:
    """Numbers of a base with an adapter: parameters of layers, head and adapter; layers, hidden
    width and attention width; bytes per number."""

    linear: int
    head: int
    adapter: int
    layers: int
    hidden: int
    attention: int
    itemsize: int

    @classmethod
    def of(cls, loaded: LoadedModel, config: LiftConfig) -> _Shape:
        text = loaded.model.config.get_text_config()
        head = loaded.model.get_output_embeddings()
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        linear = [m for m in loaded.model.modules() if isinstance(m, torch.nn.Linear)]
        return cls(
            linear=sum(m.in_features * m.out_features for m in linear if m is not head),
            head=head.in_features * head.out_features,
            adapter=_adapter_parameters(loaded, config),
            layers=int(text.num_hidden_layers),
            hidden=int(text.hidden_size),
            attention=width * int(text.num_attention_heads),
            itemsize=loaded.device.dtype.itemsize,
        )

    def operations(self, window: int) -> float:
        """FLOP per trained token at windows of `window` tokens, causal attention."""
        attention = 3.5 * 2 * self.layers * self.attention * window
        return 4.0 * (self.linear + self.head) + 6.0 * self.adapter + attention

    @property
    def states(self) -> int:
        """Bytes of the adapter, its gradient, its fp32 master and the two moments."""
        return self.adapter * (2 * self.itemsize + 12)

    @property
    def checkpointed(self) -> int:
        """Bytes kept per token when only the layers' inputs are."""
        return self.layers * self.hidden * self.itemsize


def _adapter_parameters(loaded: LoadedModel, config: LiftConfig) -> int:
    if config.adapter == "lora":
        layers = [layer for _, layer in lora.targets(loaded.model, config)]
        return sum(config.rank * (m.in_features + m.out_features) for m in layers)
    adapted = kinds.attach(loaded.twin(), config)
    return sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
