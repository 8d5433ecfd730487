"""What an adapter from elsewhere has to be, before anything of it is used.

In the order of what it costs to know: the names and sizes of its files, what its JSON says, the
headers of its weights, and the weights, one at a time. Each step stands alone, so that what is
pulled can be refused before it is fetched. Nothing that a file names is imported, no model is
loaded; whether the shapes fit a base is seen when the adapter is put onto one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lift_chat.adapters import gated_memory, lora
from lift_chat.adapters.folder import CONFIG_FILE, FILES, WEIGHTS_FILE, read_shapes, tensors
from lift_chat.adapters.gated_memory.config import MemoryConfig
from lift_chat.adapters.lora_config import parse
from lift_chat.adapters.lora_fit import layers_of
from lift_chat.errors import AdapterDamaged, UnsafeAdapter
from lift_chat.sharing.facts import FACTS_FILE, SharedFacts, strict_json
from lift_chat.strict_json import MOST_BYTES as MOST_JSON
from storage.files import sha256_of

MOST_WEIGHTS = 16 << 30
"""Bytes: the largest adapter of a 70B model is far below."""

_PICKLE = re.compile(r"adapter_model.*\.(bin|pt|pth|ckpt|pkl)")
_SHARD = re.compile(r"adapter_model-\d+-of-\d+\.safetensors")


@dataclass(frozen=True)
class Listing:
    """What is to be fetched of a repository: `first`, whose JSON can be inspected alone, and
    `then`, once that was fit."""

    first: tuple[str, ...]
    then: tuple[str, ...]


def inspect_listing(files: Mapping[str, int]) -> Listing:
    """Of a repository's files (name -> bytes), those of an adapter; all others stay where they are.

    Raises `UnsafeAdapter` where there is no adapter of a kind that is taken.
    """
    if CONFIG_FILE not in files:
        raise UnsafeAdapter(f"There is no {CONFIG_FILE}; this is no adapter.")
    if WEIGHTS_FILE not in files:
        raise UnsafeAdapter(f"There is no {WEIGHTS_FILE}{_instead(files)}.")
    first = tuple(name for name in (CONFIG_FILE, FACTS_FILE) if name in files)
    for names, most in ((first, MOST_JSON), ((WEIGHTS_FILE,), MOST_WEIGHTS)):
        for name in names:
            if not 0 < files[name] <= most:
                raise UnsafeAdapter(f"{name} has {files[name]:,} bytes; {most:,} are allowed.")
    return Listing(first, (WEIGHTS_FILE,))


def _instead(files: Mapping[str, int]) -> str:
    if any(_PICKLE.fullmatch(name) for name in files):
        return ", only a pickle, which can run code when it is opened and is never read"
    if any(_SHARD.fullmatch(name) for name in files):
        return "; weights in several files are not read"
    return " beside it"


def inspect_config(folder: Path, *, known_as: str = "") -> SharedFacts:
    """What the JSON of the adapter in `folder` says. Reads no weights, which may not be there yet.

    Where there is no `lift_chat.json`, it is an adapter of another program, and called `known_as`;
    if that is "", such are not taken. Raises `UnsafeAdapter`, which names the file and the reason.
    """
    values = _config(folder)
    if (folder / FACTS_FILE).is_file():
        facts = SharedFacts.from_json(_read(folder, FACTS_FILE))
        if set(facts.files) != set(FILES):
            raise UnsafeAdapter(f"{FACTS_FILE} does not name its files.")
    elif known_as:
        facts = SharedFacts.foreign(values, known_as)
    else:
        raise UnsafeAdapter(f"{FACTS_FILE} is missing; this is no export of an adapter.")
    try:
        if facts.kind == lora.KIND:
            parse(values)
        elif facts.kind == gated_memory.KIND:
            MemoryConfig.parse(values)
        else:
            raise UnsafeAdapter(f"{FACTS_FILE} names an unknown kind of adapter.")
    except AdapterDamaged as error:
        raise UnsafeAdapter(str(error)) from error
    return facts


def inspect_weights(folder: Path, facts: SharedFacts) -> None:
    """Whether the weights are what the config describes, finite, and what `facts` names.

    Raises `UnsafeAdapter`, which names the file and the reason.
    """
    try:
        shapes = read_shapes(folder)
        if facts.kind == lora.KIND:
            layers_of(shapes, parse(_config(folder)))
        for name, expected in facts.files.items():
            if (actual := sha256_of(folder / name)) != expected:
                raise UnsafeAdapter(f"{name} has sha256 {actual[:12]} instead of {expected[:12]}.")
        for _ in tensors(folder):
            pass  # it raises at the first number that is none
    except AdapterDamaged as error:
        raise UnsafeAdapter(str(error)) from error


def _config(folder: Path) -> dict[str, Any]:
    return strict_json(CONFIG_FILE, _read(folder, CONFIG_FILE))


def _read(folder: Path, name: str) -> bytes:
    """Not more than tells that it is too much."""
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise UnsafeAdapter(f"{name} is missing; this is no export of an adapter.")
    with open(path, "rb") as file:
        return file.read(MOST_JSON + 1)
