"""Numbers and tables from finished lines, worked out by hand."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from lift_chat.evaluation.chart import chart, main_score
from lift_chat.evaluation.ledger import Line
from lift_chat.evaluation.markdown import markdown, table
from lift_chat.evaluation.report import Report, report

FACTS = {"collection": "made-up & tested, 2 documents"}


def line(arm: str, document: str, *scores: dict[str, Any], **more: Any) -> Line:
    answers = [{"kind": "", "scores": entry} for entry in scores]
    return {"arm": arm, "document": document, "facts": {}, "answer_seconds": 2.0, **more} | {
        "answers": answers
    }


LINES = [
    line("base/closed", "a", {"f1": 0.0, "nll": 4.0}, {"f1": 0.5, "nll": 2.0}),
    line("base/closed", "b", {"f1": 0.1, "nll": 3.0}),
    line("ours/closed", "a", {"f1": 0.5, "nll": 2.0}, {"f1": 0.8, "nll": None}, train_seconds=60),
    line("ours/closed", "b", {"f1": 0.4, "nll": 1.0}, train_seconds=180),
    line("ours/wrong", "b", {"f1": 0.1, "nll": 5.0}, train_seconds=60),
    line("base/truncated", "a", {"f1": 1.0, "nll": 1.0}, {"f1": 0.9, "nll": 1.0}),
]


@pytest.fixture
def made() -> Report:
    return report(LINES, FACTS)


def test_means_are_over_questions(made: Report) -> None:
    arms = {arm.arm: arm for arm in made.arms}
    assert arms["base/closed"].scores == pytest.approx({"f1": 20.0, "nll": 3.0})
    assert arms["ours/closed"].scores == pytest.approx({"f1": 56.6667, "nll": 1.5}, abs=1e-3)
    assert (arms["ours/closed"].documents, arms["ours/closed"].questions) == (2, 3)
    assert arms["ours/closed"].train_minutes == 2.0
    assert arms["base/closed"].train_minutes is None
    assert arms["base/closed"].answer_seconds == pytest.approx(4 / 3, abs=1e-3)


def test_the_base_comes_first(made: Report) -> None:
    assert [arm.arm for arm in made.arms] == [
        "base/closed",
        "base/truncated",
        "ours/closed",
        "ours/wrong",
    ]


def test_differences_are_paired_over_what_both_answered(made: Report) -> None:
    found = {(d.arm, d.rival, d.score): d.interval for d in made.differences}
    assert set(found) == {
        (arm, rival, score)
        for arm, rival in [("ours/closed", "base/closed"), ("ours/closed", "ours/wrong")]
        for score in ("f1", "nll")
    }
    f1 = found["ours/closed", "base/closed", "f1"]
    # (0.5 + 0.3 + 0.3) / 3; by document 40 and 30 percent, so every draw lies between
    assert f1.difference == pytest.approx(36.667, abs=1e-3)
    assert (f1.low, f1.high, f1.documents, f1.questions) == (
        pytest.approx(30),
        pytest.approx(40),
        2,
        3,
    )
    assert found["ours/closed", "base/closed", "nll"].questions == 2
    control = found["ours/closed", "ours/wrong", "f1"]
    assert (control.documents, control.low) == (1, None)


def test_arms_with_and_without_the_document_have_tables_of_their_own(made: Report) -> None:
    text = markdown(made)
    without, rest = text.split("### With the document in the window")
    assert "base/truncated" not in without
    assert "| ours/wrong | 1 | 1 | 10.0 |" in without
    assert "| base/truncated | 1 | 2 | 95.0 | 1.000 |" in rest.split("###")[0]
    assert "| ours/closed − base/closed | token F1 | +36.7 | +30.0 to +40.0 | 2 |" in rest
    assert "| ours/closed − ours/wrong | token F1 | +30.0 | one document | 1 |" in rest


def test_what_six_documents_agree_on_is_bold() -> None:
    lines = [
        line(arm, str(number), {"f1": value})
        for arm, value in (("base/closed", 0.1), ("ours/closed", 0.4))
        for number in range(6)
    ]
    row = "| ours/closed − base/closed | token F1 | +30.0 | **+30.0 to +30.0** | 6 |"
    assert row in markdown(report(lines, FACTS))


def test_kinds_of_questions_are_told_apart() -> None:
    answers = [
        {"kind": "who", "scores": {"f1": 1.0}},
        {"kind": "why", "scores": {"f1": 0.2}},
        {"kind": "why", "scores": {"f1": 0.4}},
    ]
    text = markdown(report([{**line("base/closed", "a"), "answers": answers}], FACTS))
    assert "| arm | who | why |" in text
    assert "| base/closed | 100.0 | 30.0 |" in text


def test_needles_have_a_grid_of_lengths_and_depths() -> None:
    def hidden(arm: str, length: int, depth: int, found: float) -> Line:
        facts = {"length": length, "depth": depth, "token": 7}
        return line(arm, f"{length}-{depth}", {"keywords": found, "f1": 0.0}, facts=facts)

    lines = [hidden("base/closed", 1000, 0, 0.0), hidden("base/closed", 1000, 50, 1.0)]
    lines += [hidden("ours/closed", 1000, 50, 1.0), hidden("ours/closed", 4000, 50, 1.0)]
    text = markdown(report(lines, FACTS))
    assert "| tokens | depth 0 % | depth 50 % |" in text
    assert "| 1,000 | 0/1 | 1/1 |" in text
    assert "| 1,000 |  | 1/1 |\n| 4,000 |  | 1/1 |" in text


def test_names_cannot_break_a_table() -> None:
    assert table(["a|b", "c"], [["x\ny", "1"]]) == "| a\\|b | c |\n| --- | --: |\n| x y | 1 |"


def test_the_chart_has_a_bar_per_arm_in_proportion(made: Report) -> None:
    root = ElementTree.fromstring(chart(made))
    space = "{http://www.w3.org/2000/svg}"
    labels = [text.text for text in root.iter(f"{space}text")]
    assert "made-up & tested, 2 documents: token F1" in labels
    assert {"base/closed", "ours/closed", "ours/wrong", "base/truncated"} <= set(labels)
    widths = [float(bar.get("width", 0)) for bar in list(root.iter(f"{space}rect"))[1:]]
    # without the document: base 20, ours 56.7, wrong 10; with it: base 95
    assert [width / widths[-1] for width in widths] == pytest.approx(
        [20 / 95, 56.667 / 95, 10 / 95, 1], abs=0.01
    )


def test_the_chart_shows_the_strictest_score_there_is() -> None:
    lines = [line("base/closed", "a", {"f1": 0.5, "judge": 1.0})]
    assert main_score(report(lines, FACTS)).name == "judge"


def test_nothing_finished_is_no_report() -> None:
    with pytest.raises(ValueError, match="Nothing"):
        report([], FACTS)
