"""Where everything of one library lies: its folders, its index, and a lock over both.

Handed to the functions of the other modules; holds no rows and no rules.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlite_utils import Database

from storage.connection import Index
from storage.errors import LiftChatError
from storage.values import now

DATABASE = "library.sqlite"


@dataclass(frozen=True)
class Store:
    root: Path
    index: Index
    shelf: threading.RLock = field(default_factory=threading.RLock)
    """Held while a folder and its row come or go together, so that nobody sees one alone."""

    @property
    def documents(self) -> Path:
        return self.root / "documents"

    @property
    def adapters(self) -> Path:
        return self.root / "adapters"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @contextmanager
    def read(self) -> Iterator[Database]:
        with self.index.read() as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[Database]:
        with self.index.write() as db:
            yield db


def bury(db: Database, item: str) -> None:
    """Remembers that `item` was deleted, in the transaction that deletes its row."""
    db.execute("INSERT OR IGNORE INTO tombstones (id, deleted_at) VALUES (?, ?)", [item, now()])


def unbury(store: Store, item: str) -> None:
    """Forgets a deletion that is complete, so that a folder put back by hand is welcome."""
    # What is deleted is deleted; a tombstone too many only waits for the next start.
    with suppress(LiftChatError), store.write() as db:
        db.execute("DELETE FROM tombstones WHERE id = ?", [item])
