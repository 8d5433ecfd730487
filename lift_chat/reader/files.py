"""A reader's folder: a plain PEFT adapter in bf16, and a manifest that is written last.

The manifest says which base the reader belongs to, how it was made and what it scored, and holds
the sha256 and size of both files. What is read is treated as if it came from a stranger. Knows
nothing of training, and nothing of merging.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lift_chat.adapters import lora
from lift_chat.adapters.folder import (
    FILES,
    drafted,
    read_config,
    read_tensors,
    write_adapter,
)
from lift_chat.errors import AdapterDamaged, InvalidConfig
from lift_chat.foreign_values import SHA256
from lift_chat.models.loading import BaseIdentity, LoadedModel
from storage.files import sha256_of, sync_tree, write_file
from storage.values import is_time, now, to_json

FORMAT_VERSION, KIND = 1, "reader"
MANIFEST = "manifest.json"

_TEXTS = ("name", "base_model", "base_fingerprint", "created_at")
_OBJECTS = ("recipe", "scores", "files")
_NAMES = {*_TEXTS, *_OBJECTS, "format_version", "kind", "trained_tokens", "seconds", "sources"}


@dataclass(frozen=True, kw_only=True)
class ReaderFacts:
    """How a reader was made: `sources` names what it was trained on, `scores` holds JSON values
    measured before and after, `seconds` is the training alone."""

    name: str
    recipe: Mapping[str, Any]
    scores: Mapping[str, Any]
    trained_tokens: int
    seconds: float
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ReaderManifest(ReaderFacts):
    """`base_fingerprint` is that of the bare base; `files` maps each file to its sha256."""

    base_model: str
    base_fingerprint: str
    created_at: str
    files: Mapping[str, str]


def write_reader(
    folder: Path, adapted: Any, loaded: LoadedModel, facts: ReaderFacts
) -> ReaderManifest:
    """Writes `adapted`, a LoRA adapter on a twin of `loaded`, whole or not at all.

    Raises `InvalidConfig` if the folder is not free, or if `loaded` has a reader merged into it.
    """
    with drafted(folder) as draft:
        lora.save(adapted, draft, loaded.identity)
        manifest = seal_reader(draft, loaded.identity, facts)
    return manifest


def seal_reader(folder: Path, identity: BaseIdentity, facts: ReaderFacts) -> ReaderManifest:
    """Turns a folder with an adapter's two files into a reader: bf16 weights, then the manifest.

    Half the size of fp32, and the rounding is small beside what training changes.
    Raises `AdapterDamaged` for files that are no adapter, `InvalidConfig` for a base that has a
    reader already.
    """
    if identity.reader:
        raise InvalidConfig("A reader is made on the bare base; load it with --reader none.")
    tensors = read_tensors(folder)
    if any(tensor.dtype != torch.bfloat16 for tensor in tensors.values()):
        coarse = {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}
        write_adapter(folder, read_config(folder), coarse)
    content = {
        "format_version": FORMAT_VERSION,
        "kind": KIND,
        "name": facts.name,
        "base_model": identity.name,
        "base_fingerprint": identity.fingerprint,
        "recipe": facts.recipe,
        "scores": facts.scores,
        "trained_tokens": facts.trained_tokens,
        "seconds": round(facts.seconds, 1),
        "sources": facts.sources,
        "created_at": now(),
        "files": {name: _fingerprint(folder / name) for name in FILES},
    }
    for name in FILES:
        # safetensors writes for its owner alone; a reader of the package is for everyone.
        os.chmod(folder / name, 0o644)
    sync_tree(folder)
    text = json.dumps(json.loads(to_json(content)), indent=2, ensure_ascii=False)
    write_file(folder / MANIFEST, f"{text}\n".encode())
    return read_manifest(folder)


def read_manifest(folder: Path) -> ReaderManifest:
    """The manifest of a reader whose files are what it says; reads all of them.

    Raises `AdapterDamaged` with one sentence for whatever is missing, changed or unknown.
    """
    content = _content(folder)
    odd = _oddity(content)
    if odd:
        raise AdapterDamaged(f"{MANIFEST} of the reader in {folder.name} {odd}.")
    for name, expected in content["files"].items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise AdapterDamaged(f"{name} of the reader in {folder.name} is missing.")
        if _fingerprint(path) != expected:
            raise AdapterDamaged(f"{name} of the reader in {folder.name} has been changed.")
    return ReaderManifest(
        **{name: content[name] for name in _TEXTS},
        recipe=content["recipe"],
        scores=content["scores"],
        trained_tokens=content["trained_tokens"],
        seconds=float(content["seconds"]),
        sources=tuple(content["sources"]),
        files={name: facts["sha256"] for name, facts in content["files"].items()},
    )


def _content(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterDamaged(
            f"{MANIFEST} of the reader in {folder.name} cannot be read: {error}"
        ) from error
    if not isinstance(content, dict):
        raise AdapterDamaged(f"{MANIFEST} of the reader in {folder.name} is not a JSON object.")
    return content


def _oddity(content: dict[str, Any]) -> str:
    """What a manifest has that none written here would have, in words; empty if nothing."""
    if (content.get("format_version"), content.get("kind")) != (FORMAT_VERSION, KIND):
        return "is not that of a version-1 reader"
    if set(content) != _NAMES:
        return f"has unknown or missing entries: {', '.join(sorted(set(content) ^ _NAMES))}"
    sources = content["sources"]
    fits = {
        **{name: isinstance(content[name], str) and bool(content[name]) for name in _TEXTS},
        **{name: isinstance(content[name], dict) for name in _OBJECTS},
        "created_at": is_time(content["created_at"]),
        "trained_tokens": type(content["trained_tokens"]) is int and content["trained_tokens"] >= 0,
        "seconds": _is_duration(content["seconds"]),
        "sources": isinstance(sources, list) and all(isinstance(one, str) for one in sources),
    }
    wrong = [name for name, holds in fits.items() if not holds]
    if wrong:
        return f"has an unusable {wrong[0]}"
    return "" if _are_files(content["files"]) else "does not name its two files properly"


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def _are_files(files: dict[str, Any]) -> bool:
    return set(files) == set(FILES) and all(
        isinstance(facts, dict)
        and set(facts) == {"sha256", "bytes"}
        and isinstance(facts["sha256"], str)
        and SHA256.fullmatch(facts["sha256"]) is not None
        and type(facts["bytes"]) is int
        for facts in files.values()
    )


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"sha256": sha256_of(path), "bytes": path.stat().st_size}
