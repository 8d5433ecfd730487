"""A document as token ids, and the windows on which its loss is measured."""

from __future__ import annotations

import torch

from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.segments import cut
from lift_chat.models.loading import LoadedModel

PROBE_WINDOWS = 8
"""Windows of the document on which the loss is measured before and after, evenly spread."""


def tokenize(loaded: LoadedModel, text: str, device: torch.device | None = None) -> torch.Tensor:
    """(1, tokens) on the model's device, or on another, no special tokens added."""
    ids = loaded.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return torch.tensor([ids], dtype=torch.long, device=device or loaded.device.torch)


def probe_windows(ids: torch.Tensor, config: LiftConfig) -> list[torch.Tensor]:
    """At most `PROBE_WINDOWS` windows without overlap, evenly spread over the document."""
    length = min(config.segment_tokens, 1024)
    segments = cut(ids.shape[1], length=length, stride=length)
    step = max(len(segments) / PROBE_WINDOWS, 1.0)
    chosen = [segments[int(i * step)] for i in range(min(len(segments), PROBE_WINDOWS))]
    return [ids[:, segment.start : segment.end] for segment in chosen]
