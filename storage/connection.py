"""One SQLite file, opened anew for every operation and never shared between threads.

Opening costs a third of a millisecond; in return nothing has to be handed from thread to thread.
Every write is one `BEGIN IMMEDIATE` transaction: a deferred one that reads before it writes is
refused as soon as somebody else wrote in between. Knows nothing of the tables.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlite_utils import Database

from storage.errors import DiskFull, LibraryDamaged, LibraryInUse

BUSY_SECONDS = 10.0
WAL_IS_SAFE = sqlite3.sqlite_version_info >= (3, 51, 3)
"""Older versions can damage a WAL database that two connections write (sqlite.org/wal.html)."""


class Index:
    """The database file at `path`. `read` and `write` give a connection for one operation."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self.readonly = readonly
        self._closed = False
        self._writer = threading.RLock()

    def close(self) -> None:
        """Refuses everything from now on: without the lock nobody may write."""
        with self._writer:
            self._closed = True

    def require_writable(self) -> None:
        """Raises `LibraryInUse` unless this process may write, to files as well."""
        if self.readonly:
            raise LibraryInUse("The library was opened for reading only.")
        if self._closed:
            raise LibraryInUse("The library has been closed.")

    @contextmanager
    def read(self) -> Iterator[Database]:
        """A connection that cannot change anything."""
        with named_errors(self.path.parent), self.connect() as db:
            db.execute("PRAGMA query_only=ON")
            yield db

    @contextmanager
    def write(self) -> Iterator[Database]:
        """A transaction: all of the block is kept, or, if it raises, nothing.

        Raises `DiskFull`, `LibraryDamaged`, `LibraryInUse` (somebody else holds a transaction, or
        the library is closed or read-only).
        """
        self.require_writable()
        with named_errors(self.path.parent), self._writer, self.connect() as db:
            make_durable(db)
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.commit()
            except BaseException:
                db.rollback()
                raise

    @contextmanager
    def connect(self, *, create: bool = False) -> Iterator[Database]:
        """A bare connection. Without `create` a vanished file is an error, not an empty library."""
        if self._closed:
            raise LibraryInUse("The library has been closed.")
        uri = f"{self.path.as_uri()}?mode={'rwc' if create else 'rw'}"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA trusted_schema=OFF")
            yield Database(connection, recursive_triggers=False, execute_plugins=False)


def make_durable(db: Database) -> None:
    """A commit that returned survives a power loss; what was deleted is overwritten."""
    db.execute("PRAGMA fullfsync=ON")
    db.execute(f"PRAGMA journal_mode={'WAL' if WAL_IS_SAFE else 'TRUNCATE'}")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA secure_delete=ON")


@contextmanager
def named_errors(root: Path) -> Iterator[None]:
    """Turns what the disk and SQLite say into the error tree. `root` is named in the sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(root) from error
        raise
    except sqlite3.DatabaseError as error:
        # Errors of the Python module itself, such as a closed connection, carry no code.
        code = getattr(error, "sqlite_errorcode", -1) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise disk_full(root) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise LibraryInUse(f"The library in {root} is busy; try again.") from error
        if code in _DAMAGE:
            raise LibraryDamaged(
                f"The index of the library in {root} cannot be used ({error}); "
                f"it is rebuilt at the next start."
            ) from error
        raise


_DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_FORMAT,
)


def disk_full(root: Path, *, needed: int = 0, free: int = 0) -> DiskFull:
    """The error with its sentence; `needed` and `free` are bytes, 0 when not known."""
    figures = f" ({needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free)" if needed else ""
    return DiskFull(f"The disk with {root} is full{figures}; free some space and try again.")
