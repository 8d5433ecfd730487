"""What an adapter's manifest says of it: enough to make its row again from the folder alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import NoneType
from typing import Any

from storage import manifest
from storage.manifest import BadManifest, Manifest

_OPTIONAL = (str, NoneType)


@dataclass(frozen=True, kw_only=True)
class AdapterFacts:
    """What the manifest keeps, to make rows from it alone. `job_id` may be ""; what older
    versions did not write is None."""

    id: str
    owner: str
    document_id: str
    job_id: str
    name: str
    kind: str
    base_model: str
    base_revision: str
    base_fingerprint: str
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    created_at: str
    studied: str | None = None
    origin: str | None = None

    @classmethod
    def of(cls, sealed: Manifest) -> AdapterFacts:
        """Raises `BadManifest` if a fact is missing or of the wrong type."""
        types: dict[str, Any] = {
            "recipe": dict,
            "metrics": dict,
            "studied": _OPTIONAL,
            "origin": _OPTIONAL,
        }
        values = {field.name: sealed.facts.get(field.name) for field in fields(cls)}
        for name, value in values.items():
            if not isinstance(value, types.get(name, str)):
                raise BadManifest(f"{manifest.NAME} has no usable {name}")
        return cls(**values)  # type: ignore[arg-type]  # checked just above
