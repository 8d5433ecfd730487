"""`lift-chat eval` as it is typed, with the tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lift_chat.cli import run
from lift_chat.evaluation.questions import EvalDocument
from lift_chat.evaluation.tables import TABLES, table_of
from tests.cli.fakes import Desk

QUICKLY = (
    "quick=segment_tokens:64,stride_tokens:48,epochs:1,rank:8,alpha:16,study:none,"
    "segments:overlapping,exams:0,exam_questions:0"
)
Typed = tuple[int, str, str]


@pytest.fixture
def collection(lamp: EvalDocument, ship: EvalDocument, tmp_path: Path) -> Path:
    rows = []
    for document in (lamp, ship):
        asked = [
            {"question": question.question, "answers": question.answers}
            for question in document.questions
        ]
        rows.append({"title": document.title, "text": document.text, "questions": asked})
    path = tmp_path / "data" / "jsonl" / "two.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def evaluate(
    bare_environment: None,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Typed]:
    monkeypatch.setenv("LIFT_CHAT_DEVICE", "cpu")

    def typed(*arguments: str) -> Typed:
        capsys.readouterr()
        more = ["--base-model", str(tiny_folder), "--out", str(tmp_path / "out")]
        status = run(["eval", *arguments, *more], Desk(tmp_path / "home").program)
        return (status, *capsys.readouterr())

    return typed


def test_a_collection_is_measured_and_the_next_run_goes_on_from_there(
    evaluate: Callable[..., Typed], collection: Path, tmp_path: Path
) -> None:
    asked = ("--set", f"jsonl:{collection}", "--recipe", QUICKLY, "--windows", "closed")
    status, out, err = evaluate(*asked, "--answer-tokens", "4")
    assert status == 0
    for arm in ("base/closed", "quick/closed", "quick/wrong"):
        assert f"| {arm} | 2 | 4 |" in out
    assert "quick/closed − quick/wrong" in out
    assert "2/2 “The Gannet” quick" in err
    assert not (tmp_path / "home").exists()
    answers = (tmp_path / "out" / "answers.jsonl").read_text().splitlines()
    assert len(answers) == 6
    report = json.loads((tmp_path / "out" / "jsonl.json").read_text())
    assert len(report["lines"]) == 6
    assert (tmp_path / "out" / "jsonl.md").read_text() == out
    assert (tmp_path / "out" / "jsonl.svg").read_text().startswith("<svg")
    status, again, err = evaluate(*asked, "--answer-tokens", "4")
    assert (status, again) == (0, out)
    assert "absorbing" not in err


def test_the_report_can_be_printed_as_json(
    evaluate: Callable[..., Typed], collection: Path
) -> None:
    asked = (
        "--set",
        f"jsonl:{collection}",
        "--recipe",
        "base",
        "--windows",
        "closed",
        "--limit",
        "1",
    )
    status, out, _ = evaluate(*asked, "--no-nll", "--answer-tokens", "4", "--json")
    report = json.loads(out)
    assert status == 0
    assert [(arm["arm"], arm["documents"]) for arm in report["arms"]] == [("base/closed", 1)]
    assert "nll" not in report["arms"][0]["scores"]


def test_needles_are_hidden_in_any_text(evaluate: Callable[..., Typed], tmp_path: Path) -> None:
    hay = tmp_path / "hay.txt"
    hay.write_text(" ".join(f"The lamp of number {n} was put out." for n in range(40)))
    asked = ("--set", f"needle:{hay}", "--recipe", "base", "--windows", "closed,truncated")
    grid = ("--lengths", "200,300", "--depths", "0,100", "--answer-tokens", "4")
    status, out, _ = evaluate(*asked, *grid)
    assert status == 0
    assert "### Needles found: base/truncated" in out
    assert "| tokens | depth 0 % | depth 100 % |" in out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Name a collection with --set"),
        (("--table", "table9"), "There is no table 'table9'"),
        (("--set", "jsonl:x.jsonl", "--recipe", "g9"), "There is no recipe 'g9'"),
        (("--set", "jsonl:x.jsonl", "--windows", "open"), "There is no window 'open'"),
        (("--set", "needle:x.txt", "--depths", "half"), "not a list of numbers"),
        (("--set", "jsonl:/none.jsonl"), "neither a file nor a folder"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    evaluate: Callable[..., Typed], arguments: tuple[str, ...], problem: str
) -> None:
    status, out, err = evaluate(*arguments)
    assert status in (1, 2)
    assert problem in err
    assert out == ""


def test_every_table_names_recipes_and_windows_that_there_are() -> None:
    from lift_chat.evaluation.arms import check_windows
    from lift_chat.evaluation.recipes import recipes_of
    from lift_chat.evaluation.sets import READERS

    for name in TABLES:
        table = table_of(name)
        assert set(recipes_of(table.recipes)) == set(table.recipes)
        assert check_windows(table.windows) == table.windows
        assert table.collection in (*READERS, "needle")
        assert "ours" in table.recipes and "closed" in table.windows
        assert asdict(table)


def test_a_table_takes_its_collection_from_the_data_folder(
    evaluate: Callable[..., Typed], tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {"title": "Sable", "input": "Sable lit it.", "qa_pairs": "[{'Q': 'Who?', 'A': 'Sable'}]"}
    ]
    folder = tmp_path / "data" / "loogle"
    folder.mkdir(parents=True)
    (folder / "qa.jsonl").write_text(json.dumps(rows[0]))
    asked = ("--table", "loogle", "--data", str(tmp_path / "data"), "--recipe", "base")
    status, out, _ = evaluate(*asked, "--windows", "closed")
    assert status == 0
    assert "answers of at most 200, greedy" in out
