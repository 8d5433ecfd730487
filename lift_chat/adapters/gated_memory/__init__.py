"""Gated Memory (LIFT, arXiv 2502.14644 section 3): a memory and a gate beside every attention.

One of the kinds of adapter. The adapted model is the twin itself, with the memories inside its
attention modules as the only weights that train.
"""

from __future__ import annotations

from typing import Any

import torch

from lift_chat.adapters.gated_memory.config import TYPE, TYPE_KEY, MemoryConfig
from lift_chat.adapters.gated_memory.files import load, save
from lift_chat.adapters.gated_memory.fitting import FitProgress, fit
from lift_chat.adapters.gated_memory.gates import GateRecord, record_gates
from lift_chat.adapters.gated_memory.injection import inject, memories_of, shapes
from lift_chat.adapters.gated_memory.layer import GatedMemory
from lift_chat.errors import InvalidConfig
from lift_chat.lift.recipe import LiftConfig

KIND = "gated-memory"


def attach(twin: Any, config: LiftConfig) -> Any:
    """Puts fresh memories on `twin` (a tree over the base's tensors, `LoadedModel.twin`).

    The output is exactly the base's until the first step. Raises `InvalidConfig` for a base that
    cannot carry them, or when `skip_layers` leaves no layer.
    """
    layers = shapes(twin)
    layers = layers[config.skip_layers : len(layers) - config.skip_layers]
    if not layers:
        raise InvalidConfig(f"skip_layers {config.skip_layers} leaves no layer for a memory.")
    memory = MemoryConfig.of(config, layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        inject(twin, [GatedMemory(shape, memory) for shape in layers])
    twin.gated_memory_config = memory
    return twin


def set_strength(adapted: Any, strength: float) -> None:
    """Multiplies the gates, which stay at most 1; 0 leaves the memories out."""
    for memory in memories_of(adapted):
        memory.strength = strength


def owns(adapted: Any) -> bool:
    return hasattr(adapted, "gated_memory_config")


def describes(values: dict[str, Any]) -> bool:
    return values.get(TYPE_KEY) == TYPE


__all__ = [
    "KIND",
    "FitProgress",
    "GateRecord",
    "attach",
    "describes",
    "fit",
    "load",
    "owns",
    "record_gates",
    "save",
    "set_strength",
]
