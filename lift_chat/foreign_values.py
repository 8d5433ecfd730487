"""Values from elsewhere: as the type that is needed or as nothing, and the forms of names.

Never an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
HUB_ID = re.compile(rf"(?:{_NAME}/)?{_NAME}")
REPOSITORY = re.compile(rf"{_NAME}/{_NAME}")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def as_number(value: Any) -> float | None:
    known = type(value) in (int, float) and math.isfinite(value)
    return float(value) if known else None


def as_count(value: Any) -> int:
    return max(0, int(as_number(value) or 0))


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def as_mappings(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if type(value) is list else []
