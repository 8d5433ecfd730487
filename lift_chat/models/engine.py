"""The one owner of the device: loads the base once, hands out twins, and takes turns.

Two trees over the same tensors exist at a time: one trains, one chats; each has its own adapter.
`turn()` is fair and held for one micro-batch or for a few decoded tokens, so that a chat gets in
between the steps of a training run. The untouched base itself answers for "compare". What a chat
read is kept beside the tree that it was read through, and goes with it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lift_chat.adapters import kinds, lora
from lift_chat.errors import AdapterDamaged, AdapterMismatch
from lift_chat.foreign_values import REPOSITORY
from lift_chat.models.catalog import EMBEDDED_HUB_ID, EMBEDDED_NAME
from lift_chat.models.device import Turn, aside
from lift_chat.models.fair_lock import FairLock
from lift_chat.models.loading import BaseIdentity, LoadedModel
from lift_chat.models.prefix import Prefix
from storage.records import Adapter


class Engine:
    """`load` makes the base at the first need; it is called once."""

    def __init__(self, load: Callable[[], LoadedModel]) -> None:
        self._load = load
        self._loading = threading.Lock()
        self._loaded: LoadedModel | None = None
        self._lock = FairLock()
        self._chat: tuple[str, Any] = ("", None)
        self._keeps = True
        self._base_prefix = self._chat_prefix = Prefix()

    def forked(self) -> None:
        """To be called in a forked process, where nobody frees what others held at the fork, and
        where what a chat read does not last until its next turn."""
        self._loading, self._lock = threading.Lock(), FairLock()
        self._keeps = False
        self._base_prefix = self._chat_prefix = Prefix()

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    @property
    def base(self) -> LoadedModel:
        """The base model, loaded at the first call. Raises `ModelUnavailable`."""
        with self._loading:
            if self._loaded is None:
                self._loaded = aside(self._load)
                self._base_prefix = self._prefix(self._loaded)
            return self._loaded

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """The device, for a short while; and whether somebody else wants it too."""
        with self._lock.turn() as shared:
            yield shared

    @contextmanager
    def visit(self) -> Iterator[Turn]:
        """Turns for work that is over in one go, unlike a chat: whoever has the device afterwards
        is not told of it any more."""
        try:
            yield self.turn
        finally:
            self._lock.leave()

    def adapted(self, adapter: Adapter, folder: Callable[[], Path]) -> Any:
        """The chat tree with this adapter on it, at the strength it was trained with; switching
        loads files, never the base.

        `folder` is asked only when the files have to be read.

        Raises `AdapterMismatch` or `AdapterDamaged`.
        """
        base = self.base
        mismatch = mismatch_of(adapter, base)
        if mismatch:
            raise AdapterMismatch(mismatch)
        # Another program's adapter was made on the base as it is published.
        reader = base.reader if adapter.is_foreign else None
        with self._loading:
            held, tree = self._chat
            if held != adapter.id:
                tree = kinds.load(base.twin(), folder(), without=reader)
                self._chat_prefix.close()
                self._chat, self._chat_prefix = (adapter.id, tree), self._prefix(base)
            return tree

    def prefix(self, tree: Any) -> Prefix:
        """What was read through the base or through the chat tree; nothing of one that is not held
        any more."""
        with self._loading:
            if self._loaded is not None and tree is self._loaded.model:
                return self._base_prefix
            return self._chat_prefix if tree is self._chat[1] else Prefix()

    def _prefix(self, base: LoadedModel) -> Prefix:
        return Prefix(base if self._keeps else None)

    def mismatch(self, adapter: Adapter, folder: Callable[[], Path]) -> str:
        """'' if the adapter fits the loaded base, else one sentence.

        What came from elsewhere may fit less than it says, so the shapes in its files are looked
        at, too; `folder` is asked only for that.
        """
        told = mismatch_of(adapter, self.base)
        if told or not adapter.origin or adapter.kind != lora.KIND:
            return told
        try:
            return lora.misfit_of(self.base.model, folder())
        except AdapterDamaged as error:
            return str(error)

    def forget(self, adapter_id: str) -> None:
        """Drops the chat tree of a deleted adapter."""
        with self._loading:
            if self._chat[0] == adapter_id:
                self._chat_prefix.close()
                self._chat = ("", None)

    def release(self) -> None:
        """Gives back the device memory of finished runs: also of what lies in cycles, which nothing
        else would look for while a device fills up."""
        gc.collect()
        if torch.cuda.is_available():
            with self.visit() as turn, turn():  # not while somebody captures a graph
                torch.cuda.empty_cache()


def at_strength(tree: Any, strength: float) -> Any:
    """The chat tree for an answer at `strength`: 1 is as trained, 0 exactly the base."""
    return tree if strength == 1 else _AtStrength(tree, strength)


class _AtStrength:
    """Stands in for a tree that other chats use at other strengths: set for one call of it, within
    the caller's turn, and taken back."""

    def __init__(self, tree: Any, strength: float) -> None:
        self._tree, self._strength = tree, strength

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tree, name)

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        kinds.set_strength(self._tree, self._strength)
        try:
            return self._tree(*args, **inputs)
        finally:
            kinds.set_strength(self._tree, 1.0)


def mismatch_of(adapter: Adapter, base: LoadedModel) -> str:
    """One sentence when the adapter was made for another base, else ''.

    Of an adapter that another program made, only a name can be compared.
    """
    identity = base.identity
    if adapter.is_foreign:
        return _other_name(adapter, identity)
    if adapter.base_fingerprint == identity.fingerprint:
        return ""
    if adapter.base_fingerprint == identity.bare:
        return (
            f"“{adapter.name}” was made for {adapter.base_model} without its reader; "
            f"start lift-chat with --reader none."
        )
    if adapter.base_model != identity.name:
        return _other_base(adapter, identity)
    return (
        f"“{adapter.name}” was made for another version of {adapter.base_model} "
        f"({adapter.base_revision or adapter.base_fingerprint[:12]}) than the loaded one "
        f"({identity.revision or identity.fingerprint[:12]})."
    )


def _other_name(adapter: Adapter, identity: BaseIdentity) -> str:
    """Two models on the Hub are not the same where their names differ; whose copy of one it is
    says nothing, and neither does the folder that somebody had it in."""
    loaded = EMBEDDED_HUB_ID if identity.name == EMBEDDED_NAME else identity.name
    if identity.name != EMBEDDED_NAME and not identity.revision:
        return ""
    if not all(map(REPOSITORY.fullmatch, (adapter.base_model, loaded))):
        return ""
    made, have = (name.partition("/")[2].casefold() for name in (adapter.base_model, loaded))
    return "" if made == have else _other_base(adapter, identity)


def _other_base(adapter: Adapter, identity: BaseIdentity) -> str:
    return (
        f"“{adapter.name}” was made for {adapter.base_model}, but {identity.name} is loaded; "
        f"start lift-chat with --base-model {adapter.base_model}."
    )
