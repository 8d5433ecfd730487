from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from lift_chat.commands.naming import find
from lift_chat.errors import NotFound
from storage.library import Library
from storage.records import LOCAL, Adapter, StudyItem
from tests.cli.conftest import Type
from tests.cli.fakes import Desk, publish
from tests.ui.numbers import METRICS


@pytest.fixture
def adapter(type_in: Type, tale: Path, desk: Desk) -> Adapter:
    type_in("absorb", str(tale), "--wait")
    with Library.read_only(desk.home) as library:
        return library.adapters(LOCAL)[0]


def test_without_a_library_there_are_no_adapters(type_in: Type, desk: Desk) -> None:
    assert type_in("library", "list", "--json").json == []
    assert type_in("library").status == 0
    assert not desk.home.exists()


def test_what_changes_a_library_does_not_make_one(type_in: Type, desk: Desk) -> None:
    outcome = type_in("library", "rm", "tale")
    assert (outcome.status, outcome.err) == (1, f"There is no library in {desk.home}.\n")
    assert not desk.home.exists()


def test_list_searches_words_and_tags(type_in: Type, adapter: Adapter) -> None:
    type_in("library", "tag", "tale", "fiction", "sea")
    assert adapter.id in type_in("library", "list", "tale").out
    assert [a["id"] for a in type_in("library", "--tag", "sea", "--json").json] == [adapter.id]
    assert "Nothing fits." in type_in("library", "list", "--tag", "law").out


def test_show_says_what_was_learned(type_in: Type, adapter: Adapter) -> None:
    shown = type_in("library", "show", "tale").out
    assert "3.50 before, 0.50 after" in shown
    assert f"segment_tokens={adapter.recipe['segment_tokens']}" in shown


def test_show_tells_the_exam_and_what_goes_with_it(
    type_in: Type, adapter: Adapter, desk: Desk
) -> None:
    with Library.open(desk.home) as library:
        job = library.add_job(
            adapter.document_id, owner=LOCAL, name="Lamp", recipe={"seed": 1}, base_model="tiny"
        )
        library.claim_next_job()
        publish(library, library.job(job.id, LOCAL), METRICS)
    shown = type_in("library", "show", "lamp").out
    for told in (
        "Exam:          12 % before, 34 % now.",
        "With excerpts: 24 % before, 42 % now.",
        "Control:       13 % with another document's adapter “The Lathrin Survey”.",
        "Absorption:    Learned 43 % of what having the passage open gives.",
        "a quiz fell by 12 points. Loss on an unrelated text",
        "96 written, 71 kept.",
    ):
        assert told in shown
    assert "memory_map" not in shown and "{" not in shown
    assert "Exam" not in type_in("library", "show", "tale").out


def test_cards_are_written_for_anki(
    type_in: Type, adapter: Adapter, desk: Desk, tmp_path: Path
) -> None:
    out = tmp_path / "cards.csv"
    empty = type_in("library", "cards", "tale.txt", "--out", str(out))
    assert (empty.status, empty.err) == (1, "There are no study questions about “Tale” yet.\n")
    assert not out.exists()
    with Library.open(desk.home) as library:
        library.set_study_items(
            adapter.document_id, LOCAL, [StudyItem("Who lit it?", "Sable Quist", 0, 9)]
        )
    made = type_in("library", "cards", "tale.txt", "--out", str(out))
    assert (made.status, made.out) == (0, f"1 flashcard in {out}.\n")
    written = out.read_text(encoding="utf-8")
    assert "#deck:Tale\n" in written and '"Who lit it?","Sable Quist"' in written
    nowhere = tmp_path / "nowhere" / "cards.csv"
    assert type_in("library", "cards", "tale.txt", "--out", str(nowhere)).status == 2


def test_rename_and_tag_change_the_row_only(type_in: Type, adapter: Adapter, desk: Desk) -> None:
    assert type_in("library", "rename", "tale", "The Lamp").out == "“Tale” is now “The Lamp”.\n"
    assert type_in("library", "tag", "the lamp", "sea").out == "“The Lamp”: sea.\n"
    assert type_in("library", "tag", "the lamp").out == "“The Lamp”: no tags.\n"
    assert type_in("library", "verify").status == 0


def test_rm_frees_the_adapter_and_the_document_only_when_asked(
    type_in: Type, adapter: Adapter, tale: Path, desk: Desk
) -> None:
    assert "freed" in type_in("library", "rm", adapter.id).out
    with Library.read_only(desk.home) as library:
        assert library.adapters(LOCAL) == []
        assert len(library.documents(LOCAL)) == 1
    type_in("absorb", str(tale), "--wait")
    type_in("library", "rm", "tale", "--document")
    with Library.read_only(desk.home) as library:
        assert library.documents(LOCAL) == []


def test_verify_names_a_changed_file(type_in: Type, adapter: Adapter, desk: Desk) -> None:
    path = desk.home / "adapters" / adapter.id / "adapter_model.safetensors"
    path.chmod(0o600)
    path.write_bytes(b"w3ights")
    outcome = type_in("library", "verify")
    assert outcome.status == 1
    assert "adapter_model.safetensors" in outcome.err
    assert type_in("library", "verify", "--json").json[0]["problem"]


def test_repair_brings_back_an_adapter_whose_row_is_lost(
    type_in: Type, adapter: Adapter, desk: Desk
) -> None:
    (desk.home / "library.sqlite").write_bytes(b"not a database at all")
    assert type_in("library", "list").status == 1
    assert type_in("library", "repair").status == 0
    assert type_in("library", "list", "--json").json[0]["id"] == adapter.id


def test_du_and_path(type_in: Type, adapter: Adapter, desk: Desk) -> None:
    usage = type_in("library", "du", "--json").json
    assert usage["total"] >= usage["adapters"] > 0
    assert "Free" in type_in("library", "du").out
    assert type_in("library", "path").out == f"{desk.home}\n"


def test_a_name_from_a_document_cannot_steer_the_terminal(
    type_in: Type, adapter: Adapter, desk: Desk
) -> None:
    type_in("library", "rename", "tale", "\x1b[2J\x9b31mTale\x07")
    for command in ("list", "show"):
        shown = type_in("library", command, *((adapter.id,) if command == "show" else ())).out
        assert "Tale" in shown
        assert not {"\x1b", "\x9b", "\x07"} & set(shown)


def test_columns_line_up_under_wide_letters(type_in: Type, adapter: Adapter) -> None:
    type_in("library", "tag", "tale", "海")
    header, row = type_in("library", "list").out.splitlines()
    # 海 takes two columns, so the name starts one letter earlier in the row.
    assert header.index("NAME") - 1 == row.index("Tale")


@dataclass(frozen=True)
class _Named:
    id: str
    name: str


def test_an_id_wins_over_the_start_of_one_and_that_over_a_name() -> None:
    named = [_Named("01AB", "x"), _Named("01ABC", "02"), _Named("02Z", "01ab")]
    assert find(named, "01ab", "job").id == "01AB"
    assert find(named, "01abc", "job").id == "01ABC"
    assert find(named, "02", "job").id == "02Z"
    assert find(named, " X ", "job").id == "01AB"


@pytest.mark.parametrize("text", ["01", "twin", "", "  ", "nothing"])
def test_what_is_not_one_entry_is_refused(text: str) -> None:
    named = [_Named("01AB", "twin"), _Named("01AC", "Twin")]
    with pytest.raises(NotFound):
        find(named, text, "adapter")
