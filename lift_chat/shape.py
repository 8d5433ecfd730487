"""What a base with an adapter costs per token: operations to do and bytes to hold, by arithmetic.

Operations are those of a frozen decoder: 2 for each weight forward and 2 backward, since frozen
weights need no gradient of their own, 6 for each of the adapter's, and attention, which grows with
the sample. Knows nothing of time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lift_chat.adapters import kinds, lora
from lift_chat.lift.load import Load
from lift_chat.lift.losses import CHUNK
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.loading import LoadedModel


@dataclass(frozen=True)
class Shape:
    """Parameters of layers, head and adapter; layers, hidden width, attention width, vocabulary;
    bytes per number."""

    linear: int
    head: int
    adapter: int
    layers: int
    hidden: int
    attention: int
    vocabulary: int
    itemsize: int
    chunk: int
    """Positions that go through the head together."""

    @classmethod
    def of(cls, loaded: LoadedModel, config: LiftConfig) -> Shape:
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
            vocabulary=int(text.vocab_size),
            itemsize=loaded.device.dtype.itemsize,
            chunk=CHUNK[loaded.device.kind],
        )

    def training(self, load: Load, *, recompute: bool) -> float:
        """FLOP of the layers, forward and backward; causal attention costs 2.5 times as much
        backward as forward."""
        forward = self.reading(load)
        weights = 2.0 * self.linear * load.tokens + 4.0 * self.adapter * load.tokens
        backward = weights + 2.5 * self._attention(load)
        return forward * (2 if recompute else 1) + backward

    def reading(self, load: Load) -> float:
        """FLOP of the layers, forward."""
        return 2.0 * (self.linear + self.adapter) * load.tokens + self._attention(load)

    def losses(self, load: Load) -> float:
        """FLOP of the head with its backward, which is done with its forward and never again."""
        return 2 * self.scores(load)

    def scores(self, load: Load) -> float:
        """FLOP of the head, forward."""
        return 2.0 * self.head * load.labelled

    def _attention(self, load: Load) -> float:
        return 2.0 * self.layers * self.attention * load.pairs

    @property
    def states(self) -> int:
        """Bytes of the adapter, its fp32 master and the two moments."""
        return self.adapter * (self.itemsize + 12)

    @property
    def gradients(self) -> int:
        """Bytes of the adapter's gradient."""
        return self.adapter * self.itemsize

    @property
    def update(self) -> int:
        """Bytes at most of an optimizer step, beside the states: gradients, and their fp32 copy."""
        return self.adapter * (self.itemsize + 4)

    def loss(self, positions: float) -> int:
        """Bytes of the loss of so many positions: three rows of fp32 logits for each one, a chunk
        of them at a time."""
        return int(3 * 4 * self.vocabulary * min(positions, self.chunk))

    def peak(self, saved: float, batch: Load, *, recompute: bool) -> int:
        """Bytes of a batch when its loss is taken, where each token keeps `saved` without
        recomputation. With it, the inputs of all layers are kept, and later one layer's rest with
        gradients of the same size."""
        loss = self.loss(batch.labelled)
        if not recompute:
            return int(saved * batch.tokens) + loss
        inputs = self.layers * self.hidden * self.itemsize * batch.tokens
        return int(inputs + max(loss, 2 * saved / self.layers * batch.tokens))


def _adapter_parameters(loaded: LoadedModel, config: LiftConfig) -> int:
    if config.adapter == "lora":
        layers = [layer for _, layer in lora.targets(loaded.model, config)]
        return sum(config.rank * (m.in_features + m.out_features) for m in layers)
    adapted = kinds.attach(loaded.twin(), config)
    return sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
