"""How many slices a run needs, said before the first of them is asked for.

What a whole run takes is estimated elsewhere, and measured while it goes on; here it is cut into
slices, each of which loses some of its seconds to its own beginning and end.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from storage.files import write_file

USEFUL = 0.7
"""Share of a slice's seconds that its run gets; the rest is for beginning, and for leaving in time
(benchmarks/results/slices-cpu.md: 57 to 94 % of the seconds are taken up, 76 % on average)."""

FREE_SECONDS = 300
"""GPU time that a free account has on ZeroGPU in a day (hub/spaces-zerogpu, November 2026)."""

NAME = "slices.json"


@dataclass(frozen=True)
class Need:
    """`slices` of at most `slice_seconds` each, for about `gpu_seconds` in all."""

    slices: int
    slice_seconds: float
    gpu_seconds: float

    @classmethod
    def of(cls, seconds: float, slice_seconds: float) -> Need:
        """For `seconds` of work; a run that is not over needs one slice at least."""
        whole = max(seconds, 0.0) / USEFUL
        return cls(max(math.ceil(whole / slice_seconds), 1), slice_seconds, round(whole, 1))

    def sentence(self) -> str:
        count = "One slice" if self.slices == 1 else f"About {self.slices} slices"
        return (
            f"{count} of at most {self.slice_seconds:.0f} s, about {self.gpu_seconds:.0f} s of GPU "
            f"time in all; a free account has {FREE_SECONDS} s a day."
        )


@dataclass(frozen=True)
class Spent:
    """Slices that a run was given so far, and how long they took."""

    slices: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, folder: Path) -> Spent:
        try:
            return cls(**json.loads((folder / NAME).read_bytes()))
        except (OSError, ValueError, TypeError):
            return cls()

    def more(self, folder: Path, seconds: float) -> None:
        """Notes one slice more. Raises OSError."""
        now = Spent(self.slices + 1, round(self.seconds + seconds, 2))
        write_file(folder / NAME, json.dumps(asdict(now)).encode())


def left(estimated: float, spent: Spent, eta: float) -> float:
    """Seconds of work that a run still needs: what was estimated less what it was given, and never
    less than what its training says it needs by itself."""
    return max(estimated - USEFUL * spent.seconds, eta)
