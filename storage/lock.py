"""One process per library: a lock that the kernel frees when its holder dies, however it dies.

Knows nothing of what the lock guards.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from storage.errors import LibraryDamaged, LibraryInUse
from storage.values import now

if sys.platform == "win32":
    import msvcrt

    # Windows forbids reading locked bytes, so the locked byte lies behind the text.
    _LOCKED_BYTE = 1 << 20

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """Held from the constructor to `release`.

    Raises `LibraryInUse`, which names the process that holds it, or `LibraryDamaged` where the
    file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(self._descriptor)
        except OSError as error:
            sentence = self._refusal(error)
            self.release()
            raise sentence from error
        self._sign()
        if sys.platform != "win32":
            # A forked child would hold the lock beyond its parent's death.
            os.register_at_fork(after_in_child=self.release)

    def release(self) -> None:
        """Idempotent. The file stays: removing it would let two processes lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _sign(self) -> None:
        assert self._descriptor is not None
        # The lock holds without its signature, so a full disk does not keep the library shut.
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.write(
                self._descriptor,
                json.dumps({"pid": os.getpid(), "started_at": now()}).encode(),
            )

    def _refusal(self, error: OSError) -> LibraryInUse | LibraryDamaged:
        folder = self._path.parent
        if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return LibraryDamaged(f"The library in {folder} cannot be locked: {error}.")
        holder = "another process"
        # The holder may be just about to sign.
        with suppress(OSError, ValueError, KeyError, TypeError):
            signed = json.loads(self._path.read_text())
            holder = f"process {int(signed['pid'])}, started at {signed['started_at']}"
        return LibraryInUse(f"The library in {folder} is in use by {holder}.")
