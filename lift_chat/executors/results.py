"""How a task ended, as a folder of plain files: `result.json`, and the adapter's two files if it
made one.

What comes back is read as strictly as an adapter from anywhere else. Knows nothing of what carries
the folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lift_chat.adapters.folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    copy_adapter,
    read_config,
    read_tensors,
)
from lift_chat.errors import AdapterDamaged
from lift_chat.models.loading import BaseIdentity

RESULT = "result.json"
FILES = (RESULT, CONFIG_FILE, WEIGHTS_FILE)
"""All names that a folder of results may hold."""


@dataclass(frozen=True)
class Made:
    """The adapter lies in `folder`."""

    folder: Path
    identity: BaseIdentity
    metrics: dict[str, Any]

    def save(self, to: Path) -> None:
        """Copies the adapter's two files. Raises `AdapterDamaged` if they cannot be used."""
        read_config(self.folder)
        read_tensors(self.folder)
        copy_adapter(self.folder, to)


@dataclass(frozen=True)
class Left:
    """The task was left as it was asked to: “discard” or “close”."""

    request: str


@dataclass(frozen=True)
class Failed:
    """The task ended with an error; another try would end like it."""

    code: str
    sentence: str


@dataclass(frozen=True)
class Lost:
    """Whoever worked on the task is gone; another one may do it. `sentence` says what is known."""

    sentence: str


Outcome = Made | Left | Failed | Lost


def write_result(folder: Path, outcome: Made | Left | Failed) -> None:
    """Written last: a folder with it is whole."""
    told = {name: value for name, value in asdict(outcome).items() if name != "folder"}
    text = json.dumps({"ended": type(outcome).__name__, **told})
    (folder / RESULT).write_text(text, encoding="utf-8")


def read_result(folder: Path) -> Made | Left | Failed:
    """Raises `AdapterDamaged` for a folder that no task has left like this."""
    try:
        told: Mapping[str, Any] = json.loads((folder / RESULT).read_bytes())
        match told["ended"]:
            case "Made":
                return Made(folder, BaseIdentity(**told["identity"]), dict(told["metrics"]))
            case "Left":
                return Left(str(told["request"]))
            case "Failed":
                return Failed(str(told["code"]), str(told["sentence"]))
            case other:
                raise ValueError(f"{other!r:.20} is no end of a task")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdapterDamaged(f"What a task left cannot be read: {error!r:.200}.") from error
