"""Keeping the library, on the page of a Space whose disk does not last."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from lift_chat.errors import HubRefused
from tests.ui.conftest import in_loop
from tests.ui.fakes import FakeLiftChat
from tests.ui.space import space_environment
from tests.ui.test_library import absorbed
from tests.ui.test_matrix import pytestmark
from ui.app import build_app
from ui.keeping import KeepHandlers
from ui.words import NOT_KEPT_UP

__all__ = ["pytestmark"]

BOX, LINE, KEEP = range(3)


@pytest.fixture
def handlers(fake: FakeLiftChat) -> KeepHandlers:
    return KeepHandlers(cast(Any, fake))


def boxes(app: gr.Blocks) -> list[str]:
    return [str(block.elem_id) for block in app.blocks.values() if block.elem_id == "keeping"]


def test_the_box_is_there_only_where_the_disk_does_not_last(tmp_path: Path) -> None:
    def built() -> gr.Blocks:
        return in_loop(lambda: build_app(cast(Any, FakeLiftChat())))

    assert boxes(built()) == []
    with space_environment(tmp_path / "gradio", "http://127.0.0.1:9") as patch:
        patch.setattr("lift_chat.hosting.DISK", tmp_path / "none")
        assert boxes(built()) == ["keeping"]
        patch.setattr("lift_chat.hosting.DISK", tmp_path)
        assert boxes(built()) == []


def test_keeping_is_offered_and_then_goes_on_by_itself(
    handlers: KeepHandlers, fake: FakeLiftChat, note: Path
) -> None:
    absorbed(fake, note)
    offered = handlers.welcome()
    assert offered[BOX]["visible"] is True and offered[KEEP]["visible"] is True
    assert handlers.tick() == gr.skip()
    kept = handlers.keep()
    assert "me/lift-chat-library" in kept[LINE] and "1 adapter" in kept[LINE]
    assert kept[KEEP]["visible"] is False
    assert handlers.tick() == gr.skip()
    note.write_text("Another one.")
    absorbed(fake, note)
    assert "2 adapters" in handlers.tick()[LINE]


def test_a_hub_that_is_not_there_is_said_and_the_page_still_opens(
    handlers: KeepHandlers, fake: FakeLiftChat
) -> None:
    fake.fail_with = HubRefused("The Hub itself is in trouble.")
    with pytest.warns(UserWarning, match="in trouble"):
        assert handlers.welcome()[BOX]["visible"] is True


def test_what_could_not_be_kept_is_said_once_and_offered_again(
    handlers: KeepHandlers, fake: FakeLiftChat, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers.keep()
    absorbed(fake, note)

    def refuse(**_: object) -> None:
        raise HubRefused("The Hub itself is in trouble.")

    monkeypatch.setattr(fake, "keep_library", refuse)
    with pytest.warns(UserWarning, match="in trouble"):
        told = handlers.tick()
    assert NOT_KEPT_UP in told[LINE] and told[KEEP]["visible"] is True
