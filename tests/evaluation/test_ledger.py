"""What is finished stays finished, whatever happened to the file's end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lift_chat.evaluation.ledger import Ledger, key_of


def test_a_line_is_there_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.jsonl"
    ledger = Ledger(path)
    assert "a" not in ledger
    ledger.append({"key": "a", "answer": "Sable — “Quist”\n"})
    again = Ledger(path)
    assert again["a"] == ledger["a"] == {"key": "a", "answer": "Sable — “Quist”\n"}


@pytest.mark.parametrize(
    "torn", ['{"key": "b", "ans', '{"key": "b"}\n{"key', "\x00\x00", '"b"', "7"]
)
def test_a_half_line_is_no_line_and_spoils_none(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "answers.jsonl"
    Ledger(path).append({"key": "a"})
    with path.open("a") as file:
        file.write(torn)
    ledger = Ledger(path)
    ledger.append({"key": "c"})
    again = Ledger(path)
    assert "a" in again and "c" in again
    assert ("b" in again) is torn.startswith('{"key": "b"}')


def test_a_number_that_is_none_is_null(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    Ledger(path).append({"key": "a", "scores": [{"nll": float("nan"), "f1": 0.5}]})
    assert json.loads(path.read_text())["scores"] == [{"nll": None, "f1": 0.5}]
    assert Ledger(path)["a"]["scores"][0]["nll"] is None


def test_a_key_follows_from_every_fact() -> None:
    facts = {"base": "x", "config": {"epochs": 3}}
    assert key_of(facts) == key_of({"config": {"epochs": 3}, "base": "x"})
    assert key_of(facts) != key_of({**facts, "config": {"epochs": 4}})
