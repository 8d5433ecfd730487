"""The tables of LIFT's papers as presets of a measurement: arms, windows, lengths.

Our numbers beside theirs mean something only with the same base model and judge; the arms are the
ones that make a comparison fair on any base. A preset says nothing of where collections lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.needle import Grid

EVERY = ("raw", "g2", "g3", "ours")


@dataclass(frozen=True)
class Table:
    """What `lift-chat eval --table NAME` asks for where no flag says otherwise."""

    collection: str
    recipes: tuple[str, ...] = EVERY
    windows: tuple[str, ...] = ("closed", "truncated", "retrieved")
    split: str = ""
    answer_tokens: int = 32
    grid: Grid = field(default_factory=Grid)


TABLES: dict[str, Table] = {
    # LIFT 2502.14644: at most 200 new tokens, greedy.
    "loogle": Table("loogle", answer_tokens=200),
    # Each task brings its own prompt and length.
    "longbench": Table("longbench"),
    # LIFT's lengths; the longest ones need a long text.
    "needle": Table(
        "needle",
        recipes=("raw", "ours"),
        windows=("closed", "truncated"),
        grid=Grid(lengths=(1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000)),
    ),
    "fairytaleqa": Table("fairytaleqa", split="val"),
}


def table_of(name: str) -> Table:
    """Raises `InvalidConfig` for an unknown name."""
    if name not in TABLES:
        raise InvalidConfig(f"There is no table {name!r}; there are {', '.join(TABLES)}.")
    return TABLES[name]
