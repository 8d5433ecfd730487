"""Makes the n-th thing that a library does to the disk fail, or everything from the n-th on."""

from __future__ import annotations

import builtins
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

Kind = Literal["ENOSPC", "EIO", "KeyboardInterrupt"]
_WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT")


@dataclass
class Faults:
    """Counts operations below `root`. The one numbered `at` fails, from 1; 0 means none.

    `sticky`: all later ones fail too, so that nothing can be cleaned up, as after a kill.
    `late`: the operation is carried out and then fails, as an interrupt may have it.
    """

    root: Path
    at: int = 0
    kind: Kind = "EIO"
    sticky: bool = False
    late: bool = False
    count: int = 0
    hit: list[str] = field(default_factory=list)

    def around(self, name: str, operation: Callable[..., Any], *args: Any, **named: Any) -> Any:
        self.count += 1
        fails = self.at and (self.count == self.at or (self.sticky and self.count > self.at))
        if not fails:
            return operation(*args, **named)
        self.hit.append(name)
        if self.late and name == "open":
            operation(*args, **named).close()
        elif self.late:
            operation(*args, **named)
        raise self.error(sql=name in _WRITES)

    def error(self, *, sql: bool) -> BaseException:
        if self.kind == "KeyboardInterrupt":
            return KeyboardInterrupt()
        if not sql:
            return OSError(getattr(errno, self.kind), "injected")
        full = self.kind == "ENOSPC"
        error = sqlite3.OperationalError("injected")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_IOERR_WRITE
        return error


@contextmanager
def injected(faults: Faults) -> Iterator[Faults]:
    """Within the block `faults` rules over files and SQLite, after it the disk is sound again."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("rename", "replace", "fsync", "mkdir", "unlink", "rmdir"):
            _wrap(patch, os, name, faults)
        _wrap_open(patch, faults)

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
                word = sql.split(maxsplit=1)[0].upper().rstrip(";")
                if word not in _WRITES:
                    return super().execute(sql, *args)
                cursor: sqlite3.Cursor = faults.around(word, super().execute, sql, *args)
                return cursor

        connect = sqlite3.connect
        patch.setattr(
            sqlite3,
            "connect",
            lambda *args, **named: connect(*args, **named, factory=Connection),
        )
        yield faults


def _wrap(patch: pytest.MonkeyPatch, module: Any, name: str, faults: Faults) -> None:
    original = getattr(module, name)
    patch.setattr(
        module, name, lambda *args, **named: faults.around(name, original, *args, **named)
    )


def _wrap_open(patch: pytest.MonkeyPatch, faults: Faults) -> None:
    original = builtins.open

    def opened(file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        below = isinstance(file, Path) and file.is_relative_to(faults.root)
        if not below or mode[0] not in "wxa":
            return original(file, mode, *args, **named)
        stream = faults.around("open", original, file, mode, *args, **named)
        return _Stream(stream, faults)

    patch.setattr(builtins, "open", opened)


class _Stream:
    """A file whose writes count; a write that fails has put half of its bytes on the disk."""

    def __init__(self, stream: Any, faults: Faults) -> None:
        self._stream = stream
        self._faults = faults

    def write(self, data: Any) -> Any:
        try:
            return self._faults.around("write", self._stream.write, data)
        except BaseException:
            self._stream.write(data[: len(data) // 2])
            self._stream.flush()
            raise

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
