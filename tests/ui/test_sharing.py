"""Adapters leave the library and come into it on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from gradio.utils import get_upload_folder

from tests.ui.fakes import LEAK, FakeLiftChat
from tests.ui.test_library import absorbed
from ui import cards
from ui.arrivals import ArrivalHandlers
from ui.share_box import ShareHandlers

BOX, DOCUMENT, FILE, CONFIRM, RESULT = range(5)


@pytest.fixture
def share(fake: FakeLiftChat) -> ShareHandlers:
    return ShareHandlers(cast(Any, fake))


@pytest.fixture
def arrivals(fake: FakeLiftChat) -> ArrivalHandlers:
    return ArrivalHandlers(cast(Any, fake))


@pytest.fixture
def picked(fake: FakeLiftChat, note: Path) -> tuple[str, str]:
    return "adapter", absorbed(fake, note)


def upload(name: str, data: bytes) -> str:
    """Where Gradio puts what was dropped on the page."""
    folder = Path(get_upload_folder()) / "dropped"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return str(folder / name)


def test_only_adapters_can_be_shared(share: ShareHandlers, picked: tuple[str, str]) -> None:
    assert share.show(picked)[BOX]["visible"] is True
    assert share.show(("document", "any"))[BOX]["visible"] is False
    assert share.show(("", ""))[BOX]["visible"] is False


def test_an_export_is_named_after_the_adapter_and_lies_where_gradio_serves_it(
    share: ShareHandlers, picked: tuple[str, str]
) -> None:
    file = Path(share.export(picked, True)["value"])
    assert file.name == "A-Note.zip" and file.read_text() == "A Note True"
    assert file.is_relative_to(get_upload_folder())


def test_a_push_is_private_unless_asked_otherwise(
    share: ShareHandlers, fake: FakeLiftChat, picked: tuple[str, str]
) -> None:
    confirm, _, result = share.push(picked, " me/note ", False)
    assert confirm["visible"] is False
    assert 'href="https://hub.example/me/note"' in result and "for you alone" in result
    assert fake.pushed == {"me/note": False}


def test_publishing_is_asked_about_with_what_is_given_away(
    share: ShareHandlers, fake: FakeLiftChat, picked: tuple[str, str]
) -> None:
    confirm, warning, result = share.push(picked, "me/note", True)
    assert confirm["visible"] is True and LEAK.sentence() in warning and result == ""
    assert fake.pushed == {}
    confirm, warning, result = share.publish(picked, "me/note")
    assert confirm["visible"] is False and warning == "" and "for everybody" in result
    assert fake.pushed == {"me/note": True}


def test_another_choice_takes_question_file_and_result_away(
    share: ShareHandlers, picked: tuple[str, str]
) -> None:
    view = share.show(picked)
    assert view[CONFIRM]["visible"] is False and view[RESULT] == ""
    assert view[FILE]["value"] is None and view[DOCUMENT]["value"] is False


def test_what_arrives_says_where_it_came_from(
    arrivals: ArrivalHandlers, fake: FakeLiftChat
) -> None:
    arrivals.take_in(upload("sea <b>.zip", b"sea"))
    assert arrivals.pull(" you/tale ", " v2 ") == ("", "")
    pulled, dropped = fake.adapters()
    assert "you/tale on the Hub, version v2" in cards.adapter_details(pulled, "", "")
    assert "the file sea &lt;b&gt;.zip" in cards.adapter_details(dropped, "", "")


def test_a_refused_file_leaves_the_drop_zone_free(
    arrivals: ArrivalHandlers, fake: FakeLiftChat
) -> None:
    with pytest.warns(UserWarning, match=r"^bad\.zip is no export"):
        arrivals.take_in(upload("bad.zip", b""))
    assert fake.adapters() == []
