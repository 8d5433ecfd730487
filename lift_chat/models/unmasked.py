"""Reading whole texts without an attention mask, by decoders that are causal anyway.

transformers makes a mask for each pass, or waits for the device to find out that none is needed.
Padding must be at the right, where nothing that counts sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME, OVER = "sdpa_without_mask", "sdpa"
"""An implementation that transformers knows no masks for, and the one that it is the same as."""

ROPES = frozenset({"default", "linear", "llama3", "yarn"})
"""Rotary embeddings whose frequencies do not depend on what is read."""


def is_plain(decoder: Any) -> bool:
    """Whether each layer attends to all that is before a token, through SDPA, and nothing on the
    way depends on values that the host would have to read."""
    config = decoder.config
    types = getattr(config, "layer_types", None)
    full = (
        set(types) == {"full_attention"} if types else not getattr(config, "sliding_window", None)
    )
    rope = getattr(config, "rope_parameters", None) or {}
    experts = any(getattr(config, name, None) for name in ("num_experts", "num_local_experts"))
    attentions = [m for m in decoder.modules() if isinstance(getattr(m, "layer_idx", None), int)]
    return bool(
        full
        and not experts
        and rope.get("rope_type") in ROPES
        and config._attn_implementation == OVER
        and getattr(decoder, "_can_compile_fullgraph", False)
        and not getattr(config, "attention_dropout", 0)
        and not any(isinstance(m, torch.nn.Dropout) and m.p for m in decoder.modules())
        and all(getattr(module, "config", config) is config for module in attentions)
        # Layers in 4 or 8 bits have kernels of their own, which nobody promises can be captured.
        and all(weight.is_floating_point() for weight in decoder.parameters())
    )


@contextmanager
def without_mask(config: Any) -> Iterator[None]:
    """No mask is made for what is read in here: all of it is causal.

    To find out that none is needed, transformers waits for the device at each pass, and while one
    is captured it could not find out and would make one.
    """
    ALL_ATTENTION_FUNCTIONS.register(NAME, sdpa_attention_forward)
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
