"""What an adapter says of itself outside of this library: `lift_chat.json` beside its two files.

The library's own manifest never leaves, since it names the owner. An adapter that another program
made says less: where it was made is in its PEFT config, and the rest is not known. Knows no folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from lift_chat.adapters import lora
from lift_chat.adapters.folder import CONFIG_FILE
from lift_chat.errors import UnsafeAdapter
from lift_chat.foreign_values import REVISION, SHA256
from lift_chat.strict_json import strict_object

FACTS_FILE = "lift_chat.json"
FORMAT_VERSION = 1
UNNAMED_BASE = "a base that it does not name"
_SAID = ("device", "dtype")
"""Metrics that are words and never those of a document."""


@dataclass(frozen=True, kw_only=True)
class SharedFacts:
    """`document` is the sha256 of the file it was made of, `title` and `document_name` what that is
    called; `files` maps a file to its sha256. `base_fingerprint` is "" for a LoRA adapter that was
    made elsewhere: its base has a name at most. Raises `UnsafeAdapter` for other shapes."""

    name: str
    kind: str
    base_model: str
    base_revision: str
    base_fingerprint: str
    recipe: Mapping[str, Any]
    metrics: Mapping[str, Any]
    document: str
    title: str
    document_name: str
    created_at: str
    made_with: str
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            wanted = Mapping if one.name in ("recipe", "metrics", "files") else str
            if not isinstance(value, wanted):
                raise UnsafeAdapter(f"{FACTS_FILE} has no usable {one.name}.")
        usable = {
            "name": bool(self.name.strip()) and len(self.name) <= 500,
            "base_model": _is_base(self.base_model),
            "base_revision": not self.base_revision or bool(REVISION.fullmatch(self.base_revision)),
            "base_fingerprint": bool(SHA256.fullmatch(self.base_fingerprint))
            or (not self.base_fingerprint and self.kind == lora.KIND),
            "document": not self.document or bool(SHA256.fullmatch(self.document)),
        }
        for noun, holds in usable.items():
            if not holds:
                raise UnsafeAdapter(f"{FACTS_FILE} has no usable {noun}.")
        if not all(isinstance(s, str) and SHA256.fullmatch(s) for s in self.files.values()):
            raise UnsafeAdapter(f"{FACTS_FILE} does not name its files with their sha256.")

    def to_json(self) -> bytes:
        values = {"format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(values, indent=1, sort_keys=True).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Raises `UnsafeAdapter`, which says what is wrong."""
        values = strict_json(FACTS_FILE, data)
        version = values.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise UnsafeAdapter(f"{FACTS_FILE} is of format {version!r:.20}, not {FORMAT_VERSION}.")
        if strange := set(values) ^ {one.name for one in fields(cls)}:
            raise UnsafeAdapter(f"{FACTS_FILE} has missing or unknown entries: {min(strange):.40}.")
        return cls(**values)

    @classmethod
    def foreign(cls, config: Mapping[str, Any], name: str) -> Self:
        """Of an adapter that has nothing but its PEFT config. Raises `UnsafeAdapter`."""
        base = config.get("base_model_name_or_path") or UNNAMED_BASE
        revision = config.get("revision") or ""
        if not isinstance(base, str) or not _is_base(base):
            raise UnsafeAdapter(f"{CONFIG_FILE} has no usable base_model_name_or_path.")
        if revision and not (isinstance(revision, str) and REVISION.fullmatch(revision)):
            raise UnsafeAdapter(f"{CONFIG_FILE} has no usable revision.")
        return cls(
            name=name,
            kind=lora.KIND,
            base_model=base,
            base_revision=revision,
            base_fingerprint="",
            recipe={},
            metrics={},
            document="",
            title="",
            document_name="",
            created_at="",
            made_with="",
        )


def _is_base(text: str) -> bool:
    """An id on the Hub, or a folder of whoever made the adapter: it is shown, and never opened."""
    return bool(text.strip()) and text.isprintable() and len(text) <= 200


def strict_json(name: str, data: bytes) -> dict[str, Any]:
    """The object in `data`, the content of the file `name`. Raises `UnsafeAdapter`."""
    try:
        return strict_object(data)
    except ValueError as error:
        raise UnsafeAdapter(f"{name} {error}.") from error


def public_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers alone: questions and answers of an exam are text of the document."""
    said = {name: metrics[name] for name in _SAID if isinstance(metrics.get(name), str)}
    return {**said, **_numbers(metrics)}


def _numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {name: _numbers(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in (None, {}, [])}
    if isinstance(value, list | tuple):
        return [one for one in map(_numbers, value) if one not in (None, {}, [])]
    return value if isinstance(value, bool | int | float) else None
