"""What a safetensors file says of itself: the names, types and shapes of its tensors.

Read before anything else of the file, and by rules of our own: the library takes headers of 100 MB
and does not mind a name that stands in one twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lift_chat.errors import AdapterDamaged
from lift_chat.strict_json import strict_object

MOST_HEADER = 1 << 20
"""Bytes; that of a LoRA adapter on all linear layers of a 70B model has some 200,000."""
DTYPES = {"F32": 4, "F16": 2, "BF16": 2}
"""Bytes of a number of each type that is used here."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Tensor:
    """`start` and `end` are bytes in what follows the header."""

    shape: Shape
    start: int
    end: int


def read_header(path: Path) -> dict[str, Shape]:
    """The shapes of the tensors by name; the file has exactly their bytes behind its header.

    Raises `AdapterDamaged` with the reason.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > MOST_HEADER:
                raise AdapterDamaged(f"{path.name} has a header of {length:,} bytes.")
            data = file.read(length)
        size = path.stat().st_size - 8 - length
        told = strict_object(data, MOST_HEADER)
        told.pop("__metadata__", None)
        tensors = {name: _tensor(name, values) for name, values in told.items()}
        _check_places(tensors.values(), size)
    except OSError as error:
        raise AdapterDamaged(f"{path.name} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise AdapterDamaged(f"The header of {path.name} {error}.") from error
    return {name: tensor.shape for name, tensor in tensors.items()}


def _tensor(name: str, values: Any) -> _Tensor:
    if not isinstance(values, dict) or set(values) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"does not describe {name!r:.80} as one of a tensor does")
    dtype, shape, place = values["dtype"], values["shape"], values["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"names numbers of a kind that is not used here: {dtype!r:.20}")
    if not _are_counts(shape) or not _are_counts(place) or len(place) != 2:
        raise ValueError(f"gives {name!r:.80} an impossible shape or place")
    if place[1] - place[0] != math.prod(shape) * DTYPES[dtype]:
        raise ValueError(f"gives {name!r:.80} a place that is not as large as its shape")
    return _Tensor(tuple(shape), place[0], place[1])


def _are_counts(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= 8
        and all(type(value) is int and 0 <= value < 1 << 48 for value in values)
    )


def _check_places(tensors: Any, size: int) -> None:
    """They follow each other without gap or overlap, up to the end of the file."""
    reached = 0
    for tensor in sorted(tensors, key=lambda one: (one.start, one.end)):
        if tensor.start != reached:
            raise ValueError("lets tensors overlap, or leaves room between them")
        reached = tensor.end
    if reached != size:
        raise ValueError(f"speaks of {reached:,} bytes, and {size:,} follow it")
