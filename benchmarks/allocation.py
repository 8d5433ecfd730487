"""Memory of a run on a CPU: what it allocates at its highest, and what stays resident.

What a run allocates on top of the base is its own tensors, and the peak above them of the optimizer
steps that hold the longest samples, from the allocator's events (`torch.profiler`). The peak of the
process's resident memory (VmHWM) also has in it what the C library keeps of freed memory.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import nullcontext
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from lift_chat.lift.train import TrainState, run_slice


def allocated(state: TrainState | None) -> int:
    """Bytes of the run's own tensors, and the peak above them of its largest steps: the one with
    the longest window, and the one with the longest sample of another sort."""
    if state is None:
        return 0
    owned = [*state.optimizer.parameters, *state.optimizer.state().values()]
    held = sum({t.data_ptr(): t.untyped_storage().nbytes() for t in owned}.values())
    longest: dict[bool, tuple[int, int]] = {}
    for step in range(state.total):
        for sample in (sample for unit in state.plan.units(step) for sample in unit):
            found = len(sample.ids), step
            longest[sample.is_text] = max(longest.get(sample.is_text, found), found)
    return held + max(_peak(state, step) for step in {step for _, step in longest.values()})


def _peak(state: TrainState, step: int) -> int:
    state.step = step
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        next(run_slice(state, nullcontext))
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def resident() -> int:
    """Resident bytes, after freed memory was given back; their peak is counted from here."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def resident_peak() -> int:
    """Bytes."""
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(line.split()[1])
