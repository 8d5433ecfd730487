from __future__ import annotations

from pathlib import Path

import pytest

from storage.library import Library
from storage.records import LOCAL, Adapter
from tests.cli.conftest import Type
from tests.cli.fakes import Desk


@pytest.fixture
def adapter(type_in: Type, tale: Path, desk: Desk) -> Adapter:
    type_in("absorb", str(tale), "--wait")
    with Library.read_only(desk.home) as library:
        return library.adapters(LOCAL)[0]


def test_what_is_imported_says_where_it_came_from(type_in: Type, desk: Desk) -> None:
    assert "from file:sea.zip" in type_in("import", "sea.zip").out
    told = type_in("import", "sea.zip", "--json").json
    assert (told["name"], told["origin"]) == ("Arrived", "file:sea.zip")


def test_an_export_names_its_file_and_size(type_in: Type, adapter: Adapter, tmp_path: Path) -> None:
    target = tmp_path / "tale.zip"
    outcome = type_in("export", "tale", str(target), "--document")
    assert f"is in {target} (31 B)" in outcome.out
    assert target.read_text() == f"{adapter.id} True"


def test_an_export_for_vllm_prints_how_it_is_served(
    type_in: Type, adapter: Adapter, tmp_path: Path
) -> None:
    outcome = type_in("export", "tale", str(tmp_path / "served"), "--vllm")
    assert outcome.out.splitlines() == [f"vllm serve {tmp_path / 'served'}", "curl it"]
    refused = type_in("export", "tale", str(tmp_path / "both"), "--vllm", "--document")
    assert refused.status == 1 and "--document" in refused.err
