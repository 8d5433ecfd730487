"""What is finished, one JSON line per document and arm, kept so that a run can go on.

A line is on the disk before the next arm begins. A line that a crash left half written is no line:
its arm is done again. Knows nothing of what the lines say beside their key.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Ledger:
    """The file at `path`; it need not exist. One process at a time may write it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = {line["key"]: line for line in self._read()}

    def __contains__(self, key: str) -> bool:
        return key in self._lines

    def __getitem__(self, key: str) -> Line:
        return self._lines[key]

    def append(self, line: Line) -> None:
        """Writes `line`, with its "key", durably."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = _finite(line)
        text = json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
        with self.path.open("ab+") as file:
            if file.tell() and not _ends_with_newline(file):
                text = "\n" + text
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        self._lines[line["key"]] = line

    def _read(self) -> Iterator[Line]:
        if not self.path.is_file():
            return
        for text in self.path.read_bytes().split(b"\n"):
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and isinstance(line.get("key"), str):
                yield line


def key_of(facts: Mapping[str, Any]) -> str:
    """The same for the same facts, JSON values, and for no others."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _ends_with_newline(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def _finite(value: Any) -> Any:
    """JSON has no NaN: the loss of a diverged run is null."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
