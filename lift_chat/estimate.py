"""What absorbing will cost, before it starts: a short measured warm-up, scaled by arithmetic.

One window of at most 512 tokens goes forward and backward twice on a twin with the adapter of the
recipe; the second time counts. Time per token at the recipe's window length follows from the
operation count of a frozen decoder with an adapter (4N for the frozen weights, 6P for the
adapter, and attention, which grows with the window). What runs on this machine have really taken
replaces the warm-up as soon as there is one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from lift_chat.adapters import lora
from lift_chat.lift.lesson import probe_windows, tokenize, training_windows
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.train import decoder_of, steps_per_epoch
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

WARMUP_TOKENS = 512


@dataclass(frozen=True)
class Estimate:
    """Seconds, bytes and tokens of a run. `basis` is one sentence: what was measured."""

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
class Speed:
    """Measured seconds per trained token at windows of `window` tokens."""

    seconds_per_token: float
    window: int
    basis: str


def measure_speed(loaded: LoadedModel, config: LiftConfig, turn: Turn) -> Speed:
    """Two forward and backward passes over one short window; takes the device meanwhile."""
    adapted: Any = lora.attach(loaded.twin(), config)
    adapted.train()
    head, decoder = FrozenHead(adapted), decoder_of(adapted)
    window = min(WARMUP_TOKENS, config.segment_tokens)
    ids = torch.arange(window, device=loaded.device.torch)[None] % 1000
    seconds = 0.0
    for _ in range(2):
        with turn():
            started = time.monotonic()
            hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state
            torch.autograd.backward(head.nll(hidden, ids))
            if loaded.device.kind == "cuda":
                torch.cuda.synchronize()
            seconds = time.monotonic() - started
    return Speed(seconds / window, window, f"Measured on {window} tokens just now.")


def estimate(loaded: LoadedModel, text: str, config: LiftConfig, speed: Speed) -> Estimate:
    """Time and memory of absorbing `text` with `config` on `loaded`'s device."""
    ids = tokenize(loaded, text)
    windows = training_windows(ids, config)
    trained = sum(window.shape[1] for window in windows) * config.epochs
    probed = 2 * sum(window.shape[1] for window in probe_windows(ids, config))
    shape = _Shape.of(loaded, config)
    longest = max((window.shape[1] for window in windows), default=0)
    per_token = speed.seconds_per_token * shape.operations(longest) / shape.operations(speed.window)
    # A forward pass alone is a third of the work: backward is twice as much.
    seconds = per_token * (trained + probed / 3)
    return Estimate(
        seconds=seconds,
        memory_bytes=shape.memory(longest * min(config.batch_segments, len(windows))),
        free_memory_bytes=loaded.device.free_memory(),
        document_tokens=ids.shape[1],
        trained_tokens=trained,
        steps=steps_per_epoch(config, len(windows)) * config.epochs,
        adapter_bytes=shape.adapter * loaded.device.dtype.itemsize,
        basis=speed.basis,
    )


@dataclass(frozen=True)
class _Shape:
    """Sizes that costs follow from: parameters of the layers, the head and the adapter; layers,
    hidden width, feed-forward width, attention width; bytes per number."""

    linear: int
    head: int
    adapter: int
    layers: int
    hidden: int
    feed_forward: int
    attention: int
    itemsize: int

    @classmethod
    def of(cls, loaded: LoadedModel, config: LiftConfig) -> _Shape:
        text = loaded.model.config.get_text_config()
        head_size = int(loaded.model.get_output_embeddings().weight.numel())
        layers = int(text.num_hidden_layers)
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        layers_adapted = [layer for _, layer in lora.targets(loaded.model, config)]
        inner = sum(p.numel() for n, p in loaded.model.named_parameters() if "embed" not in n)
        tied = bool(text.tie_word_embeddings)
        return cls(
            linear=inner if tied else max(inner - head_size, 0),
            head=head_size,
            adapter=sum(
                config.rank * (layer.out_features + layer.in_features) for layer in layers_adapted
            ),
            layers=layers,
            hidden=int(text.hidden_size),
            feed_forward=int(getattr(text, "intermediate_size", 4 * text.hidden_size)),
            attention=width * int(text.num_attention_heads),
            itemsize=loaded.device.dtype.itemsize,
        )

    def operations(self, window: int) -> float:
        """FLOP per trained token at windows of `window` tokens, causal attention."""
        attention = 3.5 * 2 * self.layers * self.attention * window
        return 4.0 * (self.linear + self.head) + 6.0 * self.adapter + attention

    def memory(self, tokens: int) -> int:
        """Bytes beyond the loaded base for a micro-batch of `tokens`: saved activations, the
        adapter with its gradient, fp32 masters and moments."""
        per_layer = 8 * self.hidden + 4 * self.attention + 4 * self.feed_forward
        activations = tokens * self.layers * per_layer * self.itemsize
        states = self.adapter * (2 * self.itemsize + 16)
        return int(activations + states)
