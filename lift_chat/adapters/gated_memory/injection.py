"""Puts memories into a decoder through transformers' attention interface.

Every decoder that asks the interface for its attention function gets one that calls the
implementation used before and then the memory that sits on the attention module, if there is one.
So no architecture is known here. The name, "gated_memory|sdpa" for one over SDPA, is registered
when first needed, and for masks too: a mask depends on the implementation. Only the config of the
tree that gets the memories is changed, so a twin's base goes on as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from lift_chat.adapters.gated_memory.config import LayerShape
from lift_chat.adapters.gated_memory.layer import GatedMemory
from lift_chat.errors import InvalidConfig

ATTRIBUTE = "gated_memory"
MARK = "gated_memory|"


def shapes(model: Any) -> tuple[LayerShape, ...]:
    """The attention layers of a decoder, from the first to the last.

    Raises `InvalidConfig` when there are none that go through the attention interface.
    """
    found = sorted(_attentions(model).items())
    if not found or not model._can_set_attn_implementation():
        raise InvalidConfig(
            "A gated memory cannot be put on the attention of this base model; use a LoRA adapter."
        )
    return tuple(
        LayerShape(index, int(module.config.num_attention_heads), int(module.head_dim))
        for index, module in found
    )


def inject(model: Any, memories: Iterable[GatedMemory]) -> None:
    """Puts each memory on the attention module of its layer, in that module's device and dtype."""
    modules = _attentions(model)
    dtype = model.get_input_embeddings().weight.dtype  # of an NF4 base too, whose layers are uint8
    for memory in memories:
        module = modules[memory.shape.index]
        device = next(module.parameters()).device
        setattr(module, ATTRIBUTE, memory.to(device, dtype))
    for module in modules.values():
        if not module.config._attn_implementation.startswith(MARK):
            module.config._attn_implementation = _register(module.config._attn_implementation)


def memories_of(model: Any) -> list[GatedMemory]:
    """The memories on a model, from the first layer to the last."""
    found = [module for module in model.modules() if isinstance(module, GatedMemory)]
    return sorted(found, key=lambda memory: memory.shape.index)


def _attentions(model: Any) -> dict[int, Any]:
    """The decoder's attention modules by layer; told by what the interface asks of a module."""
    return {
        module.layer_idx: module
        for module in model.get_decoder().modules()
        if isinstance(getattr(module, "layer_idx", None), int)
        and hasattr(module, "head_dim")
        and hasattr(module, "num_key_value_groups")
        and not hasattr(module, "v_head_dim")  # values narrower than queries: m has no such shape
    }


def _register(wrapped: str) -> str:
    """The interface's name of a gated memory over the implementation `wrapped`."""
    name = MARK + wrapped
    if wrapped not in ALL_MASK_ATTENTION_FUNCTIONS or "flash" in wrapped:
        # flash attention reads its own version from the config's name
        raise InvalidConfig(f"A gated memory cannot be put over the attention “{wrapped}”.")
    ALL_MASK_ATTENTION_FUNCTIONS.register(name, ALL_MASK_ATTENTION_FUNCTIONS[wrapped])
    ALL_ATTENTION_FUNCTIONS.register(name, partial(_attention, wrapped))
    return name


def _attention(
    wrapped: str,
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    **options: Any,
) -> tuple[torch.Tensor, Any]:
    """The interface's signature: query (batch, heads, tokens, head_dim), result (batch, tokens,
    heads, head_dim)."""
    attend = partial(_implementation(module, wrapped), module, **options)
    output, weights = attend(query, key, value, attention_mask)
    memory: GatedMemory | None = getattr(module, ATTRIBUTE, None)
    if memory is None:
        return output, weights
    if memory.watcher is not None:
        memory.watcher(attend, query, key, value, attention_mask, output)
    return memory(query, output), weights


def _implementation(module: nn.Module, wrapped: str) -> Callable[..., Any]:
    """What the model itself would have called: eager attention is a function of its own file,
    and a file may have its own table of the others."""
    file = sys.modules[type(module).__module__]
    table = getattr(file, "ALL_ATTENTION_FUNCTIONS", ALL_ATTENTION_FUNCTIONS)
    found: Callable[..., Any] = table.get_interface(
        wrapped, getattr(file, "eager_attention_forward", None)
    )
    return found
