"""What goes into columns and JSON files: ids, times, text and JSON that survive the round trip.

Knows neither SQLite nor folders.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ulid import ULID


def new_id() -> str:
    """A ULID: 26 characters, safe in a path, sortable by time of making."""
    return str(ULID())


def is_id(value: object) -> bool:
    """Whether it is an id in the one spelling that `new_id` gives."""
    try:
        return isinstance(value, str) and str(ULID.from_str(value)) == value
    except ValueError:
        return False


def now() -> str:
    """UTC, ISO 8601, to the second; for people, never for order."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def is_time(value: object) -> bool:
    """Whether it is a time as `now` writes it."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def clean(text: str) -> str:
    """`text` with lone surrogates replaced: neither SQLite nor a UTF-8 file can hold them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def to_json(value: Any) -> str:
    """Canonical JSON: equal values give equal text, NaN and infinities become null."""
    return json.dumps(_plain(value), sort_keys=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    return value
