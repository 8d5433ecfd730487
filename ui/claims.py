"""Who began what a client names by itself: page sessions, events, uploads under way.

Gradio finds all of them by name alone. Here the first owner who uses a name has it; what nobody
began may be gone on with by who then signs in. The least recently used are forgotten when there are
very many. Knows nothing of requests.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from storage.records import NOBODY

MOST = 100_000


class Claims:
    """Owners by (kind, name). May be called from any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._owners: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._most, self._lock = most, threading.Lock()

    def claim(self, kind: str, name: str, owner: str) -> bool:
        """Whether the name is this owner's, which it becomes if it is free."""
        with self._lock:
            if self._owners.get((kind, name), NOBODY) not in (owner, NOBODY):
                return False
            self._owners[kind, name] = owner
            self._owners.move_to_end((kind, name))
            if len(self._owners) > self._most:
                self._owners.popitem(last=False)
            return True

    def holds(self, kind: str, name: str, owner: str) -> bool:
        """As `claim`, but a free name is not theirs."""
        with self._lock:
            return self._owners.get((kind, name)) == owner
