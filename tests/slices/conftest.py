"""An app whose device is lent by a fake ZeroGPU, for so many turns at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from lift_chat import LiftChat
from lift_chat.settings import Settings
from lift_chat.slices import absorbing
from lift_chat.slices.work import forward
from tests.slices.fake_spaces import Spaces


@pytest.fixture(params=[True, False], ids=["same process", "fresh process"])
def reuses(request: pytest.FixtureRequest) -> bool:
    """Whether a process is used for several calls, as it is where a Space is busy."""
    return bool(request.param)


@pytest.fixture
def spaces() -> Iterator[Spaces]:
    made = Spaces()
    yield made
    made.close()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds of a slice are one turn of the device, whatever time that takes."""

    def counted(*args: Any) -> Any:
        clock: Callable[[], float] = partial(next, itertools.count(0.0))
        return forward(*args, clock=clock)

    monkeypatch.setattr(absorbing, "forward", counted)


@pytest.fixture
def lent(settings: Settings, spaces: Spaces) -> Iterator[LiftChat]:
    """As on a ZeroGPU Space, with slices of some fifty turns."""
    settings = settings.model_copy(update={"slice_seconds": 110.0})
    with LiftChat.open(settings=settings, lend=spaces.GPU) as app:
        yield app
