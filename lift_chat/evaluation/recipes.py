"""Recipes by name: the published generations of LIFT, plain fine-tuning, and ours.

What each is compared with decides what "ours" is worth, so the baselines follow the sources and
not our presets. Knows `LiftConfig`, nothing of models or documents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.arms import BASE
from lift_chat.lift.presets import PRESETS
from lift_chat.lift.recipe import LiftConfig, typed

OURS = "ours"

NAMED: dict[str, dict[str, Any]] = {
    # Fine-tuning on the text alone, in windows that give a short document enough steps.
    "raw": {
        "segment_tokens": 512,
        "stride_tokens": 384,
        "epochs": 5,
        "learning_rate": 1e-3,
        "batch_segments": 1,
    },
    # LIFT 2502.14644 v1 to v3: README recipe for LoRA, 3 + 5 epochs, 10 questions with evidence.
    "g2": {
        "segment_tokens": 2048,
        "stride_tokens": 768,
        "context_tokens": 4096,
        "segment_epochs": 3,
        "epochs": 5,
        "study": "evidence",
        "questions": 10,
        "open_share": 1.0,
        "rank": 128,
        "alpha": 256,
        "targets": "attention",
        "learning_rate": 2e-4,
        "schedule": "constant",
        "warmup_steps": 0,
        "batch_segments": 1,
        "one_step_per_epoch": True,
    },
    # LIFT 2502.14644 v4 and v5: its quality setting; nothing is trained but questions.
    "g3": {
        "segments": "none",
        "study": "sentences",
        "questions": 10,
        "open_share": 0.0,
        "epochs": 5,
        "rank": 128,
        "alpha": 256,
        "learning_rate": 5e-5,
        "schedule": "constant",
        "warmup_steps": 0,
        "batch_segments": 4,
    },
}

BARE: dict[str, Any] = {"exam_questions": 0, "exams": 0}
"""Baselines hold no exam: it is ours, and it takes time."""


def recipe_of(text: str) -> tuple[str, LiftConfig | None]:
    """Name and recipe of `NAME` or `NAME=KEY:VALUE,KEY:VALUE`; no recipe for the base alone.

    NAME is raw, g2, g3, ours, a preset, or, with settings behind it, any other word; "from:NAME"
    says what the settings change (default: the recipe of that name, else ours). Raises
    `InvalidConfig`.
    """
    name, _, changes = text.partition("=")
    name = name.strip()
    if not re.fullmatch(r"[\w.+-]+", name):
        raise InvalidConfig(f"A recipe needs a plain name, not {name!r}.")
    if name == BASE and not changes:
        return name, None
    values = dict(_change(change) for change in changes.split(",") if change.strip())
    known = _known()
    start = values.pop("from", name if name in known or not values else OURS)
    if start not in known or name == BASE:
        raise InvalidConfig(f"There is no recipe {start!r}; there are {', '.join(known)}.")
    return name, LiftConfig.from_dict({**known[start], **values})


def recipes_of(texts: Sequence[str]) -> dict[str, LiftConfig]:
    """All recipes by name, in order, without the base. Raises `InvalidConfig` for a name twice."""
    recipes: dict[str, LiftConfig] = {}
    for text in texts:
        name, config = recipe_of(text)
        if name in recipes:
            raise InvalidConfig(f"Two recipes are named {name!r}.")
        if config is not None:
            recipes[name] = config
    return recipes


def _known() -> dict[str, dict[str, Any]]:
    presets = {name: LiftConfig.preset(name).to_dict() for name in PRESETS}
    named = {name: {**LiftConfig().to_dict(), **BARE, **values} for name, values in NAMED.items()}
    return {**named, OURS: presets["read"], **presets}


def _change(text: str) -> tuple[str, Any]:
    key, colon, value = text.partition(":")
    if not colon or not key.strip():
        raise InvalidConfig(f"A recipe's setting is KEY:VALUE, not {text!r}.")
    return key.strip().replace("-", "_"), typed(value)
