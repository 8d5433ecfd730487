"""Readers on small files in each collection's own layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lift_chat.errors import InvalidConfig, NotFound, UnreadableDocument
from lift_chat.evaluation.questions import NUMBERED, EvalDocument, EvalQuestion
from lift_chat.evaluation.sets import READERS, Selection, open_set
from tests.hub.fake_hub import FakeHub


def lines(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def every(named: str, split: str = "") -> list[EvalDocument]:
    return list(open_set(named, split))


OWN: dict[str, Any] = {
    "title": "The Lamp",
    "text": "It was lit by Sable Quist.",
    "questions": [{"question": "Who lit it?", "answers": ["Sable Quist"]}],
}


def test_our_own_lines_become_documents(tmp_path: Path) -> None:
    chosen = {"question": "Who?", "answers": ["a"], "choices": ["a", "b"], "kind": "who"}
    file = lines(tmp_path / "own.jsonl", OWN, {**OWN, "id": "second", "questions": [chosen]})
    first, second = every(f"jsonl:{file}")
    assert first == EvalDocument(
        "own-1", "The Lamp", OWN["text"], (EvalQuestion("Who lit it?", ("Sable Quist",)),)
    )
    assert second.id == "second"
    assert second.questions == (EvalQuestion("Who?", ("a",), kind="who", choices=("a", "b")),)


def change(row: dict[str, Any], **question: Any) -> dict[str, Any]:
    return {**row, "questions": [{**row["questions"][0], **question}]}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({**OWN, "text": 7}, "“text” is not a text"),
        ({**OWN, "text": " "}, "the text is empty"),
        ({"title": "x", "text": "y"}, "'questions' is missing"),
        ({**OWN, "questions": []}, "there are no questions"),
        ({**OWN, "questions": {}}, "“questions” is not a list"),
        ({**OWN, "qestions": []}, "unknown “qestions”"),
        (change(OWN, answers="Sable"), "“answers” is not a list of texts"),
        (change(OWN, answers=[]), "has no answer"),
        (change(OWN, answer=["x"]), "unknown “answer” in a question"),
        (change(OWN, choices=["a", "b"]), "not among its choices"),
        ([1], "line 2 is not a JSON object"),
    ],
)
def test_an_error_names_its_line(tmp_path: Path, row: Any, problem: str) -> None:
    file = lines(tmp_path / "own.jsonl", OWN, row)
    with pytest.raises(UnreadableDocument, match="line 2") as caught:
        every(f"jsonl:{file}")
    assert problem in str(caught.value)


def test_a_line_that_is_no_json_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text('\n{"title": "x"\n')
    with pytest.raises(UnreadableDocument, match="line 2 is not JSON"):
        every(f"jsonl:{file}")


STORY = 'section,text\n1,"Sable lit\nthe lamp.\n\n“Now,” she said."\n2,The ship turned.\n'
ASKED = (
    "question_id,cor_section,question,ex-or-im1,answer1,answer2,answer3,ex-or-im2,answer4,answer5\n"
    "1,1,Who lit  it?,explicit,Sable,,,explicit,Sable,the keeper\n"
    '2,"1,2",Why?,implicit,Because.,,,implicit,It was dark.,\n'
)


def tales(root: Path, split: str = "val") -> Path:
    for folder, name, text in (
        ("section-stories", "the-lamp-story.csv", STORY),
        ("questions", "the-lamp-questions.csv", ASKED),
    ):
        (root / folder / split).mkdir(parents=True)
        (root / folder / split / name).write_text(text, encoding="utf-8")
    return root


def test_a_tale_has_its_sections_without_line_wraps(tmp_path: Path) -> None:
    (tale,) = every(f"fairytaleqa:{tales(tmp_path)}", "val")
    assert tale.title == "The Lamp"
    assert tale.text == "Sable lit the lamp.\n\n“Now,” she said.\n\nThe ship turned."


def test_a_tale_has_every_annotators_answers_once(tmp_path: Path) -> None:
    (tale,) = every(f"fairytaleqa:{tales(tmp_path)}", "val")
    assert tale.questions == (
        EvalQuestion("Who lit it?", ("Sable", "the keeper"), kind="explicit"),
        EvalQuestion("Why?", ("Because.", "It was dark."), kind="implicit"),
    )


def test_a_split_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="section-stories/train"):
        every(f"fairytaleqa:{tales(tmp_path)}", "train")


ARTICLE = {
    "input": " Early life.\0She was born in Vale.",
    "title": "Sable Quist",
    "qa_pairs": "[{'S': 'x', 'Q': 'Where was she born?', 'A': 'In Vale.', 'type': 'place'}]",
}


def test_loogles_literals_become_questions(tmp_path: Path) -> None:
    (article,) = every(f"loogle:{lines(tmp_path / 'shortdep_qa.jsonl', ARTICLE)}")
    assert article.text == "Early life. She was born in Vale."
    assert article.questions == (EvalQuestion("Where was she born?", ("In Vale.",), kind="place"),)


def test_loogles_literals_are_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    pairs = f"[{{'Q': 'x', 'A': __import__('pathlib').Path({str(trace)!r}).touch()}}]"
    file = lines(tmp_path / "qa.jsonl", {**ARTICLE, "qa_pairs": pairs})
    with pytest.raises(UnreadableDocument, match="line 1: “qa_pairs” is no list of plain values"):
        every(f"loogle:{file}")
    assert not trace.exists()


CHOICE = "Question 3. Which are lamps?\nA. lantern\nB. kettle\nC. torch,  lit\nD. lid"


def test_coursera_may_have_several_right_letters(tmp_path: Path) -> None:
    row = {"input": "Lamps\nText.", "instructions": [CHOICE, CHOICE], "outputs": ["AC", "B"]}
    file = lines(tmp_path / "coursera.jsonl", {**row, "evaluation": "exam"})
    (document,) = every(f"leval:{file}")
    assert document.title == "Lamps"
    several, one = document.questions
    assert several.question == "Which are lamps?"
    assert several.choices == ("lantern", "kettle", "torch, lit", "lid")
    assert (several.answers, several.kind) == (("lantern", "torch, lit"), "several right")
    assert (one.answers, one.kind) == (("kettle",), "one right")


def test_a_letter_without_a_choice_is_an_error(tmp_path: Path) -> None:
    row = {"input": "x", "instructions": [CHOICE], "outputs": ["E"], "evaluation": "exam"}
    with pytest.raises(UnreadableDocument, match=r"line 1.*no choice E"):
        every(f"leval:{lines(tmp_path / 'coursera.jsonl', row)}")


def test_natural_questions_have_the_pages_name_and_the_split_picks_the_file(tmp_path: Path) -> None:
    row = {"input": "The <B> Lamp - wikipedia <P> Text", "instructions": ["who?"], "outputs": ["I"]}
    lines(tmp_path / "natural_question.jsonl", row)
    lines(tmp_path / "coursera.jsonl", {**row, "input": "other"})
    (document,) = every(f"leval:{tmp_path}", "natural_question")
    assert document.title == "The Lamp"
    assert document.questions == (EvalQuestion("who?", ("I",)),)
    with pytest.raises(UnreadableDocument, match="of “quality”"):
        every(f"leval:{tmp_path}", "quality")


def test_squads_format_becomes_one_document_per_article(tmp_path: Path) -> None:
    asked = {"question": " Who? ", "answers": [{"text": "Sable"}, {"text": "Sable"}]}
    unanswerable = {"question": "Why?", "answers": []}
    paragraphs = [
        {"context": "Sable lit it.", "qas": [asked, unanswerable]},
        {"context": "It burned.", "qas": []},
    ]
    file = tmp_path / "xquad.en.json"
    file.write_text(json.dumps({"data": [{"title": "The_Lamp", "paragraphs": paragraphs}]}))
    (document,) = every(f"xquad:{tmp_path}", "en")
    assert document.title == "The Lamp"
    assert document.text == "Sable lit it.\n\nIt burned."
    assert document.questions == (EvalQuestion("Who?", ("Sable",)),)


def test_a_book_is_found_by_its_title_and_others_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "edith-vale_the-lamps-light.txt").write_text("Sable lit the lamp.\n")
    asked = [{"question": "Who?", "answers": ["Sable ", "Sable"]}]
    lines(
        tmp_path / "validation.jsonl",
        {"title": "The Lamp’s Light (novel)", "qas": asked},
        {"title": "Another Book", "qas": asked},
    )
    (book,) = every(f"literaryqa:{tmp_path}", "val")
    assert book.title == "The Lamp’s Light"
    assert book.text == "Sable lit the lamp."
    assert book.questions == (EvalQuestion("Who?", ("Sable",)),)


def test_no_book_at_all_is_said(tmp_path: Path) -> None:
    lines(tmp_path / "validation.jsonl", {"title": "Another Book", "qas": []})
    with pytest.raises(UnreadableDocument, match="no book of the collection"):
        every(f"literaryqa:{tmp_path}", "val")


def bench(task: str, context: str = "Sable lit it.", **more: Any) -> dict[str, Any]:
    return {"dataset": task, "context": context, "input": "Who?", "answers": ["Sable"], **more}


def test_longbench_brings_its_prompts_and_lengths(tmp_path: Path) -> None:
    rows = [bench("musique"), bench("musique", input="Why?"), bench("musique", context="New.")]
    first, second = every(f"longbench:{lines(tmp_path / 'musique.jsonl', *rows)}")
    assert [question.question for question in first.questions] == ["Who?", "Why?"]
    assert second.text == "New."
    question = first.questions[0]
    assert question.max_new_tokens == 32
    assert "passages.\n{context}\n\nAnswer" in question.prompt
    assert question.prompt.endswith("Question: Who?\nAnswer:")


def test_longbench_asks_for_what_has_no_question(tmp_path: Path) -> None:
    report = bench("gov_report", input="")
    count = bench("passage_count", input="", answers=["7"])  # about the same text
    file = lines(tmp_path / "mixed.jsonl", report, count)
    first, second = every(f"longbench:{file}")
    assert first.questions[0].question == "Write a one-page summary of the report."
    assert first.questions[0].max_new_tokens == 512
    assert second.questions[0].kind == NUMBERED


def test_a_task_of_longbench_without_a_score_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match=r"line 1.*'lcc' is not among narrativeqa"):
        every(f"longbench:{lines(tmp_path / 'lcc.jsonl', bench('lcc'))}")


def test_a_collection_without_a_place_lies_in_the_data_folder(tmp_path: Path) -> None:
    lines(tmp_path / "jsonl" / "own.jsonl", OWN)
    (document,) = open_set("jsonl", "", tmp_path)
    assert document.title == "The Lamp"


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("squat:/x", "no collection 'squat'"),
        ("jsonl", "Say where jsonl lies"),
        ("jsonl:/no/such/file.jsonl", "neither a file nor a folder"),
    ],
)
def test_a_wrong_name_is_one_sentence(named: str, problem: str) -> None:
    with pytest.raises(InvalidConfig, match=problem):
        every(named)


def test_a_hub_id_names_a_data_set_there(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    row = json.dumps(OWN).encode() + b"\n"
    hub.add("someone/lamps", {"data/own.jsonl": row}, kind="dataset")
    (document,) = every("jsonl:someone/lamps")
    assert document.title == "The Lamp"
    with pytest.raises(NotFound, match="someone/ships is not on the Hub"):
        every("jsonl:someone/ships")


def test_every_reader_says_what_a_folder_lacks(tmp_path: Path) -> None:
    for name in READERS:
        with pytest.raises(UnreadableDocument, match=str(tmp_path.name)):
            every(f"{name}:{tmp_path}")


def make(name: str, words: int, questions: int = 1) -> EvalDocument:
    asked = tuple(EvalQuestion(f"{n}?", ("x",)) for n in range(questions))
    return EvalDocument(name, name, "word " * words, asked)


def count(text: str) -> int:
    return len(text.split())


def test_documents_are_chosen_by_length_and_number() -> None:
    documents = [make("a", 5), make("b", 20), make("c", 30), make("d", 20), make("e", 90)]
    chosen = Selection(min_tokens=10, max_tokens=40, documents=2).of(iter(documents), count)
    assert [document.id for document in chosen] == ["b", "c"]
    with pytest.raises(InvalidConfig, match="No document"):
        Selection(min_tokens=100).of(iter(documents), count)


def test_fewer_questions_are_spread_over_the_document() -> None:
    (document,) = Selection(questions=3).of(iter([make("a", 5, questions=9)]), count)
    assert [question.question for question in document.questions] == ["0?", "3?", "6?"]
