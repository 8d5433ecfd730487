"""A line of a page as it was set: its text and where it stood.

Coordinates are in points with y growing upwards, already turned so that text runs left to
right; lines from a source without geometry have size 0.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """`text` keeps a blank at its end: some programs mark so that a word ends there."""

    text: str
    x: float = 0.0
    y: float = 0.0
    size: float = 0.0

    @property
    def placed(self) -> bool:
        return self.size > 0
