"""adapter_config.json of a LoRA adapter, whoever made it: what of it is loaded, what is refused.

PEFT's format grows with each version. What is known here is either loaded or known to leave alone
what the tensors compute; everything else has to be switched off, so that an adapter never gives
other answers than where it was made. No class or module that a config names is ever imported.
"""

from __future__ import annotations

import re
from typing import Any

from peft import LoraConfig

from lift_chat.adapters.folder import CONFIG_FILE
from lift_chat.errors import AdapterDamaged

MOST_RANK, MOST_ALPHA, MOST_MODULES, MOST_PATTERNS = 256, 4096, 1024, 8
"""PEFT itself would take any; a name for each layer of a 70B model makes 560 modules."""

LOADED = frozenset(
    {
        "r", "lora_alpha", "target_modules", "exclude_modules", "layers_to_transform",
        "layers_pattern",
    }
)  # fmt: skip

CHECKED = frozenset({"peft_type", "task_type", "bias", "auto_mapping", "init_lora_weights"})

HARMLESS = frozenset(
    {
        "base_model_name_or_path", "revision", "inference_mode", "peft_version", "runtime_config",
        "lora_dropout", "velora_config",
        "loftq_config", "eva_config", "corda_config", "lora_ga_config",
        "megatron_core", "qalora_group_size", "ensure_weight_tying",
    }
)  # fmt: skip
"""Origin; what matters only while training; how training began; what matters only together with a
key that has to be switched off."""

INITS = (True, False, "gaussian", "orthogonal", "eva")
"""How A and B began. Others change the base, too, and PEFT does it again at loading."""

_MODULE = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_PATTERN = re.compile(r"[A-Za-z0-9_]+")


def describes(values: dict[str, Any]) -> bool:
    return bool(values.get("peft_type") == "LORA")


def parse(values: dict[str, Any]) -> LoraConfig:
    """What an adapter_config.json says, of what is loaded here. Raises `AdapterDamaged`."""
    if not describes(values):
        raise AdapterDamaged(f"{CONFIG_FILE} does not describe a LoRA adapter.")
    rank, alpha = values.get("r"), values.get("lora_alpha")
    if type(rank) is not int or not 1 <= rank <= MOST_RANK:
        raise AdapterDamaged(f"{CONFIG_FILE} names an unusable rank; 1 to {MOST_RANK} are loaded.")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha <= MOST_ALPHA:
        raise AdapterDamaged(f"{CONFIG_FILE} names an unusable alpha.")
    if not _are_names(values.get("target_modules"), _MODULE, MOST_MODULES):
        raise AdapterDamaged(
            f"{CONFIG_FILE} must list its target modules by name; an expression is not loaded."
        )
    if refused := _refused(values):
        raise AdapterDamaged(
            f"{CONFIG_FILE} asks for what is not loaded here: {', '.join(refused)}."
        )
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=values["target_modules"],
        exclude_modules=values.get("exclude_modules") or None,
        layers_to_transform=values.get("layers_to_transform"),
        layers_pattern=values.get("layers_pattern") or None,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        inference_mode=True,
    )


def _refused(values: dict[str, Any]) -> list[str]:
    """Keys, as they can be shown."""
    known = LOADED | CHECKED | HARMLESS
    excluded, pattern = values.get("exclude_modules"), values.get("layers_pattern")
    fits = {
        "task_type": values.get("task_type") in (None, "CAUSAL_LM"),
        "bias": values.get("bias", "none") in (None, "none"),
        "auto_mapping": _is_transformers(values.get("auto_mapping")),
        "init_lora_weights": _is_one_of(values.get("init_lora_weights", True), INITS),
        "exclude_modules": _are_names(excluded or ["none"], _MODULE, MOST_MODULES),
        "layers_to_transform": _are_numbers(values.get("layers_to_transform")),
        "layers_pattern": _are_names(_listed(pattern) or ["none"], _PATTERN, MOST_PATTERNS),
    }
    on = [key for key, value in values.items() if key not in known and value not in _OFF]
    return [f"{key!r:.60}"[1:-1] for key in [*on, *(k for k, holds in fits.items() if not holds)]]


_OFF: tuple[Any, ...] = (None, False, 0, "", [], {})


def _is_one_of(value: Any, allowed: tuple[Any, ...]) -> bool:
    return any(type(value) is type(one) and value == one for one in allowed)


def _is_transformers(value: Any) -> bool:
    """Which class the base was made with, where PEFT was not told a task. It is never looked up,
    but one from elsewhere says that the base was no model that is loaded here."""
    if value is None:
        return True
    library = value.get("parent_library") if isinstance(value, dict) else None
    return isinstance(library, str) and library.startswith("transformers.")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _are_names(value: Any, form: re.Pattern[str], most: int) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= most
        and all(isinstance(n, str) and len(n) <= 200 and form.fullmatch(n) for n in value)
    )


def _are_numbers(value: Any) -> bool:
    listed = value if isinstance(value, list) else [] if value is None else [value]
    return len(listed) <= MOST_MODULES and all(
        type(number) is int and 0 <= number < MOST_MODULES for number in listed
    )
