"""Whether the tensors of a LoRA adapter go together, and fit a model: by names and shapes alone.

Nothing is read but headers, and nothing is put anywhere; so it can be asked before a weight is
loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists

from lift_chat.adapters.folder import WEIGHTS_FILE
from lift_chat.adapters.header import Shape
from lift_chat.errors import AdapterDamaged

_NAME = re.compile(r"base_model\.model\.([A-Za-z0-9_.]{1,200})\.lora_(A|B)\.weight")

Layers = dict[str, tuple[int, int]]
"""By name of the module it is for, how many numbers a layer's update takes in and gives out."""


def layers_of(shapes: Mapping[str, Shape], config: LoraConfig) -> Layers:
    """Each A is (rank, in), each B (out, rank), and every layer that is named has both.

    Raises `AdapterDamaged`.
    """
    halves: dict[str, dict[str, int]] = {}
    for name, shape in shapes.items():
        found = _NAME.fullmatch(name)
        if found is None or not check_target_module_exists(config, found[1]):
            raise AdapterDamaged(f"{WEIGHTS_FILE} holds {name!r:.120}, which its config lacks.")
        side = found[2]
        if len(shape) != 2 or shape[0 if side == "A" else 1] != config.r:
            raise AdapterDamaged(f"{WEIGHTS_FILE}: {name:.120} is not of rank {config.r}.")
        halves.setdefault(found[1], {})[side] = shape[1 if side == "A" else 0]
    if not halves or any(set(sides) != {"A", "B"} for sides in halves.values()):
        raise AdapterDamaged(f"{WEIGHTS_FILE} lacks the other half of a layer.")
    return {name: (sides["A"], sides["B"]) for name, sides in halves.items()}


def misfit(model: Any, layers: Layers, config: LoraConfig) -> str:
    """One sentence about the first layer that does not fit the bare `model`, else ''."""
    modules = dict(model.named_modules())
    for name, (wide, high) in sorted(layers.items()):
        module = modules.get(name)
        if not isinstance(module, torch.nn.Linear):
            return f"The adapter changes {name:.120}, and this base model has no such linear layer."
        if (module.in_features, module.out_features) != (wide, high):
            return (
                f"The adapter's {name:.120} is {wide} by {high}, and the layer of this base model "
                f"{module.in_features} by {module.out_features}."
            )
    for name in modules:
        if name not in layers and check_target_module_exists(config, name):
            return f"The adapter should change {name} of this base model, and has nothing for it."
    return ""
