"""LoRA through PEFT (arXiv 2106.09685), as plain PEFT folders.

A saved adapter loads with `PeftModel.from_pretrained` and in vLLM without this project: no DoRA,
no bias, no head, no embeddings, and the base's name and revision are always written. What is
loaded is checked as strictly as if it came from a stranger: JSON by our own rules, tensors by
name, shape and finiteness, never a pickle, never PEFT's `Auto*` classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict

from lift_chat.adapters.folder import (
    CONFIG_FILE,
    read_config,
    read_tensors,
    write_adapter,
)
from lift_chat.errors import AdapterDamaged, AdapterMismatch
from lift_chat.lift.recipe import RANKS, LiftConfig, Targets
from lift_chat.models.loading import BaseIdentity

KIND = "lora"

TARGETS: dict[Targets, frozenset[str] | None] = {
    "all-linear": None,
    "attention": frozenset({"q_proj", "k_proj", "v_proj", "o_proj"}),
    "down-proj": frozenset({"down_proj"}),
}

UNUSABLE = (
    "use_dora",
    "use_rslora",
    "alpha_pattern",
    "fan_in_fan_out",
    "modules_to_save",
    "auto_mapping",
)
"""What a config may not ask for. Some of it changes what the same tensors compute, so leaving it
out would give other answers without a word."""


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
        return get_peft_model(twin, lora, autocast_adapter_dtype=False)


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


def load(twin: Any, folder: Path) -> PeftModel:
    """The adapter of `folder` on `twin`, ready to answer.

    Raises `AdapterDamaged` for files that are not a LoRA adapter of the kinds written here, and
    `AdapterMismatch` for one whose tensors do not fit the base.
    """
    lora = parse(read_config(folder))
    tensors = read_tensors(folder)
    try:
        adapted = get_peft_model(twin, lora, autocast_adapter_dtype=False)
        expected = {k: v.shape for k, v in get_peft_model_state_dict(adapted).items()}
    except ValueError as error:
        raise AdapterMismatch(f"The adapter does not fit this base model: {error}") from error
    if {name: tensor.shape for name, tensor in tensors.items()} != expected:
        raise AdapterMismatch("The adapter's tensors do not fit this base model's layers.")
    set_peft_model_state_dict(adapted, tensors)
    return adapted.eval().requires_grad_(False)


def set_strength(adapted: PeftModel, strength: float) -> None:
    """Scales the update of every layer relative to the trained one; at 0 nothing is added."""
    for module in adapted.modules():
        if isinstance(module, LoraLayer):
            module.set_scale("default", strength)


def owns(adapted: Any) -> bool:
    return isinstance(adapted, PeftModel)


def describes(values: dict[str, Any]) -> bool:
    return bool(values.get("peft_type") == "LORA")


def parse(values: dict[str, Any]) -> LoraConfig:
    """What an adapter_config.json says, of what is loaded here. Raises `AdapterDamaged`."""
    if not describes(values):
        raise AdapterDamaged(f"{CONFIG_FILE} does not describe a LoRA adapter.")
    rank, alpha, modules = values.get("r"), values.get("lora_alpha"), values.get("target_modules")
    if rank not in RANKS or not isinstance(alpha, (int, float)) or not 0 < alpha <= 4096:
        raise AdapterDamaged(f"{CONFIG_FILE} names an unusable rank or alpha.")
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        raise AdapterDamaged(f"{CONFIG_FILE} must list its target modules.")
    unusable = [key for key in UNUSABLE if values.get(key)]
    if unusable or values.get("bias", "none") != "none":
        raise AdapterDamaged(f"{CONFIG_FILE} asks for what is not loaded here: {unusable}.")
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=modules,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        inference_mode=True,
    )


def targets(model: Any, config: LiftConfig) -> list[tuple[str, torch.nn.Linear]]:
    """The linear layers that `config` adapts in a bare `model`, by name; never the head."""
    wanted = TARGETS[config.targets]
    head = model.get_output_embeddings()
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module is not head
        and (wanted is None or _leaf(name) in wanted)
    ]


def _leaf(name: str) -> str:
    return name.rsplit(".", 1)[-1]
