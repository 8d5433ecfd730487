"""A decoder's way forward and backward as CUDA graphs, for one shape of its input.

A small batch is over sooner than its some thousand kernels are launched one by one; replayed, they
are launched at once. A graph repeats what was captured, at the same addresses: weights may change,
but in place. Everything here is called by the thread that has its turn of the device. Knows
nothing of adapters, losses or steps.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import torch

SLACK = 1.5
"""A device that took so many times as long as the launching of its kernels does not wait for
launches, and a graph brings it next to nothing."""


@dataclass(frozen=True)
class Way:
    """`decode` makes hidden states (batch, tokens, hidden) of ids (batch, tokens); gradients of
    `weights` are added to `sums`, which lie in memory of their own."""

    decode: Callable[[torch.Tensor], torch.Tensor]
    weights: list[torch.Tensor]
    sums: list[torch.Tensor]

    def back(self, hidden: torch.Tensor, gradient: torch.Tensor) -> None:
        grads = torch.autograd.grad(hidden, self.weights, gradient)
        torch._foreach_add_(self.sums, list(grads))


class Pair(Protocol):
    """The way forward and backward of one shape."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Hidden states, valid until the next call of any pair."""
        ...

    def backward(self, gradient: torch.Tensor) -> None:
        """Adds the gradients of what the last `forward` read to where they are summed up."""
        ...


class Sight(Protocol):
    """What was seen of one pass forward."""

    @property
    def kept(self) -> int:
        """Bytes that it kept for going backward."""
        ...

    def waits(self) -> bool:
        """Whether the device waited for its kernels to be launched; asked when it is over."""
        ...


class Graphs(Protocol):
    """Captures pairs, which share their memory."""

    def watch(self, work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, Sight]: ...

    def room(self) -> int:
        """Bytes that could be had for activations, those of the pairs included."""
        ...

    def capture(self, way: Way, ids: torch.Tensor) -> Pair:
        """A pass of the shape of `ids` went before, forward and backward, in this thread. Adds
        nothing to the sums. Raises RuntimeError."""
        ...

    def drop(self) -> None:
        """Gives the memory back; no pair may be used any more."""
        ...


class CudaGraphs:
    """`Graphs` of the current CUDA device."""

    def __init__(self) -> None:
        self._taken: list[torch.cuda.CUDAGraph] = []
        self._pool: Any = None

    def watch(self, work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, Sight]:
        start, end = _event(), _event()
        before, began = torch.cuda.memory_allocated(), time.perf_counter()
        start.record()
        hidden = work()
        end.record()
        seconds = time.perf_counter() - began
        return hidden, _Seen(torch.cuda.memory_allocated() - before, seconds, start, end)

    def room(self) -> int:
        cached = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return int(torch.cuda.mem_get_info()[0]) + cached

    def capture(self, way: Way, ids: torch.Tensor) -> Pair:
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
            self._warm(way, ids)
        # The pool cannot use what eager passes left in the cache.
        torch.cuda.current_stream().synchronize()
        torch.cuda.empty_cache()
        with _no_collecting():
            pair = _Captured(self._record, way, ids)
        pair.try_out()
        return pair

    def drop(self) -> None:
        if self._pool is None:
            return
        torch.cuda.current_stream().synchronize()
        for graph in self._taken:
            graph.reset()
        self._taken.clear()
        self._pool = None

    def _warm(self, way: Way, ids: torch.Tensor) -> None:
        """Does all of it once where it will be captured: what is loaded or set aside for a kernel
        at its first call cannot be while one is captured."""
        current, side = torch.cuda.current_stream(), _side_stream(ids.device)
        side.wait_stream(current)
        with torch.cuda.stream(side):
            hidden = way.decode(ids)
            way.back(hidden, torch.zeros_like(hidden))
        current.wait_stream(side)

    def _record(self, work: Callable[[], None]) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        stream = _side_stream(torch.device("cuda", torch.cuda.current_device()))
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            # Other threads may load an adapter meanwhile: only this one must do nothing that
            # cannot be captured.
            try:
                graph.capture_begin(self._pool, capture_error_mode="thread_local")
                work()
            except BaseException:
                with suppress(RuntimeError):
                    self._end(graph)
                raise
            self._end(graph)
        self._taken.append(graph)
        return graph

    def _end(self, graph: torch.cuda.CUDAGraph) -> None:
        try:
            graph.capture_end()
        except RuntimeError:
            # One that became invalid leaves the allocator as if it still went on; elsewhere the
            # first call fails, and the graph itself lets go of the pool.
            device = torch.cuda.current_device()
            with suppress(RuntimeError):
                torch._C._cuda_endAllocateToPool(device, self._pool)
                torch._C._cuda_releasePool(device, self._pool)
            raise


@dataclass(frozen=True)
class _Seen:
    kept: int
    launching: float
    start: torch.cuda.Event
    end: torch.cuda.Event

    def waits(self) -> bool:
        self.end.synchronize()
        taken = float(self.start.elapsed_time(self.end)) / 1000
        return taken < SLACK * self.launching


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


class _Captured:
    """A `Pair` of CUDA graphs. What the pass keeps for going backward, and the gradients, lie in
    memory that all pairs share: nothing of it is used after `backward`."""

    def __init__(
        self,
        record: Callable[[Callable[[], None]], torch.cuda.CUDAGraph],
        way: Way,
        ids: torch.Tensor,
    ) -> None:
        self._ids = ids.clone()
        found: list[torch.Tensor] = []
        self._forward = record(lambda: found.append(way.decode(self._ids)))
        hidden = found.pop()
        self._hidden = hidden.detach()
        self._gradient = torch.zeros_like(self._hidden)

        self._backward = record(lambda: way.back(hidden, self._gradient))

    def try_out(self) -> None:
        """Replays both with a gradient of 0: a device loads a graph when it is first launched, and
        may have no memory for it."""
        self._forward.replay()
        self._backward.replay()
        torch.cuda.current_stream().synchronize()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        self._ids.copy_(ids)
        self._forward.replay()
        return self._hidden.detach()

    def backward(self, gradient: torch.Tensor) -> None:
        self._gradient.copy_(gradient)
        self._backward.replay()


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all runs: matrix products keep some memory for each stream that they ever ran on."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def _no_collecting() -> Iterator[None]:
    """A graph that is thrown away while another one is captured makes it invalid."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
