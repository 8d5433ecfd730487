"""What this machine computes on: device, dtype, free memory. Knows nothing of models."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import psutil
import torch

from lift_chat.errors import ModelUnavailable

Turn = Callable[[], AbstractContextManager[bool | None]]
"""Borrows the device for one micro-batch or one token; everything that computes takes turns. Says
whether somebody else wants it too, these seconds: who could hold it for long then does not."""

Visit = Callable[[], AbstractContextManager[Turn]]
"""Turns for one piece of work, behind which nobody is about to ask for the device again."""

Found = TypeVar("Found")

BF16_GAIN = 1.5
"""How much faster than fp32 bf16 must be on a CPU to be worth its coarser numbers."""


@dataclass(frozen=True)
class Device:
    """`kind` is a torch device type; `dtype` the one that this device multiplies fastest in."""

    kind: str
    name: str
    dtype: torch.dtype

    @property
    def torch(self) -> torch.device:
        return torch.device(self.kind)

    def free_memory(self) -> int:
        """Bytes that a new allocation can have now."""
        if self.kind == "cuda":
            return int(torch.cuda.mem_get_info()[0])
        return int(psutil.virtual_memory().available)

    def total_memory(self) -> int:
        if self.kind == "cuda":
            return int(torch.cuda.mem_get_info()[1])
        return int(psutil.virtual_memory().total)


def pick_device(wanted: str = "auto") -> Device:
    """The named device, or the best one there is. Raises `ModelUnavailable`."""
    kind = wanted
    if wanted == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise ModelUnavailable("A CUDA device was asked for, but torch finds none.")
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        return Device("cuda", torch.cuda.get_device_name(), dtype)
    if kind == "cpu":
        return Device("cpu", f"CPU ({platform.machine()})", aside(_cpu_dtype))
    raise ModelUnavailable(f"Unknown device {wanted!r}; use auto, cpu or cuda.")


def aside(work: Callable[[], Found]) -> Found:
    """What `work` returns, from a thread that ends with it.

    Each thread that computes on a CPU keeps helpers as long as it lives. Where there are more of
    them than cores, OpenMP lets all of them sleep between two operations, and waking them takes
    longer than most operations do: one product in the thread that opens an app makes every later
    training step 1.6 times as long. So a thread that does something else later does not compute.
    """
    with ThreadPoolExecutor(max_workers=1) as threads:
        return threads.submit(work).result()


def _cpu_dtype() -> torch.dtype:
    """The dtype that this CPU multiplies faster in, found by trying.

    Instruction flags do not tell: with the same AVX512-BF16 flag, one machine is four times
    faster in bf16 and another twice as slow. Both are far from the threshold, and processor time
    is counted, so a busy machine does not decide otherwise and a resumed run finds the same answer.
    """
    if not torch.cpu._is_avx512_bf16_supported():
        return torch.float32  # bf16 would be emulated
    times = {torch.bfloat16: float("inf"), torch.float32: float("inf")}
    for _ in range(5):
        for dtype in times:
            times[dtype] = min(times[dtype], _multiply_seconds(dtype))
    faster = times[torch.float32] / times[torch.bfloat16]
    return torch.bfloat16 if faster >= BF16_GAIN else torch.float32


def _multiply_seconds(dtype: torch.dtype) -> float:
    left, right = torch.ones(512, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype)
    started = time.process_time()
    left @ right
    return time.process_time() - started
