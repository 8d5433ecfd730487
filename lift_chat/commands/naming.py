"""Which entry a person means: an id, the start of one, or a name. Pure; knows no library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from lift_chat.errors import NotFound

SHOWN_IDS = 5


class Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=Named)


def find(entries: Sequence[Entry], text: str, noun: str) -> Entry:
    """The one entry whose id is `text`, else whose id starts with it, else whose name it is.

    Letter case does not count. Raises `NotFound`, also when several entries fit.
    """
    wanted = text.strip().casefold()
    if not wanted:
        raise NotFound(f"Say which {noun}: an id, the start of an id, or a name.")
    by_id = [entry for entry in entries if entry.id.casefold() == wanted]
    by_start = [entry for entry in entries if entry.id.casefold().startswith(wanted)]
    by_name = [entry for entry in entries if entry.name.strip().casefold() == wanted]
    for fitting in (by_id, by_start, by_name):
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            ids = ", ".join(entry.id for entry in fitting[:SHOWN_IDS])
            more = ", …" if len(fitting) > SHOWN_IDS else ""
            raise NotFound(f"{text!r} fits {len(fitting)} {noun}s; say which by id: {ids}{more}.")
    raise NotFound(f"There is no {noun} {text!r}.")
