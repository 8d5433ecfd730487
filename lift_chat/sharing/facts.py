"""What an adapter says of itself outside of this library: `lift_chat.json` beside its two files.

The library's own manifest never leaves, since it names the owner. JSON is read strictly: no key
twice, no number that is none, no more than a megabyte. Knows no folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NoReturn, Self

from lift_chat.errors import UnsafeAdapter

FACTS_FILE = "lift_chat.json"
FORMAT_VERSION = 1
MOST_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SAID = ("device", "dtype")
"""Metrics that are words and never those of a document."""


@dataclass(frozen=True, kw_only=True)
class SharedFacts:
    """`document` is the sha256 of the file it was made of, `title` and `document_name` what that is
    called; `files` maps a file to its sha256. Raises `UnsafeAdapter` for other shapes."""

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
        if not self.name.strip() or len(self.name) > 500:
            raise UnsafeAdapter(f"{FACTS_FILE} has no usable name.")
        if not _SHA256.fullmatch(self.base_fingerprint):
            raise UnsafeAdapter(f"{FACTS_FILE} has no usable base_fingerprint.")
        if not all(isinstance(s, str) and _SHA256.fullmatch(s) for s in self.files.values()):
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


def strict_json(name: str, data: bytes) -> dict[str, Any]:
    """The object in `data`, the content of the file `name`. Raises `UnsafeAdapter`."""
    if len(data) > MOST_BYTES:
        raise UnsafeAdapter(f"{name} has {len(data):,} bytes; {MOST_BYTES:,} are allowed.")
    try:
        values = json.loads(data, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UnsafeAdapter(f"{name} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise UnsafeAdapter(f"{name} is not a JSON object.")
    return values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands in it twice")
    return values


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


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
