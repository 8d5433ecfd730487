"""The manifest of a folder: written last, so where one lies, the folder is complete.

It names every file with its size and sha256, and holds the facts from which a lost index is
rebuilt. The facts are opaque here. A manifest carries a digest of itself, since a flipped bit in
it would otherwise become a fact.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.files import sha256_of, sync_tree
from storage.values import to_json

NAME = "manifest.json"
FORMAT_VERSION = 1


class BadManifest(ValueError):
    """There is no manifest, it cannot be read, or the folder is not what it says."""


@dataclass(frozen=True)
class Manifest:
    """`files` maps a path relative to the folder, with slashes, to its (sha256, bytes)."""

    kind: str
    facts: dict[str, Any]
    files: dict[str, tuple[str, int]]
    sha256: str
    """Of the manifest file itself; not a part of it."""

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.files.values())


def seal(folder: Path, kind: str, *, facts: dict[str, Any]) -> Manifest:
    """Writes the manifest over all files in `folder` and makes the whole folder durable."""
    files = {name: _fingerprint(folder, name) for name in _names(folder)}
    content = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "facts": json.loads(to_json(facts)),
        "files": {
            name: {"sha256": digest, "bytes": size} for name, (digest, size) in files.items()
        },
    }
    content["digest"] = _digest(content)
    with open(folder / NAME, "x", encoding="ascii", newline="\n") as file:
        file.write(json.dumps(content, indent=1, sort_keys=True))
    sync_tree(folder)
    return read(folder, kind)


def read(folder: Path, kind: str) -> Manifest:
    """The manifest of `folder`. Raises `BadManifest` with a reason. Opens no other file."""
    try:
        data = (folder / NAME).read_bytes()
        content = json.loads(data)
        digest = content.pop("digest")
        files = {name: (str(f["sha256"]), int(f["bytes"])) for name, f in content["files"].items()}
        facts = dict(content["facts"])
        found = (content["format_version"], content["kind"], digest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadManifest(f"{NAME} cannot be read ({error})") from error
    if found != (FORMAT_VERSION, kind, _digest(content)):
        raise BadManifest(f"{NAME} has been changed, or is not that of a version-1 {kind}")
    return Manifest(kind, facts, files, hashlib.sha256(data).hexdigest())


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Cheap: looks whether each file is there with its size. Raises `BadManifest`."""
    for name, (_, size) in manifest.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise BadManifest(f"{name} is missing")
        if (actual := path.stat().st_size) != size:
            raise BadManifest(f"{name} has {actual} bytes instead of {size}")


def check_bytes(folder: Path, manifest: Manifest, *, sha256: str) -> None:
    """Reads everything. `sha256` is that of the manifest as the index knows it.

    Raises `BadManifest`, which names the file with what was expected and what is there.
    """
    if manifest.sha256 != sha256:
        raise BadManifest(f"{NAME} has sha256 {manifest.sha256[:12]} instead of {sha256[:12]}")
    if strangers := sorted(set(_names(folder)) - set(manifest.files)):
        raise BadManifest(f"{strangers[0]} was not there when it was published")
    check_sizes(folder, manifest)
    for name, (expected, _) in manifest.files.items():
        if (actual := sha256_of(folder / name)) != expected:
            raise BadManifest(f"{name} has sha256 {actual[:12]} instead of {expected[:12]}")


def is_sound(folder: Path, kind: str) -> bool:
    """Whether the folder has a manifest and files of the right sizes."""
    try:
        check_sizes(folder, read(folder, kind))
    except BadManifest:
        return False
    return True


def _names(folder: Path) -> Collection[str]:
    """All files below except the manifest, as relative paths with slashes, sorted."""
    found = []
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        found += [Path(parent, name).relative_to(folder).as_posix() for name in [*names, *links]]
    return sorted(name for name in found if name != NAME)


def _fingerprint(folder: Path, name: str) -> tuple[str, int]:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{name} is not a plain file and cannot be published")
    return sha256_of(path), path.stat().st_size


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(to_json(content).encode("ascii")).hexdigest()
