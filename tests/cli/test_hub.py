from __future__ import annotations

import io
from pathlib import Path

import pytest

from storage.library import Library
from storage.records import LOCAL, Adapter
from tests.cli.conftest import Type
from tests.cli.fakes import Desk

PUBLIC = ("push", "tale", "--repo", "me/tale", "--public")


@pytest.fixture
def adapter(type_in: Type, tale: Path, desk: Desk) -> Adapter:
    type_in("absorb", str(tale), "--wait")
    with Library.read_only(desk.home) as library:
        return library.adapters(LOCAL)[0]


@pytest.mark.usefixtures("adapter")
def test_a_push_is_private_and_says_where_it_is(type_in: Type) -> None:
    outcome = type_in("push", "tale", "--repo", "me/tale")
    assert "is at https://hub.example/me/tale, for you alone." in outcome.out
    assert type_in("push", "tale", "--repo", "me/tale", "--json").json["private"] is True


@pytest.mark.usefixtures("adapter")
def test_publishing_is_asked_about_with_what_is_given_away(
    type_in: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\nn\n"))
    agreed = type_in(*PUBLIC)
    assert "It recites everything." in agreed.err and "for everybody" in agreed.out
    refused = type_in(*PUBLIC)
    assert refused.status == 1 and not refused.out.strip()
    assert "Nothing was published." in refused.err
    assert "for everybody" in type_in(*PUBLIC, "--yes").out


def test_what_is_pulled_says_where_it_came_from(type_in: Type) -> None:
    assert "from hub:you/sea@newest" in type_in("pull", "you/sea").out
    told = type_in("pull", "you/sea", "--revision", "abc", "--json").json
    assert told["origin"] == "hub:you/sea@abc"


def test_a_token_is_asked_for_and_used_for_one_call(
    type_in: Type, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: "hf_canary")
    outcome = type_in("pull", "you/sea", "--ask-token")
    assert desk.services[-1].tokens == ["hf_canary"]
    assert "hf_canary" not in outcome.out + outcome.err
    type_in("pull", "you/sea")
    assert desk.services[-1].tokens == [None]
