"""Whose a name is that Gradio answers to: a page session, an event, an upload under way.

Some names are made up by the client, and are then its who uses them first; nobody gets none, so
that who signs in goes on with the page that is open. Others are given out. The least recently used
of a kind are forgotten when there are very many. Knows nothing of requests.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict

from storage.records import NOBODY

MOST = 100_000


class Claims:
    """Owners by kind and name. May be called from any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._owners: defaultdict[str, OrderedDict[str, str]] = defaultdict(OrderedDict)
        self._most, self._lock = most, threading.Lock()

    def claim(self, kind: str, name: str, owner: str) -> bool:
        """Whether `owner` may use the name, which a free one makes theirs."""
        with self._lock:
            free = name not in self._owners[kind]
            if owner == NOBODY or (not free and self._owners[kind][name] != owner):
                return free
            self._note(kind, name, owner)
            return True

    def give(self, kind: str, name: str, owner: str) -> None:
        """Notes whom the name was given to."""
        with self._lock:
            self._note(kind, name, owner)

    def holds(self, kind: str, name: str, owner: str) -> bool:
        """Whether the name was given to `owner`."""
        with self._lock:
            return self._owners[kind].get(name) == owner

    def _note(self, kind: str, name: str, owner: str) -> None:
        self._owners[kind][name] = owner
        self._owners[kind].move_to_end(name)
        if len(self._owners[kind]) > self._most:
            self._owners[kind].popitem(last=False)
