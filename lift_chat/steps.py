"""Generators that say how far they are while they work, and return what they made."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar, cast

Said = TypeVar("Said")
Told = TypeVar("Told")
Made = TypeVar("Made")


def retold(
    work: Generator[Said, None, Made], tell: Callable[[Said], Told]
) -> Generator[Told, None, Made]:
    """`work` with each thing it says put otherwise; closing it closes `work`."""
    with closing(work):
        while True:
            try:
                said = next(work)
            except StopIteration as end:
                return cast("Made", end.value)
            yield tell(said)


def finished(work: Generator[object, None, Made]) -> Made:
    """What `work` makes, for whoever does not watch it."""
    with closing(work):
        while True:
            try:
                next(work)
            except StopIteration as end:
                return cast("Made", end.value)
