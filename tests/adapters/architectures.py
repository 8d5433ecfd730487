"""Tiny random decoders of several architectures, and a short training of an adapter on one."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    Qwen3Config,
    SmolLM3Config,
)

from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.optimizer import MasterAdamW
from lift_chat.models.loading import BaseIdentity, LoadedModel
from tests.conftest import CPU

NAMES = ("llama", "qwen3", "gemma2", "gemma3", "smollm3")
LAYERS, HEADS, WINDOW = 3, 4, 1024
COMMON: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": WINDOW,
    "pad_token_id": 0,
    "eos_token_id": 0,
    "bos_token_id": None,
    "initializer_range": 0.2,
}
SLIDING: dict[str, Any] = {
    "head_dim": 8,
    "query_pre_attn_scalar": 8,
    "sliding_window": 16,
    "layer_types": ["sliding_attention", "full_attention", "full_attention"],
}


def build(name: str, dtype: torch.dtype = torch.float32) -> LoadedModel:
    """A frozen model of the architecture; without a tokenizer, as these tests speak in ids."""
    configs: dict[str, Any] = {
        "llama": lambda: LlamaConfig(**COMMON),
        "qwen3": lambda: Qwen3Config(**COMMON, head_dim=16),
        "gemma2": lambda: Gemma2Config(**COMMON, **SLIDING),
        "gemma3": lambda: Gemma3TextConfig(**COMMON, **SLIDING),
        "smollm3": lambda: SmolLM3Config(**COMMON),
    }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(configs[name](), dtype=dtype)
    identity = BaseIdentity(name, "", name)
    return LoadedModel(model.eval().requires_grad_(False), None, identity, CPU, WINDOW, WINDOW)


def some_ids(tokens: int, seed: int = 0) -> torch.Tensor:
    """(1, tokens)"""
    return torch.randint(1, 300, (1, tokens), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = model.eval()(input_ids=ids, use_cache=False).logits
    return found


def train(adapted: Any, ids: torch.Tensor, steps: int = 30) -> list[float]:
    """The loss before each step, in nats per token."""
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    head, optimizer, losses = FrozenHead(adapted), MasterAdamW(weights), []
    adapted.train()
    for _ in range(steps):
        hidden = adapted.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
        loss = head.nll(hidden, ids) / (ids.shape[1] - 1)
        loss.backward()
        optimizer.step(1e-2)
        losses.append(float(loss.detach()))
    adapted.eval()
    return losses
