"""What one person may keep where many share a disk, asked before anything is kept.

What is being taken in is booked until it is in the library, so things that arrive at once are
counted together: an owner gets past the limit by no more than what reading adds to the files that
are on their way (a document's text), and by what the runs that wait and the one that runs
will publish. Knows no front end; a limit that is None does not exist.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from lift_chat.errors import DiskFull, QuotaExceeded, SignInNeeded
from lift_chat.settings import Settings
from storage.library import Library
from storage.records import NOBODY

MB = 10**6
KINDS = {"documents": "documents", "adapters": "adapters", "runs": "stopped or failed runs"}
"""What takes room, as `Library.disk_usage` names it, and what a person calls it."""


def somebody(owner: str) -> str:
    """The owner. Raises `SignInNeeded` for nobody, who can keep nothing."""
    if owner == NOBODY:
        raise SignInNeeded(
            "Sign in with Hugging Face first; what you read in here is then yours alone."
        )
    return owner


class Quotas:
    """The limits of `settings` over one library."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self._library, self._settings = library, settings
        self._lock = threading.Lock()
        self._bytes: Counter[str] = Counter()
        self._documents: Counter[str] = Counter()
        """By owner, what is on its way in."""

    @contextmanager
    def intake(self, owner: str, size: int, *, documents: int = 0) -> Iterator[None]:
        """Room for `size` bytes and so many documents, held until the end of the block.

        Raises `SignInNeeded`, `QuotaExceeded`, `DiskFull`.
        """
        somebody(owner)
        with self._lock:
            self._require_documents(owner, documents)
            self._require_bytes(owner, size)
            self._require_disk(size)
            self._bytes[owner] += size
            self._documents[owner] += documents
        try:
            yield
        finally:
            with self._lock:
                self._bytes[owner] -= size
                self._documents[owner] -= documents

    @contextmanager
    def queueing(self, owner: str) -> Iterator[None]:
        """The block may put one job into the queue; one such block runs at a time.

        Raises `SignInNeeded`, `QuotaExceeded`, `DiskFull`.
        """
        somebody(owner)
        with self._lock:
            self._require_place(owner)
            self._require_bytes(owner, 0)
            self._require_disk(0)
            yield

    def _require_documents(self, owner: str, more: int) -> None:
        most = self._settings.quota_documents
        if most is None or not more:
            return
        kept = len(self._library.documents(owner))
        if kept + self._documents[owner] + more > most:
            raise QuotaExceeded(
                f"Your library holds {kept} documents, and one person may keep {most} here: "
                f"delete a document first."
            )

    def _require_bytes(self, owner: str, more: int) -> None:
        if self._settings.quota_mb is None:
            return
        usage, most = self._library.disk_usage(owner), self._settings.quota_mb * MB
        if usage["total"] + self._bytes[owner] + more <= most:
            return
        largest = max(KINDS, key=lambda kind: usage[kind])
        raise QuotaExceeded(
            f"Your library takes {usage['total'] / MB:,.1f} MB of the {most / MB:,.0f} MB that one "
            f"person may keep here, and this would be {more / MB:,.1f} MB more: delete "
            f"{KINDS[largest]} first, which take {usage[largest] / MB:,.1f} MB."
        )

    def _require_disk(self, more: int) -> None:
        floor, free = self._settings.free_disk_mb, self._library.free_bytes()
        if floor is not None and free - more < floor * MB:
            raise DiskFull(
                f"The disk of this server has only {free / MB:,.0f} MB left, so nothing more is "
                f"taken in until something is deleted."
            )

    def _require_place(self, owner: str) -> None:
        most = self._settings.quota_jobs
        if most is None:
            return
        waiting = sum(job.state == "queued" for job in self._library.jobs(owner))
        if waiting >= most:
            raise QuotaExceeded(
                f"You have {waiting} runs waiting, and one person may have {most} here: "
                f"let one begin or stop one first."
            )
