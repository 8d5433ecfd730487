"""A reader and an adapter that was trained on top of it, as one LoRA adapter for the bare base.

The base that the adapter knows is W + s1 B1 A1, the reader merged in; with the adapter on it the
layer computes W + s1 B1 A1 + s2 B2 A2, which is W + [s1 B1, s2 B2] [A1; A2]: one update of rank
r1 + r2. Only rounding differs: a merged base is rounded to its dtype, this sum is not. With the
embedded model its logits, up to 35, differ by 5e-5 in fp32 and by 0.7 in bf16. Knows files and
tensors, no models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from lift_chat.adapters.folder import read_config, read_tensors, write_adapter
from lift_chat.adapters.lora_config import parse
from lift_chat.errors import AdapterDamaged, AdapterMismatch
from lift_chat.lift.recipe import RANKS

SERVED_RANKS = (*RANKS, 320, 512)
"""What vLLM's `--max-lora-rank` may be."""

DOWN, UP = ".lora_A.weight", ".lora_B.weight"


def joined(reader: Path, adapter: Path, into: Path) -> int:
    """Writes the two files of the sum into the folder `into`; returns its rank.

    The rank is the next one of `SERVED_RANKS`, and what it has to spare is zero, as is the part of
    either in a layer that only the other adapts. alpha equals the rank, so nothing is scaled.

    Raises `AdapterDamaged` for a folder that is no LoRA adapter, and `AdapterMismatch` for two that
    do not fit the same base.
    """
    parts = [_Part.of(reader), _Part.of(adapter)]
    rank = served_rank(sum(part.rank for part in parts))
    tensors: dict[str, torch.Tensor] = {}
    for name in sorted({name for part in parts for name in part.layers}):
        tensors[name + DOWN], tensors[name + UP] = _stacked(name, parts, rank)
    config = {
        **parts[1].config,
        "r": rank,
        "lora_alpha": rank,
        "target_modules": sorted({module for part in parts for module in part.modules}),
    }
    write_adapter(into, config, tensors)
    return rank


def served_rank(least: int) -> int:
    """The smallest of `SERVED_RANKS` that is at least `least`. Raises `AdapterMismatch`."""
    for rank in SERVED_RANKS:
        if rank >= least:
            return rank
    raise AdapterMismatch(f"Rank {least} is more than vLLM serves ({SERVED_RANKS[-1]}).")


@dataclass(frozen=True)
class _Part:
    """`layers` maps a module's name to its A, (rank, in), and B, (out, rank)."""

    config: Mapping[str, Any]
    rank: int
    scale: float
    modules: Sequence[str]
    layers: Mapping[str, tuple[torch.Tensor, torch.Tensor]]

    @classmethod
    def of(cls, folder: Path) -> Self:
        config = read_config(folder)
        parsed = parse(config)
        return cls(
            config,
            parsed.r,
            parsed.lora_alpha / parsed.r,
            config["target_modules"],
            _layers(read_tensors(folder), parsed.r),
        )


def _layers(
    tensors: Mapping[str, torch.Tensor], rank: int
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    names = {name.removesuffix(DOWN).removesuffix(UP) for name in tensors}
    if set(tensors) != {name + end for name in names for end in (DOWN, UP)}:
        raise AdapterDamaged("The adapter's weights are not pairs of LoRA matrices.")
    layers = {name: (tensors[name + DOWN], tensors[name + UP]) for name in names}
    for down, up in layers.values():
        if (down.ndim, up.ndim) != (2, 2) or not down.shape[0] == up.shape[1] == rank:
            raise AdapterDamaged(f"The adapter's weights are not of rank {rank}.")
    return layers


def _stacked(name: str, parts: Sequence[_Part], rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum's A, (rank, in), and B, (out, rank), in the finer dtype of the two."""
    found = [part.layers[name] for part in parts if name in part.layers]
    wide, high = found[0][0].shape[1], found[0][1].shape[0]
    if any((down.shape[1], up.shape[0]) != (wide, high) for down, up in found):
        raise AdapterMismatch("The reader and the adapter were not made for the same base model.")
    dtype = found[0][0].dtype
    for tensor in (tensor for pair in found for tensor in pair):
        dtype = torch.promote_types(dtype, tensor.dtype)
    downs, ups = torch.zeros(rank, wide, dtype=dtype), torch.zeros(high, rank, dtype=dtype)
    start = 0
    for part in parts:
        if name in part.layers:
            down, up = part.layers[name]
            downs[start : start + part.rank] = down
            ups[:, start : start + part.rank] = up.float() * part.scale
        start += part.rank
    return downs, ups
