"""A folder with an adapter's two files, whatever its kind: JSON by our own rules and safetensors.

What is read is treated as if it came from a stranger: never a pickle, never code, and no number
that is not finite. Knows nothing of models.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lift_chat.adapters.header import Shape, read_header
from lift_chat.errors import AdapterDamaged, InvalidConfig
from lift_chat.strict_json import strict_object
from storage.files import move_into_place, sync_tree
from storage.values import new_id

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
FILES = (CONFIG_FILE, WEIGHTS_FILE)


def require_free(folder: Path) -> None:
    """Raises `InvalidConfig` if something lies where a folder is to be written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidConfig(f"{folder} is there already; name another folder.")


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """A draft to be filled, which becomes `folder` at the end of the block: whole, or not at all.

    Raises `InvalidConfig` if the folder is not free.
    """
    require_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.{new_id()}")
    draft.mkdir()
    try:
        yield draft
        sync_tree(draft)
        if folder.exists():
            folder.rmdir()  # empty; not every system renames onto a folder
        move_into_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_adapter(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Writes both files; the folder's manifest is the library's business. Raises OSError."""
    on_cpu = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    save_file(on_cpu, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    text = json.dumps(config, indent=2, sort_keys=True, default=str)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")


def copy_adapter(folder: Path, into: Path) -> None:
    """Copies both files as they are. Raises OSError."""
    for name in FILES:
        shutil.copyfile(folder / name, into / name)


def read_config(folder: Path) -> dict[str, Any]:
    """The config as a JSON object, read strictly. Raises `AdapterDamaged`."""
    try:
        return strict_object((folder / CONFIG_FILE).read_bytes())
    except OSError as error:
        raise AdapterDamaged(f"{CONFIG_FILE} of this adapter cannot be read: {error}") from error
    except ValueError as error:
        raise AdapterDamaged(f"{CONFIG_FILE} of this adapter {error}.") from error


def read_shapes(folder: Path) -> dict[str, Shape]:
    """The shapes of the weights by name; none of them is read. Raises `AdapterDamaged`."""
    return read_header(folder / WEIGHTS_FILE)


def tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights one after the other, on the CPU, all finite. Raises `AdapterDamaged`.

    An adapter may be larger than the memory: only one tensor is read at a time.
    """
    read_shapes(folder)
    try:
        with safe_open(folder / WEIGHTS_FILE, framework="pt") as file:
            for name in sorted(file.keys()):
                tensor: torch.Tensor = file.get_tensor(name)
                if not bool(torch.isfinite(tensor).all()):
                    raise AdapterDamaged("The adapter holds numbers that are not finite.")
                yield name, tensor
    except (OSError, SafetensorError) as error:
        raise AdapterDamaged(f"{WEIGHTS_FILE} of this adapter cannot be read: {error}") from error


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The weights by name, on the CPU, all finite. Raises `AdapterDamaged`."""
    return dict(tensors(folder))
