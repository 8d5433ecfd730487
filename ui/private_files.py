"""Whose a file in Gradio's cache is.

Gradio serves what lies there to whoever has the address, and an uploaded file's address follows
from its content. So each file has owners here, and what has none is nobody's. What is not noted any
more after a restart is served to nobody; Gradio clears it away. Knows nothing of requests.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path

from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from storage.records import LOCAL, NOBODY

FORGET_ABOVE = 10_000
"""With so many files noted, those that are gone are looked for."""


class PrivateFiles:
    """Owners by path. May be called from any thread."""

    def __init__(self) -> None:
        self._owners: defaultdict[Path, set[str]] = defaultdict(set)
        self._lock = threading.Lock()

    def hand_out(self, path: str | Path, owner: str) -> str:
        """Moves the file to where Gradio serves it, to `owner` alone; the new path."""
        # Wherever else it lay, Gradio would copy it to that place, and the copy had no owner.
        target: str = save_file_to_cache(path, get_upload_folder())
        self.give(target, owner)
        Path(path).unlink()
        return target

    def give(self, path: str | Path, owner: str) -> None:
        """Notes that the file is this owner's too: the same upload may be that of several."""
        with self._lock:
            if len(self._owners) >= FORGET_ABOVE:
                for gone in [known for known in self._owners if not known.exists()]:
                    del self._owners[gone]
            self._owners[Path(path).resolve()].add(owner)

    def belongs(self, path: str | Path, owner: str) -> bool:
        """Whether `owner` may read the file; on a desktop all of them are one person's."""
        if owner in (LOCAL, NOBODY):
            return owner == LOCAL
        with self._lock:
            return owner in self._owners.get(Path(path).resolve(), ())

    def held(self, owner: str) -> int:
        """Bytes of this owner's files that are still there."""
        with self._lock:
            paths = [path for path, owners in self._owners.items() if owner in owners]
        return sum(path.stat().st_size for path in paths if path.is_file())


FILES = PrivateFiles()
"""The one of this process, as its cache folder is."""
