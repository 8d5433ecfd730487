"""Ways to damage an adapter's folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE


def edit(**changes: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / CONFIG_FILE
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return apply


def retensor(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Any:
    def apply(folder: Path) -> None:
        save_file(change(load_file(folder / WEIGHTS_FILE)), folder / WEIGHTS_FILE)

    return apply


def truncate(folder: Path) -> None:
    path = folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-100])
