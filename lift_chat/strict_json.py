"""JSON from elsewhere, read strictly: no key twice, no number and no text that could not be kept.

Knows neither files nor what the values mean.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MOST_BYTES = 1 << 20


def strict_object(data: bytes, most: int = MOST_BYTES) -> dict[str, Any]:
    """The object in `data`. Raises ValueError with what can follow a file's name in a sentence."""
    if len(data) > most:
        raise ValueError(f"has {len(data):,} bytes; {most:,} are allowed")
    try:
        values = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_number,
            parse_float=_number,
            parse_int=_whole,
        )
        # Half a character passes as an escape, and no file and no page can hold it.
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ValueError("is not a JSON object")
    return values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands in it twice")
    return values


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text:.40} is no number")


def _number(text: str) -> float:
    """“1e999” is valid JSON, and infinite."""
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _whole(text: str) -> int:
    """Longer ones are no float any more."""
    return int(text) if len(text) <= 20 else _no_number(text)
