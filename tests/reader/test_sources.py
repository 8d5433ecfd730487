from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lift_chat.errors import InvalidConfig, UnreadableDocument
from lift_chat.reader.lessons import Asked, Section
from lift_chat.reader.sources import read_fairytaleqa, read_jsonl, title_of
from tests.reader.conftest import DOCUMENTS

GOOD = asdict(DOCUMENTS[0])


def lines(path: Path, *rows: Any) -> Path:
    text = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def test_documents_come_out_of_jsonl_as_they_were_put_in(tmp_path: Path) -> None:
    path = lines(tmp_path / "tales.jsonl", *(asdict(document) for document in DOCUMENTS))
    assert read_jsonl(path) == DOCUMENTS


def test_a_section_needs_no_questions_and_blank_lines_are_nothing(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", "", {"title": "T", "sections": [{"text": "One."}]}, " ")
    (document,) = read_jsonl(path)
    assert document.sections == (Section("One.", ()),)


def changed(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


@pytest.mark.parametrize(
    "row",
    [
        "{",
        "7",
        "[]",
        "null",
        {"sections": []},
        {"title": "T"},
        changed(title=" "),
        changed(title=3),
        changed(sections=[{"text": ""}]),
        changed(sections=["One."]),
        changed(sections={"text": "One."}),
        changed(sections=[{"text": "One.", "questions": "Who?"}]),
        changed(sections=[{"text": "One.", "questions": [{"question": "Who?"}]}]),
        changed(sections=[{"text": "One.", "questions": [{"question": "", "answer": "A"}]}]),
        changed(sections=[{"text": "One.", "questions": [{"question": "Who?", "answer": 3}]}]),
    ],
)
def test_the_first_line_that_does_not_fit_is_named(row: Any, tmp_path: Path) -> None:
    path = lines(tmp_path / "tales.jsonl", GOOD, "", row, GOOD)
    with pytest.raises(InvalidConfig, match=r"^Line 3 of tales\.jsonl is not a document"):
        read_jsonl(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "tales.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidConfig, match=r"^tales\.jsonl cannot be read"):
        read_jsonl(path)


def table(path: Path, *rows: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def tale(folder: Path, name: str, *questions: dict[str, str]) -> None:
    table(
        folder / "section-stories" / "train" / f"{name}-story.csv",
        {"section": "1", "text": "The oil\nfroze on\n the ninth."},
        {"section": "2", "text": "She burned\n\nher letters, “all” of them."},
    )
    table(folder / "questions" / "train" / f"{name}-questions.csv", *questions)


def asked(section: str, question: str, answer: str) -> dict[str, str]:
    return {"question": question, "cor_section": section, "answer1": answer, "answer2": "no"}


def test_a_tale_of_fairytaleqa_has_its_questions_by_section(tmp_path: Path) -> None:
    tale(
        tmp_path,
        "the-cold-lamp",
        asked("2", "What did\nshe burn ?", "her\nletters"),
        asked("1,2", "Why?", "It was cold"),
        asked(" 1 ", "What froze?", "the oil"),
        asked("1", "When?", "on the ninth"),
    )
    tale(tmp_path, "a-tale", asked("1", "What froze?", "the oil"))
    first, second = read_fairytaleqa(tmp_path, "train")
    assert (first.title, second.title) == ("A Tale", "The Cold Lamp")
    assert second.sections == (
        Section(
            "The oil froze on the ninth.",
            (Asked("What froze?", "the oil"), Asked("When?", "on the ninth")),
        ),
        Section(
            "She burned her letters, “all” of them.",
            (Asked("What did she burn ?", "her letters"),),
        ),
    )


def test_a_split_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    tale(tmp_path, "a-tale", asked("1", "What froze?", "the oil"))
    with pytest.raises(InvalidConfig, match="There are no questions of FairytaleQA in"):
        read_fairytaleqa(tmp_path, "val")


GONE = "gone"


@pytest.mark.parametrize(
    ("part", "content", "problem"),
    [
        ("story", GONE, "cannot be read"),
        ("story", "section,text\n1,caf\u00e9\n".encode("latin-1"), "cannot be read"),
        ("questions", "cor_section,question,answer1\n1,\xe9,x\n".encode("latin-1"), "cannot be"),
        ("story", b'section,text\n1,"' + b"x" * 200_000, "cannot be read"),
        ("story", b"section,words\n1,The oil froze.\n", "no column “text”"),
        ("story", b"section,text\n1\n", "no column “text”, or rows without it"),
        ("story", b"", "no column “section”"),
        ("questions", b"question,answer1\nWhat froze?,oil\n", "no column “cor_section”"),
        ("questions", b"cor_section,question\n1,What froze?\n", "no column “answer1”"),
        ("questions", b"cor_section,question,answer1\n1,What froze?\n", "“answer1”, or rows"),
    ],
)
def test_a_damaged_table_of_fairytaleqa_is_named_in_one_sentence(
    part: str, content: Any, problem: str, tmp_path: Path
) -> None:
    tale(tmp_path, "a-tale", asked("1", "What froze?", "the oil"))
    (file,) = tmp_path.rglob(f"a-tale-{part}.csv")
    if content == GONE:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(UnreadableDocument, match=rf"^a-tale-{part}\.csv: .*{problem}") as caught:
        read_fairytaleqa(tmp_path, "train")
    assert caught.value.reason == "damaged"


def test_a_table_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    tale(tmp_path, "a-tale", asked("1", "What froze?", "the oil"))
    plain = read_fairytaleqa(tmp_path, "train")
    for file in tmp_path.rglob("*.csv"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_fairytaleqa(tmp_path, "train") == plain


def test_a_title_is_made_of_the_files_name() -> None:
    assert title_of("the-fox-and-his-friend") == "The Fox And His Friend"
