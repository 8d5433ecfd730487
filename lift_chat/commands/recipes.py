"""Flags that describe a recipe, as a `LiftConfig`. Pure; knows neither service nor terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lift_chat.errors import InvalidConfig
from lift_chat.lift.recipe import LiftConfig, typed
from storage.records import Chapter


def config_of(preset: str, changes: Sequence[str], chapters: str) -> LiftConfig:
    """The recipe that the flags describe. Raises `InvalidConfig`."""
    values: dict[str, Any] = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key.strip():
            raise InvalidConfig(f"--set takes KEY=VALUE, not {change!r}.")
        values[key.strip().replace("-", "_")] = typed(text)
    if chapters:
        values["chapters"] = chapter_indices(chapters)
    return LiftConfig.preset(preset, **values)


def chapter_indices(text: str) -> list[int]:
    """`1-4,7`, as people count, to [0, 1, 2, 3, 6]. Raises `InvalidConfig`."""
    indices: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-9]\d{0,5})\s*(?:-\s*([1-9]\d{0,5})\s*)?", part)
        first = int(match[1]) if match else 0
        last = int(match[2] or first) if match else 0
        if not 1 <= first <= last:
            raise InvalidConfig(f"--chapters takes numbers and ranges like 1-4,7, not {text!r}.")
        indices.update(range(first - 1, last))
    return sorted(indices)


def check_chapters(config: LiftConfig, outline: Sequence[Chapter]) -> None:
    """Raises `InvalidConfig` for a chapter that the document does not have."""
    missing = [index + 1 for index in config.chapters if index >= len(outline)]
    if missing:
        raise InvalidConfig(
            f"There is no chapter {missing[0]}; chapters of this document: {len(outline)}."
        )
