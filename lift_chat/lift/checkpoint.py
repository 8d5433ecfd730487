"""Checkpoints that a kill cannot spoil.

A checkpoint is a folder `checkpoint-<step>` with the optimizer's state as safetensors, a few
numbers as JSON, and `COMPLETE`, written last, which holds the hash of the other two. A folder
without a valid `COMPLETE` does not count. The two newest are kept: when the newest one is
damaged, the one before it is used. What another run left, or this one in another dtype, is not
used, and gives way to the first checkpoint of the run that starts over.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lift_chat.lift.train import TrainState
from storage.files import sha256_of, sync_folder, sync_tree, write_file

KEEP = 2
STATE, FACTS, COMPLETE = "state.safetensors", "facts.json", "COMPLETE"


@dataclass(frozen=True)
class Facts:
    """What is resumed beside tensors. `fingerprint` and `config` guard against another run's, as
    does `dtype`, the adapter's, which is noted when a checkpoint is saved."""

    step: int
    fingerprint: str
    config: dict[str, object]
    tokens: int
    seconds: float
    measured: dict[str, Any]
    exam: dict[str, Any]
    dtype: str = ""


def save_checkpoint(folder: Path, state: TrainState, facts: Facts) -> Path:
    """Writes one checkpoint below `folder`; of the others it keeps only the one before it. Raises
    OSError."""
    target = folder / f"checkpoint-{state.step:08d}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    tensors = {name: t.detach().cpu().contiguous() for name, t in state.optimizer.state().items()}
    save_file(tensors, target / STATE)
    noted = replace(facts, dtype=_dtype(state))
    (target / FACTS).write_text(json.dumps(asdict(noted)), encoding="utf-8")
    sync_tree(target)
    seal = {name: sha256_of(target / name) for name in (STATE, FACTS)}
    write_file(target / COMPLETE, json.dumps(seal).encode())
    sync_folder(folder)
    for other in outdated(_folders(folder), target):
        shutil.rmtree(other, ignore_errors=True)
    return target


def outdated(found: Sequence[Path], newest: Path) -> list[Path]:
    """Of what is named by its step, newest first, all that need not be kept beside `newest`.

    A later step is damaged, another run's, or from before this one went back: it must not take the
    place of one that counts.
    """
    kept = [path for path in found if path <= newest][:KEEP]
    return [path for path in found if path not in kept]


def restore_checkpoint(
    folder: Path, state: TrainState, *, fingerprint: str, config: dict[str, object]
) -> Facts | None:
    """Brings `state` to the newest valid checkpoint of this very run, or returns None."""
    for candidate in _folders(folder):
        facts = _read_facts(candidate)
        if facts is None or facts.fingerprint != fingerprint or facts.config != config:
            continue
        if facts.dtype != _dtype(state):
            continue
        try:
            state.optimizer.restore(load_file(candidate / STATE))
        except (OSError, SafetensorError, KeyError, RuntimeError):
            continue
        state.step = facts.step
        return facts
    return None


def _dtype(state: TrainState) -> str:
    return str(state.optimizer.parameters[0].dtype).removeprefix("torch.")


def _folders(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*"), reverse=True)


def _read_facts(candidate: Path) -> Facts | None:
    """The facts, if the seal holds for both files."""
    try:
        seal = json.loads((candidate / COMPLETE).read_bytes())
        if any(seal[name] != sha256_of(candidate / name) for name in (STATE, FACTS)):
            return None
        return Facts(**json.loads((candidate / FACTS).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
