"""Seconds, matrix products and peak memory, measured so that a busy machine does not decide.

On a CPU the seconds that count are the process's own, beside which the wall clock stands; on a GPU
they are the wall clock's, read after the device has finished.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import psutil
import torch

MIB = 2**20
_MMAP_THRESHOLD = -3
"""Number of glibc's `mallopt` option for the size from which memory goes back when it is freed."""


class Watch(Protocol):
    """Is told of every training step that ends."""

    def tick(self) -> None: ...


class Stopwatch:
    """Seconds between the end of step `warm` and the end of step `last`."""

    def __init__(self, device: torch.device, warm: int, last: int) -> None:
        self._device, self._ends, self._step = device, (warm, last), 0
        self.wall = self.cpu = 0.0

    def tick(self) -> None:
        """A step has ended."""
        self._step += 1
        if self._step not in self._ends:
            return
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        wall, cpu = time.perf_counter(), time.process_time()
        self.wall, self.cpu = wall - self.wall, cpu - self.cpu

    @property
    def seconds(self) -> float:
        """Those that count on this device."""
        return self.cpu if self._device.type == "cpu" else self.wall


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP per second of the best of several large products in `dtype`."""
    size, tries = (8192, 20) if device.type == "cuda" else (2048, 5)
    left = torch.randn(size, size, device=device).to(dtype)
    right = torch.randn(size, size, device=device).to(dtype)
    best = float("inf")
    for _ in range(tries):
        watch = Stopwatch(device, 1, 2)
        watch.tick()
        torch.matmul(left, right)
        watch.tick()
        best = min(best, watch.seconds)
    return 2.0 * size**3 / best


def peak_memory(device: torch.device, prepare: Callable[[], Callable[[], None]]) -> float | None:
    """MiB that `prepare()()` takes beyond what was there after `prepare()`.

    On a GPU what the allocator gave out. On Linux what is resident in a forked child, where freed
    blocks of 64 KiB and more go back at once: otherwise the heap's fragmentation is measured.
    None where neither can be had.
    """
    if device.type == "cuda":
        work = prepare()
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / MIB
    if not Path("/proc/self/clear_refs").exists():
        return None
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_resident, args=(prepare, there))
    child.start()
    there.close()
    try:
        return float(here.recv())
    except EOFError:
        return None
    finally:
        child.join()


def _resident(prepare: Callable[[], Callable[[], None]], answer: Connection) -> None:
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, 64 * 1024)
    work = prepare()
    gc.collect()
    libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = psutil.Process().memory_info().rss
    work()
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    answer.send((peak - before) / MIB)
    answer.close()
    os._exit(0)
