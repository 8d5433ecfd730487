"""Gated Memory fitted to attention before training, where the whole text fits the model's window.

The second way to fit it (LIFT's authors' unpublished follow-up): the frozen model reads the
document and then what will be asked; each layer's memory and gate learn to give what attention
gave. Cheaper than backpropagation through the model, and a start for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from lift_chat.adapters.gated_memory import fit
from lift_chat.errors import InvalidConfig
from lift_chat.lift.batching import Unit
from lift_chat.lift.progress import ProgressEvent
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

PROBE_TOKENS = 1024
"""What is read behind the document: questions as they will be asked, or else the text itself."""


def fit_memories(
    adapted: Any,
    loaded: LoadedModel,
    ids: torch.Tensor,
    asked: Sequence[Unit],
    passes: int,
    turn: Turn,
) -> Iterator[ProgressEvent]:
    """Yields events of stage “training”; `ids` (1, tokens) is the document.

    Raises `InvalidConfig` when the document is too long for the model's window.
    """
    probe = _probe(ids, asked)
    if ids.shape[1] + probe.shape[1] > loaded.limit:
        raise InvalidConfig(
            f"Attention can be fitted up to {loaded.limit - PROBE_TOKENS:,} tokens with this "
            f"model; the document has {ids.shape[1]:,}. Set fit_passes to 0."
        )
    for seen in fit(adapted, ids, probe, passes=passes, turn=turn):
        if seen.done in (1, seen.passes):
            message = f"Fitting the memory of layer {seen.layer} of {seen.layers}."
            yield ProgressEvent("training", 0, 0, message=message)


def _probe(ids: torch.Tensor, asked: Sequence[Unit]) -> torch.Tensor:
    """(1, tokens) on the device of `ids`."""
    told = [token for unit in asked for sample in unit for token in sample.ids][:PROBE_TOKENS]
    if len(told) < PROBE_TOKENS // 8:
        return ids[:, :PROBE_TOKENS]
    return torch.tensor([told], device=ids.device)
