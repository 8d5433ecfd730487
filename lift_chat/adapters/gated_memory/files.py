"""A Gated Memory as a folder: its shape as JSON, its weights as safetensors, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lift_chat.adapters.folder import read_config, read_tensors, write_adapter
from lift_chat.adapters.gated_memory.config import MemoryConfig
from lift_chat.adapters.gated_memory.injection import inject, memories_of, shapes
from lift_chat.adapters.gated_memory.layer import GatedMemory
from lift_chat.errors import AdapterMismatch
from lift_chat.models.loading import BaseIdentity


def save(adapted: Any, folder: Path, identity: BaseIdentity) -> None:
    """Writes the adapter's two files. Raises OSError."""
    config: MemoryConfig = adapted.gated_memory_config
    values = {
        **config.to_dict(),
        "base_model_name_or_path": identity.name,
        "revision": identity.revision or None,
    }
    write_adapter(folder, values, _tensors(memories_of(adapted)))


def load(twin: Any, folder: Path) -> Any:
    """The adapter of `folder` on `twin`, ready to answer.

    Raises `AdapterDamaged` for files that are not a gated memory, and `AdapterMismatch` for one
    that does not fit the base's attention layers.
    """
    config = MemoryConfig.parse(read_config(folder))
    tensors = read_tensors(folder)
    if not set(config.layers) <= set(shapes(twin)):
        raise AdapterMismatch("The adapter does not fit this base model's attention layers.")
    with torch.device("meta"):
        memories = [GatedMemory(shape, config) for shape in config.layers]
    expected = {name: weight.shape for name, weight in _tensors(memories).items()}
    if {name: tensor.shape for name, tensor in tensors.items()} != expected:
        raise AdapterMismatch("The adapter's tensors do not fit what its config describes.")
    for memory in memories:
        prefix = _prefix(memory)
        memory.load_state_dict(
            {name: tensors[prefix + name] for name in memory.state_dict()}, assign=True
        )
    inject(twin, memories)
    twin.gated_memory_config = config
    return twin.eval().requires_grad_(False)


def _tensors(memories: list[GatedMemory]) -> dict[str, torch.Tensor]:
    return {
        _prefix(memory) + name: tensor
        for memory in memories
        for name, tensor in memory.state_dict().items()
    }


def _prefix(memory: GatedMemory) -> str:
    return f"layers.{memory.shape.index}."
