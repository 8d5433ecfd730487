"""The page where a device is lent: one click, one slice, and what is still needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from lift_chat.lift.recipe import LiftConfig
from tests.ui.conftest import in_loop
from tests.ui.fakes import SLICE_STEPS, FakeLiftChat
from ui.absorb_tab import AbsorbHandlers
from ui.app import build_app
from ui.slices import SliceHandlers
from ui.words import SLICES_OVER


@pytest.fixture
def lent(fake: FakeLiftChat) -> FakeLiftChat:
    fake.in_slices = True
    return fake


@pytest.fixture
def handlers(lent: FakeLiftChat) -> SliceHandlers:
    return SliceHandlers(cast(Any, lent))


@pytest.fixture
def job_id(lent: FakeLiftChat, note: Path) -> str:
    return lent.absorb(lent.add_document(note).id).id


def test_what_slices_a_document_needs_is_said_before_it_begins(
    lent: FakeLiftChat, note: Path
) -> None:
    document_id = lent.add_document(note).id
    *_, shown = AbsorbHandlers(cast(Any, lent)).estimate(document_id, "read", {}, [0, 1, 2])
    need = lent.slices_needed(document_id, LiftConfig.preset("read"))
    assert need.sentence() in shown


def test_a_click_absorbs_one_slice_and_says_what_is_still_needed(
    handlers: SliceHandlers, lent: FakeLiftChat, job_id: str
) -> None:
    first, *_, last = list(handlers.take(job_id))
    assert first[1] == gr.update(interactive=False)
    assert lent.job(job_id).job.step == SLICE_STEPS
    left = lent.slices_left(job_id)
    assert left is not None and left.slices == 2 and left.sentence() in last[2]
    assert last[1] == gr.update(interactive=True, visible=True)


def test_after_the_last_slice_there_is_no_further_one(
    handlers: SliceHandlers, lent: FakeLiftChat, job_id: str
) -> None:
    for _ in range(3):
        *_, last = list(handlers.take(job_id))
    assert lent.job(job_id).job.state == "done"
    assert SLICES_OVER in last[2] and last[1]["visible"] is False
    assert handlers.show(job_id)[0]["visible"] is False


def test_a_slice_that_fails_leaves_the_button_for_another_try(
    handlers: SliceHandlers, lent: FakeLiftChat, job_id: str
) -> None:
    lent.advance(job_id)
    told = handlers.take(job_id)
    next(told)
    assert next(told)[1] == gr.update(interactive=True)
    with pytest.raises(gr.Error, match="does not wait"):
        next(told)


def test_only_a_run_that_waits_shows_the_button(
    handlers: SliceHandlers, lent: FakeLiftChat, job_id: str
) -> None:
    assert handlers.show(job_id)[0]["visible"] is True
    lent.advance(job_id)
    assert handlers.show(job_id)[0]["visible"] is False
    assert handlers.show("")[0]["visible"] is False


def test_only_where_a_device_is_lent_does_the_page_absorb_in_its_own_events(
    lent: FakeLiftChat,
) -> None:
    def taking() -> list[str]:
        app = in_loop(lambda: build_app(cast(Any, lent)))
        return [fn.name for fn in app.fns.values() if fn.name == "take"]

    assert len(taking()) == 2, "the click that begins a run, and the one for the next slice"
    lent.in_slices = False
    assert taking() == []
