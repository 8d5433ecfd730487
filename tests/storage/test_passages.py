from __future__ import annotations

import gc
import sqlite3
import threading
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.passages import PassageIndex

TEXTS = [
    "The mill at Hollow Ford burned down in the winter of 1731.",
    "Agnes Quill kept the ledgers of the harbour for forty years.",
    "In spring the herons return, and the ferryman raises his prices.",
    "The miller's daughter drew a map of the marsh.",
    "Nothing happens here.",
    "The bridge was paid for by a tax on salt.",
]


@pytest.fixture(scope="module")
def index() -> PassageIndex:
    return PassageIndex(TEXTS)


@pytest.mark.parametrize(
    ("question", "position"),
    [
        ("Who kept the ledgers of the harbour?", 1),
        ("When did the mill burn down?", 0),
        ("Which bird returns in spring: the heron?", 2),
        ("What did the miller's daughter draw?", 3),
        ("Who paid for the bridges?", 5),
        ("QUÍLL", 1),
        ("1731?", 0),
    ],
)
def test_the_passage_with_the_words_of_a_question_comes_first(
    index: PassageIndex, question: str, position: int
) -> None:
    assert index.best(question, 3)[0] == position


def test_a_rare_word_beats_a_common_one_and_all_words_beat_one() -> None:
    texts = ["heron heron", "lamp", "lamp", "lamp", "salt lamp", "mist", "fog", "rain", "hail"]
    index = PassageIndex(texts)
    assert index.best("the lamp or a heron", 1) == [0]
    assert index.best("salt lamp", 9) == [4, 1, 2, 3]


def test_the_words_that_only_ask_count_for_nothing_unless_there_are_no_others() -> None:
    index = PassageIndex(["what", "where where", "the lamp", "mist", "a lamp", "when", "fog"])
    assert index.best("What and where was the lamp?", 9) == [2, 4]
    assert index.best("Where was what?", 9) == [1, 0]


def test_equally_good_passages_come_in_the_order_of_the_text() -> None:
    index = PassageIndex(["mist", "lamp", "fog", "lamp", "lamp", "rain", "hail", "snow"])
    assert index.best("lamp", 5) == [1, 3, 4]
    assert index.best("lamp", 2) == [1, 3]


def test_what_no_word_matches_finds_nothing(index: PassageIndex) -> None:
    for question in ("zeppelin", "", "???", '"', '""', "*", "(", " - ", "\0", "\ud800"):
        assert index.best(question, 3) == []
    assert index.best("mill", 0) == []
    assert PassageIndex([]).best("mill", 3) == []
    assert PassageIndex(["", "…"]).best("mill", 3) == []


@pytest.mark.parametrize(
    "question",
    [
        'mill" OR "bridge',
        "mill NOT mill",
        "mill AND zeppelin",
        "NEAR(mill zeppelin)",
        "text : mill",
        "^mill + zeppelin",
        "{text}: mill*",
        "mill'; DROP TABLE passages; --",
        "mill\0zeppelin",
    ],
)
def test_no_query_language_gets_through(index: PassageIndex, question: str) -> None:
    assert 0 in index.best(question, len(TEXTS))


@given(st.text(), st.integers(1, 7))
def test_any_text_may_be_asked(index: PassageIndex, question: str, limit: int) -> None:
    found = index.best(question, limit)
    assert len(found) == len(set(found)) <= limit
    assert set(found) <= set(range(len(TEXTS)))


@given(st.lists(st.text(max_size=40), max_size=4))
def test_any_texts_may_be_passages(texts: list[str]) -> None:
    index = PassageIndex([*texts, "ombrath"])
    assert len(texts) in index.best("Ombrath", len(texts) + 1)


def test_a_very_long_question_may_be_asked(index: PassageIndex) -> None:
    assert index.best(" ".join(f"word{n}" for n in range(50_000)), 3) == []
    assert index.best("ledgers " + " ".join(f"word{n}" for n in range(50_000)), 3) == [1]
    assert index.best("ledgers " * 50_000, 3) == [1]


def test_unspaced_scripts_are_found_by_their_words() -> None:
    texts = [
        "红楼梦是曹雪芹写的小说。",
        "梦中的楼是红色的。",
        "东京の天気は晴れです。",
        "今日は雨。",
    ]
    index = PassageIndex(texts)
    assert index.best("谁写了红楼梦?", 1) == [0]
    assert index.best("东京の天気", 1) == [2]
    assert index.best("Привет", 1) == []


def test_accents_and_combining_marks_do_not_part_a_word() -> None:
    index = PassageIndex(["Zürich, Straße", "हिन्दी भाषा", "Cafe\u0301", "mist", "fog"])
    assert index.best("zurich", 5) == [0]
    assert index.best("STRASSE Straße", 5) == [0]
    assert index.best("हिन्दी", 5) == [1]
    assert index.best("Café", 5) == [2]


def test_any_thread_may_ask_and_gets_the_same() -> None:
    index = PassageIndex(TEXTS * 50)
    expected = index.best("Who kept the ledgers?", 20)
    answers: list[list[int]] = []

    def ask() -> None:
        for _ in range(20):
            answers.append(index.best("Who kept the ledgers?", 20))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 80


def test_an_index_that_is_dropped_closes_its_connection() -> None:
    index = PassageIndex(TEXTS)
    connection = index._connection
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del index
        gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
