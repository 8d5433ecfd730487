"""An adapter outside of the library, as a folder: packed from our own, inspected from anybody's.

Inspection trusts nothing: names by allow-list, strict JSON, sha256 of every file, the safetensors
header by size before it is parsed, tensors by name, shape, type and finiteness. No model is loaded
for it and no code run; whether the shapes fit a base is seen when the adapter is put onto one.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lift_chat.adapters import gated_memory, lora
from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE, read_tensors
from lift_chat.adapters.gated_memory.config import MemoryConfig
from lift_chat.errors import AdapterDamaged, InvalidConfig, UnsafeAdapter
from lift_chat.sharing.facts import FACTS_FILE, SharedFacts, strict_json
from storage.files import sha256_of
from storage.records import StudyItem

FILES = (CONFIG_FILE, WEIGHTS_FILE)
ORIGINAL = re.compile(r"document/original\.(pdf|epub|docx|html|md|txt)")
STUDY = "document/study.jsonl"
MOST_HEADER = 4 << 20
"""Bytes; that of a LoRA adapter on all linear layers of an 8B model has some 60,000."""
MOST_STUDY = 64 << 20
_LORA = re.compile(r"base_model\.model\.([A-Za-z0-9_.]{1,200})\.lora_(A|B)\.weight")


def allowed(name: str) -> bool:
    """Whether a parcel may hold a file of this name."""
    return name in (*FILES, FACTS_FILE, STUDY) or bool(ORIGINAL.fullmatch(name))


@dataclass(frozen=True)
class Parcel:
    """What was inspected and may be kept. `original` and `study` came with the document, if so."""

    folder: Path
    facts: SharedFacts
    original: Path | None
    study: tuple[StudyItem, ...]


def pack(
    adapter: Path,
    facts: SharedFacts,
    into: Path,
    *,
    original: Path | None = None,
    study: Sequence[StudyItem] = (),
) -> tuple[str, ...]:
    """Writes a parcel into the empty folder `into`; the names of its files."""
    names = [*FILES, FACTS_FILE]
    for name in FILES:
        shutil.copyfile(adapter / name, into / name)
    told = replace(facts, files={name: sha256_of(into / name) for name in FILES})
    (into / FACTS_FILE).write_bytes(told.to_json())
    if original is not None:
        (into / "document").mkdir()
        names += [f"document/original{original.suffix}", STUDY]
        shutil.copyfile(original, into / names[-2])
        lines = (json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in study)
        (into / STUDY).write_text("".join(lines), encoding="utf-8")
    return tuple(names)


def open_parcel(folder: Path) -> Parcel:
    """Inspects all of it. Raises `UnsafeAdapter`, which names the file and the reason."""
    there = _names(folder)
    for name in (*FILES, FACTS_FILE):
        if name not in there:
            raise UnsafeAdapter(f"{name} is missing; this is no export of an adapter.")
    facts = SharedFacts.from_json((folder / FACTS_FILE).read_bytes())
    if set(facts.files) != set(FILES):
        raise UnsafeAdapter(f"{FACTS_FILE} does not name its files.")
    for name, expected in facts.files.items():
        if (actual := sha256_of(folder / name)) != expected:
            raise UnsafeAdapter(f"{name} has sha256 {actual[:12]} instead of {expected[:12]}.")
    _inspect_adapter(folder, facts.kind)
    originals = [folder / name for name in there if ORIGINAL.fullmatch(name)]
    if len(originals) > 1:
        raise UnsafeAdapter("There is more than one document in it.")
    original = originals[0] if originals else None
    return Parcel(folder, facts, original, _study(folder / STUDY) if STUDY in there else ())


def _names(folder: Path) -> set[str]:
    names = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink() and name == "document":
            continue
        if path.is_symlink() or not path.is_file() or not allowed(name):
            raise UnsafeAdapter(f"{name!r:.100} does not belong to an adapter.")
        names.add(name)
    return names


def _inspect_adapter(folder: Path, kind: str) -> None:
    values = strict_json(CONFIG_FILE, (folder / CONFIG_FILE).read_bytes())
    _inspect_header(folder / WEIGHTS_FILE)
    try:
        if kind == lora.KIND:
            rank = lora.parse(values).r
        elif kind == gated_memory.KIND:
            MemoryConfig.parse(values)
        else:
            raise UnsafeAdapter(f"{FACTS_FILE} names an unknown kind of adapter.")
        tensors = read_tensors(folder)
    except (AdapterDamaged, InvalidConfig) as error:
        raise UnsafeAdapter(str(error)) from error
    if kind == lora.KIND:
        _inspect_lora({name: tuple(t.shape) for name, t in tensors.items()}, rank, values)


def _inspect_header(path: Path) -> None:
    """safetensors itself takes headers of up to 100 MB."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MOST_HEADER:
        raise UnsafeAdapter(f"{path.name} has a header of {length:,} bytes.")


def _inspect_lora(shapes: dict[str, tuple[int, ...]], rank: int, values: dict[str, Any]) -> None:
    """Each A is (rank, in), each B (out, rank), and every layer that is named has both."""
    layers: dict[str, set[str]] = {}
    for name, shape in shapes.items():
        found = _LORA.fullmatch(name)
        if found is None or found[1].rsplit(".", 1)[-1] not in values["target_modules"]:
            raise UnsafeAdapter(f"{WEIGHTS_FILE} holds {name!r:.120}, which its config lacks.")
        if len(shape) != 2 or shape[0 if found[2] == "A" else 1] != rank:
            raise UnsafeAdapter(f"{WEIGHTS_FILE}: {name:.120} is not of rank {rank}.")
        layers.setdefault(found[1], set()).add(found[2])
    if not layers or any(sides != {"A", "B"} for sides in layers.values()):
        raise UnsafeAdapter(f"{WEIGHTS_FILE} lacks the other half of a layer.")


def _study(path: Path) -> tuple[StudyItem, ...]:
    if path.stat().st_size > MOST_STUDY:
        raise UnsafeAdapter(f"{STUDY} is too large.")
    types = {one.name: int if one.name in ("start", "end") else str for one in fields(StudyItem)}
    items = []
    for line in path.read_bytes().splitlines():
        values = strict_json(STUDY, line)
        if set(values) != set(types) or not all(type(values[n]) is t for n, t in types.items()):
            raise UnsafeAdapter(f"{STUDY} holds something else than study questions.")
        items.append(StudyItem(**values))
    return tuple(items)
