"""How much is sent through a model, in the numbers that its cost follows from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """`tokens` that are read, and `pairs` of them that attention looks at, were it not causal: each
    sample's length squared. `labelled` of them go through the head."""

    tokens: float = 0.0
    pairs: float = 0.0
    labelled: float = 0.0

    @classmethod
    def of(cls, count: float, length: float, labelled: float = 0.0) -> Load:
        """`count` samples of `length` tokens, of which `labelled` each have a label."""
        return cls(count * length, count * length**2, count * labelled)

    def __add__(self, other: Load) -> Load:
        return Load(
            self.tokens + other.tokens,
            self.pairs + other.pairs,
            self.labelled + other.labelled,
        )

    def __mul__(self, times: float) -> Load:
        return Load(self.tokens * times, self.pairs * times, self.labelled * times)
