"""Samples as padded tensors, and what each one weighs in its step. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from lift_chat.lift.losses import Soft
from lift_chat.lift.samples import Sample
from lift_chat.models.rows import PADDING, batches, padded_right, rounded

Unit = tuple[Sample, ...]
"""Samples that weigh as much together as one window does alone: their loss is a mean over all of
their labels."""


@dataclass(frozen=True)
class MicroBatch:
    """Samples that go through the device together, and the weight of each one's summed loss. They
    are padded to a `multiple` of tokens."""

    samples: Sequence[Sample]
    weights: Sequence[float]
    multiple: int = 1

    @property
    def is_text(self) -> bool:
        return self.samples[0].is_text

    @property
    def labelled_share(self) -> float:
        """What part of the step this is, 0 to 1: the weights of a step's labels add up to 1."""
        pairs = zip(self.samples, self.weights, strict=True)
        return sum(sample.labelled * weight for sample, weight in pairs)

    def positions(self, device: torch.device) -> torch.Tensor:
        """(batch, tokens): the part that each position has in the step when a sample's part is
        spread over its own positions; padding has none. Adds up to `labelled_share`."""
        pairs = zip(self.samples, self.weights, strict=True)
        parts = [[sample.labelled * weight / len(sample.ids)] for sample, weight in pairs]
        return torch.tensor(parts, device=device) * (self._ids(device) != PADDING)

    def parts(self, most_tokens: int) -> list[MicroBatch]:
        """The same samples in smaller batches, padded to at most `most_tokens` each, or of one
        sample that is longer; the sum of their gradients is the same."""
        return [
            replace(
                self,
                samples=[self.samples[i] for i in rows],
                weights=[self.weights[i] for i in rows],
            )
            for rows in batches(_widths(self.samples, self.multiple), most_tokens)
        ]

    @property
    def soft(self) -> list[Soft]:
        return [sample.soft for sample in self.samples if sample.soft is not None]

    def tensors(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """ids, labels (batch, tokens) and weights (batch,).

        Padding is at the right: in a causal model nothing before it can see it, so there is no
        attention mask, and full windows keep the fast path of attention.
        """
        return (
            self._ids(device).clamp(min=0),
            torch.tensor(
                padded_right([s.labels for s in self.samples], self.multiple), device=device
            ),
            torch.tensor(self.weights, device=device),
        )

    def _ids(self, device: torch.device) -> torch.Tensor:
        rows = padded_right([s.ids for s in self.samples], self.multiple)
        return torch.tensor(rows, device=device)


def micro_batches(
    units: Sequence[Unit], most_tokens: int, multiple: int = 1
) -> Iterator[MicroBatch]:
    """The units' samples by similar length, padded to a `multiple` and to at most `most_tokens`
    each; text, taught and other samples apart."""
    weighted = []
    for unit in units:
        labelled = sum(sample.labelled for sample in unit)
        weighted += [(sample, 1 / (labelled * len(units))) for sample in unit if sample.labelled]
    for which in dict.fromkeys((s.is_text, s.soft is not None) for s, _ in weighted):
        kind = [(s, w) for s, w in weighted if (s.is_text, s.soft is not None) == which]
        for rows in batches(_widths([s for s, _ in kind], multiple), most_tokens):
            yield MicroBatch([kind[i][0] for i in rows], [kind[i][1] for i in rows], multiple)


def _widths(samples: Sequence[Sample], multiple: int) -> list[int]:
    return [rounded(len(sample.ids), multiple) for sample in samples]
