from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.library import Library
from tests.storage.workbench import ALICE, BOB, absorb, add_document, publish


@pytest.mark.parametrize(
    "query",
    ["harbour", "HARB", "quist", "ninth marrow", "chapter.pdf", "title quist", "harbour-master"],
)
def test_a_document_is_found_by_title_author_name_and_headings(
    library: Library, query: str
) -> None:
    wanted = add_document(library, "harbour-master", name="chapter.pdf")
    assert library.documents(ALICE, query) == [wanted]
    assert library.documents(BOB, query) == []


def test_all_words_must_occur(library: Library) -> None:
    add_document(library, "harbour")
    assert library.documents(ALICE, "harbour nowhere") == []


def test_accents_do_not_matter(library: Library) -> None:
    document = add_document(library, name="Café Zürich.txt")
    for query in ("cafe", "zurich", "CAFÉ", "Cafe\u0301"):
        assert library.documents(ALICE, query) == [document]


def test_unspaced_scripts_are_found_from_the_middle(library: Library) -> None:
    document = add_document(library, name="红楼梦第一回.txt")
    for query in ("楼梦", "第", "红楼梦"):
        assert library.documents(ALICE, query) == [document]
    assert library.documents(ALICE, "梦楼") == []


def test_an_adapter_is_found_by_its_own_words_and_its_document(library: Library) -> None:
    adapter = absorb(library, "harbour", name="Storm")
    library.update_adapter(adapter.id, ALICE, tags=["lighthouse"], note="read twice")
    changed = library.adapter(adapter.id, ALICE)
    for query in ("storm", "light", "twice", "harbour", "quist", "marrow"):
        assert library.adapters(ALICE, query) == [changed]
    library.update_adapter(adapter.id, ALICE, name="Calm", tags=[])
    assert library.adapters(ALICE, "storm") == []
    assert library.adapters(ALICE, "lighthouse") == []
    assert len(library.adapters(ALICE, "calm")) == 1
    library.delete_document(adapter.document_id, ALICE)
    assert len(library.adapters(ALICE, "harbour")) == 1


def test_what_is_deleted_is_not_found(library: Library) -> None:
    adapter = publish(library, name="Storm")
    library.delete_adapter(adapter.id, ALICE)
    again = publish(library, name="Calm")
    assert library.adapters(ALICE, "storm") == []
    assert library.adapters(ALICE, "calm") == [again]


@pytest.mark.parametrize("query", ["", "  ", "*", '"', '""', "???", "\0", "-", "()", "'"])
def test_a_query_without_words_filters_nothing(library: Library, query: str) -> None:
    document, adapter = add_document(library), publish(library)
    assert library.documents(ALICE, query) == [document]
    assert library.adapters(ALICE, query) == [adapter]


@pytest.mark.parametrize(
    "query",
    [
        '"lamp',
        "lamp*",
        "lamp AND",
        "AND OR NOT",
        "NEAR(lamp lit)",
        "title:lamp",
        "name : lamp",
        "{name title}: lamp",
        "^lamp",
        "lamp + lit",
        "a'b; DROP TABLE jobs; --",
        "lamp\0lit",
        "\ud800lamp",
        "(" * 1000 + "lamp",
        "lamp " * 10_000,
        "x" * 100_000,
    ],
)
def test_a_hostile_query_is_only_words(library: Library, query: str) -> None:
    add_document(library)
    publish(library)
    assert isinstance(library.documents(ALICE, query), list)
    assert isinstance(library.adapters(ALICE, query), list)
    assert len(library.adapters(ALICE)) == 1


def test_operators_are_ordinary_words(library: Library) -> None:
    document = add_document(library, name="war AND peace.txt")
    add_document(library, "other", name="war peace.txt")
    assert library.documents(ALICE, "war AND peace") == [document]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=40))
def test_no_text_breaks_the_search(library: Library, query: str) -> None:
    assert isinstance(library.documents(ALICE, query), list)
