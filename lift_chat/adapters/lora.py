"""LoRA through PEFT (arXiv 2106.09685), as plain PEFT folders.

A saved adapter loads with `PeftModel.from_pretrained` and in vLLM without this project: no DoRA,
no bias, no head, no embeddings, and the base's name and revision are always written. What is
loaded is checked as strictly as if it came from a stranger, and may come from one: JSON by our own
rules (`lora_config`), tensors by name, shape and finiteness, never a pickle, never PEFT's `Auto*`
classes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict

from lift_chat.adapters.folder import read_config, read_shapes, read_tensors, write_adapter
from lift_chat.adapters.lora_config import describes, parse
from lift_chat.adapters.lora_fit import layers_of, misfit
from lift_chat.adapters.lora_linear import LeanLinear
from lift_chat.errors import AdapterMismatch
from lift_chat.lift.recipe import LiftConfig, Targets
from lift_chat.models.loading import BaseIdentity

__all__ = [
    "KIND", "attach", "describes", "load", "misfit_of", "owns", "save", "set_strength", "targets",
]  # fmt: skip

KIND = "lora"
_OWN, _TAKEN = "default", "taken"
"""What PEFT calls an adapter, and one that is taken away."""

TARGETS: dict[Targets, Callable[[str], bool]] = {
    "all-linear": lambda name: True,
    "mlp": lambda name: "attn" not in name and "attention" not in name,
    "attention": lambda name: _leaf(name) in {"q_proj", "k_proj", "v_proj", "o_proj"},
    "down-proj": lambda name: _leaf(name) == "down_proj",
}
"""Whether the linear layer of a name, as `model.layers.0.self_attn.q_proj`, gets an adapter. What
lies inside of attention is called `attn` or `attention` by every architecture."""


def attach(twin: Any, config: LiftConfig) -> PeftModel:
    """Puts a fresh adapter on `twin` (a tree over the base's tensors, `LoadedModel.twin`).

    B starts at zero, so the model's output is the base's until the first step. The adapter has
    the base's dtype: PEFT's own fp32 default would multiply in fp32 (1.1x to 1.4x slower).
    """
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        target_modules=sorted({_leaf(name) for name, _ in targets(twin, config)}),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return _adapted(twin, lora)


def save(adapted: PeftModel, folder: Path, identity: BaseIdentity) -> None:
    """Writes the two files of a PEFT adapter; the folder's manifest is the library's business."""
    config = adapted.peft_config["default"].to_dict()
    config.update(
        base_model_name_or_path=identity.name,
        revision=identity.revision or None,
        inference_mode=True,
        target_modules=sorted(config["target_modules"]),
    )
    write_adapter(folder, config, get_peft_model_state_dict(adapted))


def load(twin: Any, folder: Path, *, without: Path | None = None) -> PeftModel:
    """The adapter of `folder` on `twin`, ready to answer.

    `without` is the folder of a LoRA adapter that is merged into the twin's weights, but was not
    where this one was made: what it adds to each layer is taken away again.

    Raises `AdapterDamaged` for files that are not a LoRA adapter of the kinds loaded here, and
    `AdapterMismatch` for one whose tensors do not fit the base, before it reads one of them.
    """
    if reason := misfit_of(twin, folder):
        raise AdapterMismatch(reason)
    adapted = _adapted(twin, parse(read_config(folder)))
    set_peft_model_state_dict(adapted, read_tensors(folder))
    if without is not None:
        _take_away(adapted, without)
    return adapted.eval().requires_grad_(False)


def _adapted(twin: Any, config: LoraConfig) -> PeftModel:
    config._register_custom_module({torch.nn.Linear: LeanLinear})
    adapted = get_peft_model(twin, config, autocast_adapter_dtype=False)
    _share_scaling(adapted)
    return adapted


def _share_scaling(adapted: PeftModel) -> None:
    """One scale for all layers, as their ranks are all the same: an answer sets the strength at
    each token, and walking the layers twice would take a fortieth of a token's time."""
    adapted.lora_layers = [one for one in adapted.modules() if isinstance(one, LoraLayer)]
    scaling: dict[str, float] = {}
    for layer in adapted.lora_layers:
        scaling.update(layer.scaling)
        layer.scaling = scaling


def misfit_of(model: Any, folder: Path) -> str:
    """One sentence if the adapter of `folder` does not fit the bare `model`, else ''. Reads no
    weights. Raises `AdapterDamaged`."""
    config = parse(read_config(folder))
    return misfit(model, layers_of(read_shapes(folder), config), config)


def _take_away(adapted: PeftModel, folder: Path) -> None:
    """W + s B A, less s B A: what was merged is undone but for the rounding of the merge."""
    config = parse(read_config(folder))
    adapted.add_adapter(_TAKEN, config, autocast_adapter_dtype=False)
    _share_scaling(adapted)  # also with layers that the first adapter leaves alone
    set_peft_model_state_dict(adapted, read_tensors(folder), adapter_name=_TAKEN)
    adapted.base_model.set_adapter([_OWN, _TAKEN], inference_mode=True)
    _scale(adapted, _TAKEN, -1.0)


def set_strength(adapted: PeftModel, strength: float) -> None:
    """Scales the update of every layer relative to the trained one; at 0 nothing is added."""
    _scale(adapted, _OWN, strength)


def _scale(adapted: PeftModel, name: str, strength: float) -> None:
    next(layer for layer in adapted.lora_layers if name in layer.r).set_scale(name, strength)


def owns(adapted: Any) -> bool:
    return isinstance(adapted, PeftModel)


def targets(model: Any, config: LiftConfig) -> list[tuple[str, torch.nn.Linear]]:
    """The linear layers that `config` adapts in a bare `model`, by name; never the head."""
    wanted = TARGETS[config.targets]
    head = model.get_output_embeddings()
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and wanted(name)
    ]


def _leaf(name: str) -> str:
    return name.rsplit(".", 1)[-1]
