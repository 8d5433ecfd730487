"""HTML of what an adapter has learned: exam, control, absorption, forgetting, questions.

Pure; every value is escaped here. What an older adapter did not measure is not mentioned.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lift_chat.learned import Answer, Exam, Forgetting, Learned, percent
from ui import cards, memory_map, pinned
from ui.words import CLOSED_BOOK, EXAM_HELP


def learned(found: Learned) -> str:
    """Everything that was measured beside the loss; "" for an adapter without such numbers."""
    parts = [
        _exam(found.exam),
        _sentences(found),
        _forgetting(found.forgetting),
        _answers(found.exam),
        _folded("The pinned questions", pinned.box(found.pinned, over=True)),
        memory_map.draw(found.memory_map),
    ]
    shown = "".join(parts)
    return f'<div class="lc-report">{shown}</div>' if shown else ""


def _exam(exam: Exam | None) -> str:
    if exam is None:
        return ""
    rows = [
        ("Before", exam.base.closed, exam.base.truncated),
        ("Now", exam.adapter.closed, exam.adapter.truncated),
    ]
    if exam.control is not None:
        name = f"Control: “{exam.control_name}”" if exam.control_name else "Control"
        rows.append((name, exam.control, None))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{_cell(closed)}</td>'
        f"<td>{_cell(truncated)}</td></tr>"
        for name, closed, truncated in rows
    )
    count = f"{exam.questions:,} questions" if exam.questions else "Questions"
    control = " Control is another document's adapter." if exam.control is not None else ""
    return (
        f'<h3 class="lc-shelf">Exam</h3><p class="lc-told">{escape(exam.sentence())}</p>'
        f'<table class="lc-table lc-scores"><thead><tr><td></td><th scope="col">{CLOSED_BOOK}</th>'
        f'<th scope="col">With excerpts</th></tr></thead><tbody>{body}</tbody></table>'
        f'<p class="lc-sub">{escape(EXAM_HELP.format(count=count))}{escape(control)}</p>'
    )


def _cell(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _sentences(found: Learned) -> str:
    told = [found.absorbed(), found.study.sentence() if found.study else ""]
    return "".join(f'<p class="lc-told">{escape(text)}</p>' for text in told if text)


def _forgetting(forgetting: Forgetting | None) -> str:
    if forgetting is None:
        return ""
    told = forgetting.sentence()
    numbers = f'<p class="lc-sub">{escape(told)}</p>' if told else ""
    calm = "" if forgetting.warning else '<p class="lc-told">No forgetting was noticed.</p>'
    return (
        f'<h3 class="lc-shelf">Forgetting</h3>{cards.notice([forgetting.warning])}{calm}{numbers}'
    )


def _folded(title: str, body: str) -> str:
    summary = f"<summary>{escape(title)}</summary>"
    return f'<details class="lc-more">{summary}{body}</details>' if body else ""


def _answers(exam: Exam | None) -> str:
    if exam is None or not exam.answers:
        return ""
    return _folded(f"The exam's answers ({len(exam.answers):,})", answer_table(exam.answers))


def answer_table(answers: Sequence[Answer]) -> str:
    """Question, right answer, before, now; in a narrow place each row is a block of its own."""
    names = ("Question", "In the text", "Before", "Now")
    head = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in names)
    rows = "".join(_answer(answer, names) for answer in answers)
    return (
        f'<p class="lc-sub">{CLOSED_BOOK}.</p>'
        '<table class="lc-table lc-answers" role="table"><thead role="rowgroup"><tr role="row">'
        f'{head}</tr></thead><tbody role="rowgroup">{rows}</tbody></table>'
    )


def _answer(answer: Answer, names: Sequence[str]) -> str:
    question, *said = (answer.question, answer.gold, answer.base_closed, answer.adapter_closed)
    cells = "".join(
        f'<td role="cell" data-name="{name}">{escape(text.strip() or pinned.NOTHING_SAID)}</td>'
        for name, text in zip(names[1:], said, strict=True)
    )
    return f'<tr role="row"><th scope="row" role="rowheader">{escape(question)}</th>{cells}</tr>'
