"""All memory comes back after a run, however it ended.

Counted are the bytes of all tensors that anything in the process still holds, weights of the base
left out. What autograd keeps is held by the tensors that it leads to, so it is alive only as long
as one of them is. On a device the same tensors are its allocated memory.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from lift_chat.errors import LiftChatError
from lift_chat.lift.losses import FrozenHead
from lift_chat.models.loading import LoadedModel
from lift_chat.service import LiftChat
from storage.records import LOCAL
from tests.conftest import STUDIED, facts

PATIENCE = 20.0


@pytest.fixture(autouse=True)
def no_chance_collection() -> Iterator[None]:
    """What lies in a cycle stays until somebody collects: no allocation by chance does it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


Kept = dict[int, tuple[int, str]]
"""By storage: its bytes, and what holds it."""


def kept(base: LoadedModel) -> Kept:
    """All tensors that are not the base's, each storage once."""
    own = [*base.model.parameters(), *base.model.buffers()]
    known = {tensor.untyped_storage().data_ptr() for tensor in own}
    found = {}
    for thing in gc.get_objects():
        if issubclass(type(thing), torch.Tensor) and not thing.is_meta:
            storage = thing.untyped_storage()
            what = f"{type(thing).__name__} {tuple(thing.shape)} {thing.dtype}"
            found[storage.data_ptr()] = storage.nbytes(), what
    return {place: one for place, one in found.items() if place not in known}


def alive(base: LoadedModel) -> int:
    """Bytes of all that is kept."""
    return bytes_of(kept(base))


def bytes_of(found: Kept) -> int:
    return sum(size for size, _ in found.values())


def what_stays(before: Kept, base: LoadedModel) -> list[str]:
    """Nothing, within some seconds: a job is over a moment before its worker has put it away."""
    deadline = time.monotonic() + PATIENCE
    while bytes_of(now := kept(base)) > bytes_of(before):
        if time.monotonic() > deadline:
            return [
                f"{size} bytes: {what}"
                for place, (size, what) in now.items()
                if before.get(place) != now[place]
            ]
        time.sleep(0.05)
    return []


def start(app: LiftChat, tale: Any, **changes: Any) -> tuple[Any, LoadedModel, Kept]:
    """A job about the tale that is at its steps, and what was alive before it began."""
    base = app.engine.base
    document = app.add_document(tale)
    config = STUDIED.with_changes(**changes)
    app.estimate(document.id, config)
    gc.collect()
    before = kept(base)
    text = app.library.document_text(document.id, LOCAL)
    app.library.set_study_items(document.id, LOCAL, facts(text))
    return app.absorb(document.id, config), base, before


def test_after_a_job_whose_adapter_nobody_keeps(app: LiftChat, tale: Any) -> None:
    """A new adapter is held for its first chat, until it is deleted."""
    handle, base, before = start(app, tale)
    app.delete_adapter(handle.wait(60).id)
    assert what_stays(before, base) == []


def test_after_a_cancelled_job(app: LiftChat, tale: Any) -> None:
    handle, base, before = start(app, tale, epochs=1000, exams=0)
    until(lambda: app.job(handle.id).job.step > 3)
    assert alive(base) > bytes_of(before)
    app.stop_job(handle.id, keep=False)
    until(lambda: app.job(handle.id).job.state == "cancelled")
    assert what_stays(before, base) == []


def test_after_memory_ran_out_in_the_middle_of_a_step(
    app: LiftChat, tale: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, reached = FrozenHead.distance, []

    def scarce(self: FrozenHead, hidden: torch.Tensor, *rest: Any) -> torch.Tensor:
        reached.append(alive(app.engine.base))
        if len(reached) > 3:
            raise torch.OutOfMemoryError("simulated")
        return plain(self, hidden, *rest)

    monkeypatch.setattr(FrozenHead, "distance", scarce)
    handle, base, before = start(app, tale)
    with pytest.raises(LiftChatError) as caught:
        handle.wait(60)
    assert caught.value.code == "out_of_memory"
    assert len(reached) > 3 and min(reached) > bytes_of(before)
    assert what_stays(before, base) == []


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)
