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


def test_only_adapters_can_be_shared(share: ShareHandlers, picked: tuple[str, str]) -> None:
    assert share.show(picked)[BOX]["visible"] is True
    assert share.show(("document", "any"))[BOX]["visible"] is False
    assert share.show(("", ""))[BOX]["visible"] is False


def test_an_export_is_named_after_the_adapter_in_a_folder_nobody_guesses(
    share: ShareHandlers, picked: tuple[str, str]
) -> None:
    first, second = (Path(share.export(picked, True)["value"]) for _ in range(2))
    assert first.name == "A-Note.zip" and first.read_text() == "A Note True"
    assert first.is_relative_to(get_upload_folder()) and first.parent != second.parent


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
    arrivals: ArrivalHandlers, fake: FakeLiftChat, tmp_path: Path
) -> None:
    (tmp_path / "sea <b>.zip").write_text("sea")
    arrivals.take_in(str(tmp_path / "sea <b>.zip"))
    assert arrivals.pull(" you/tale ", " v2 ") == ("", "")
    pulled, dropped = fake.adapters()
    assert "you/tale on the Hub, version v2" in cards.adapter_details(pulled, "", "")
    assert "the file sea &lt;b&gt;.zip" in cards.adapter_details(dropped, "", "")


def test_a_refused_file_leaves_the_drop_zone_free(
    arrivals: ArrivalHandlers, fake: FakeLiftChat, tmp_path: Path
) -> None:
    (tmp_path / "bad.zip").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"^bad\.zip is no export"):
        arrivals.take_in(str(tmp_path / "bad.zip"))
    assert fake.adapters() == []
