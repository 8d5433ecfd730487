"""Which kind of adapter: one small protocol, and the dispatch on a recipe, a folder or a model.

Front ends and the training loop speak to this module; what a kind looks like inside is known only
to its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from lift_chat.adapters import gated_memory, lora
from lift_chat.adapters.folder import read_config
from lift_chat.errors import InvalidConfig
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.loading import BaseIdentity

STRONGEST = 1.5
"""Beyond half as much again as trained, answers of either kind fall apart."""


class Kind(Protocol):
    """What a module must offer to be a kind of adapter."""

    KIND: str

    def attach(self, twin: Any, config: LiftConfig) -> Any:
        """A fresh adapter on `twin`; the output stays the base's until the first step."""

    def save(self, adapted: Any, folder: Path, identity: BaseIdentity) -> None:
        """Writes the adapter's two files."""

    def load(self, twin: Any, folder: Path) -> Any:
        """The adapter of `folder` on `twin`. Raises `AdapterDamaged` or `AdapterMismatch`."""

    def set_strength(self, adapted: Any, strength: float) -> None:
        """Scales what the adapter adds; 1 as trained, 0 exactly the base."""

    def owns(self, adapted: Any) -> bool:
        """Whether `adapted` carries an adapter of this kind."""

    def describes(self, values: dict[str, Any]) -> bool:
        """Whether `values` of an adapter_config.json are of this kind."""


KINDS: dict[str, Kind] = {gated_memory.KIND: gated_memory, lora.KIND: lora}


def kind_of(config: LiftConfig) -> str:
    """The kind's name as it is stored with an adapter."""
    return config.adapter


def attach(twin: Any, config: LiftConfig) -> Any:
    """A fresh adapter of the recipe's kind on `twin` (a tree over the base's tensors).

    Raises `InvalidConfig` when this base cannot carry one.
    """
    return KINDS[kind_of(config)].attach(twin, config)


def save(adapted: Any, folder: Path, identity: BaseIdentity) -> None:
    _kind_on(adapted).save(adapted, folder, identity)


def load(twin: Any, folder: Path, *, without: Path | None = None) -> Any:
    """The adapter of `folder` on `twin`, ready to answer, whatever its kind.

    `without`, for LoRA alone, as in `lora.load`. Raises `AdapterDamaged` or `AdapterMismatch`.
    """
    if without is not None:
        return lora.load(twin, folder, without=without)
    values = read_config(folder)
    for kind in KINDS.values():
        if kind.describes(values):
            return kind.load(twin, folder)
    return lora.load(twin, folder)  # whose strict reader says what is wrong


def set_strength(adapted: Any, strength: float) -> None:
    """1.0 is as trained, 0 exactly the base; absolute, so it can be set again and again.

    Raises `InvalidConfig` outside of 0..`STRONGEST`.
    """
    if not 0 <= strength <= STRONGEST:
        raise InvalidConfig(f"The strength of an adapter must lie in 0..{STRONGEST}.")
    _kind_on(adapted).set_strength(adapted, strength)


def _kind_on(adapted: Any) -> Kind:
    for kind in KINDS.values():
        if kind.owns(adapted):
            return kind
    raise TypeError("This model carries no adapter.")
