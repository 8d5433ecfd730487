"""The shape of a Gated Memory, as it is written to and strictly read from JSON.

Knows nothing of tensors or models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, get_args

from lift_chat.errors import AdapterDamaged
from lift_chat.lift.recipe import Gate, LiftConfig

TYPE_KEY, TYPE = "lift_chat_type", "GATED_MEMORY"
WIDEST = 16
MOST = 4096
"""Bound on layers, heads and head width of a file: far above any model, far below harm."""


@dataclass(frozen=True)
class LayerShape:
    """Layer `index` of the decoder has `heads` query heads, each `head_dim` wide."""

    index: int
    heads: int
    head_dim: int


@dataclass(frozen=True)
class MemoryConfig:
    """Widths are in multiples of `head_dim`; `gate_width` counts only for an MLP gate."""

    memory_width: int
    gate: Gate
    gate_width: int
    layers: tuple[LayerShape, ...]

    @classmethod
    def of(cls, config: LiftConfig, layers: tuple[LayerShape, ...]) -> Self:
        return cls(config.memory_width, config.gate, config.gate_width, layers)

    def to_dict(self) -> dict[str, Any]:
        return {
            TYPE_KEY: TYPE,
            "memory_width": self.memory_width,
            "gate": self.gate,
            "gate_width": self.gate_width,
            "layers": [[layer.index, layer.heads, layer.head_dim] for layer in self.layers],
        }

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`; further keys are left alone. Raises `AdapterDamaged`."""
        if values.get(TYPE_KEY) != TYPE:
            raise AdapterDamaged("The adapter's config does not describe a gated memory.")
        widths = values.get("memory_width"), values.get("gate_width")
        if not all(_within(width, 1, WIDEST) for width in widths):
            raise AdapterDamaged("The adapter's config names an unusable width.")
        if values.get("gate") not in get_args(Gate):
            raise AdapterDamaged("The adapter's config names an unknown gate.")
        layers = values.get("layers")
        if not isinstance(layers, list) or not 0 < len(layers) <= MOST:
            raise AdapterDamaged("The adapter's config must list its layers.")
        shapes = tuple(_layer(layer) for layer in layers)
        if len({shape.index for shape in shapes}) != len(shapes):
            raise AdapterDamaged("The adapter's config lists a layer twice.")
        return cls(values["memory_width"], values["gate"], values["gate_width"], shapes)


def _layer(values: Any) -> LayerShape:
    if (
        not isinstance(values, list)
        or len(values) != 3
        or not _within(values[0], 0, MOST)
        or not all(_within(value, 1, MOST) for value in values[1:])
    ):
        raise AdapterDamaged("A layer of the adapter's config must be three whole numbers.")
    return LayerShape(*values)


def _within(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most
