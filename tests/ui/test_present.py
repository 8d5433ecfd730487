from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.records import Adapter, Chapter, Document, Job, Message, Metric
from ui import curves, present

JOB = Job(
    id="j", owner="local", document_id="d", adapter_id=None, name="Book", state="running",
    request="", recipe={}, stage="training", step=5, total=20, attempts=1, message="",
    error_code="", error="", created_at="", started_at="", finished_at="",
)  # fmt: skip
DOCUMENT = Document(
    id="d", owner="local", sha256="0", name="book.pdf", kind="pdf", title="", author="",
    language="en", pages=1, characters=10, bytes=999, quality={}, created_at="",
)  # fmt: skip


def metric(seq: int, loss: float | None, eta: float | None = 65.0) -> Metric:
    return Metric(seq, "training", seq, 20, loss, 512, 1234.4, 1.0, eta)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (3_400_000, "3.4 MB"),
     (2_500_000_000, "2.5 GB"), (7_000_000_000_000, "7000.0 GB")],
)  # fmt: skip
def test_sizes_are_in_decimal_units(count: int, text: str) -> None:
    assert present.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (40.4, "40 s"), (89, "89 s"), (150, "2 min"), (3600, "60 min"),
     (7500, "2 h 05 min")],
)  # fmt: skip
def test_durations_get_coarser_as_they_grow(seconds: float, text: str) -> None:
    assert present.duration(seconds) == text


def test_a_day_has_no_time_and_nothing_stays_nothing() -> None:
    assert present.day("2026-05-04T12:00:00+00:00") == "4 May 2026"
    assert present.day("") == ""


def test_a_document_without_a_title_is_called_by_its_file() -> None:
    assert present.title(DOCUMENT) == "book.pdf"
    assert present.document_line(DOCUMENT) == "1 page · English · 999 bytes"


def test_a_running_job_says_stage_percent_time_speed_and_loss() -> None:
    sentence = present.progress_sentence(JOB, [metric(1, 3.0), metric(2, 1.5)], 0)
    assert sentence == (
        "Absorbing, 25%, about 65 s left, 1,234 tokens/s. Loss 3.00 at the start, 1.50 now."
    )


def test_the_writing_of_questions_has_a_percentage_of_its_own() -> None:
    writing = replace(JOB, stage="writing", step=3, total=12)
    assert present.progress_sentence(writing, [], 0) == "Writing study questions, 25%."
    assert present.share(writing) == 0.25


def test_a_pause_for_an_exam_does_not_take_the_progress_back() -> None:
    assert present.share(replace(JOB, stage="exam")) == present.share(JOB) == 0.25
    assert present.progress_sentence(replace(JOB, stage="exam"), [], 0) == "Holding an exam."


def test_the_exam_stands_at_the_step_where_it_was_held() -> None:
    held = [
        replace(metric(1, None), stage="exam", step=0, exam=3.2),
        replace(metric(2, None), stage="exam", step=10, exam=20.0),
        replace(metric(3, None), stage="exam", step=10, exam=24.0),
        replace(metric(4, None), stage="after", step=20, exam=35.0),
    ]
    assert [tuple(row.values()) for row in curves.exams(held)] == [(0, 3.2), (10, 24), (20, 35)]
    assert curves.exam_sentence(held) == "Exam: 3.2 % before, 35 % now."
    assert curves.exam_sentence(held[:1]) == "Exam: 3.2 % before."
    assert curves.exam_sentence([metric(1, 2.0)]) == ""


def test_a_job_without_an_estimate_promises_no_time() -> None:
    assert "left" not in present.progress_sentence(JOB, [metric(1, 3.0, eta=None)], 0)


def test_a_waiting_job_says_how_many_are_before_it() -> None:
    waiting = replace(JOB, state="queued")
    assert present.progress_sentence(waiting, [], 3) == (
        "Waiting in the queue, 2 documents before it."
    )
    assert present.progress_sentence(waiting, [], 1) == "Waiting; it is next."


def test_a_failed_job_says_its_error() -> None:
    failed = replace(JOB, state="failed", error="Not enough memory.")
    assert present.progress_sentence(failed, [], 0) == "Not enough memory."


@pytest.mark.parametrize("state", ["done", "cancelled", "interrupted"])
def test_a_job_that_ended_says_how(state: str) -> None:
    assert present.progress_sentence(replace(JOB, state=state), [], 0)  # type: ignore[arg-type]


def test_the_share_of_a_job_stays_between_nothing_and_all() -> None:
    assert present.share(replace(JOB, step=0, total=0)) == 0
    assert present.share(replace(JOB, step=30)) == 1
    assert present.share(replace(JOB, state="done", step=0)) == 1


def test_the_curve_leaves_out_points_without_a_loss() -> None:
    points = curves.curve([metric(1, 2.0), metric(2, None), metric(3, 1.0)])
    assert points == [{"step": 1.0, "loss": 2.0}, {"step": 3.0, "loss": 1.0}]


def test_a_long_curve_is_thinned_but_keeps_both_ends() -> None:
    points = curves.curve([metric(i, float(i)) for i in range(5000)], most=100)
    assert len(points) == 100
    assert (points[0]["step"], points[-1]["step"]) == (0, 4999)


def test_chapters_are_offered_from_the_highest_level_that_offers_a_choice() -> None:
    outline = [
        Chapter("Book", 1, 1, 0, 100),
        Chapter("One", 2, 1, 0, 50),
        Chapter("Aside", 3, 1, 10, 20),
        Chapter("Two", 2, 2, 50, 100),
    ]
    assert present.chapter_choices(outline) == [("One", 1), ("Two", 3)]
    assert present.chapter_choices(outline[:1]) == []


def test_tags_are_trimmed_and_unique() -> None:
    assert present.tags(" birds, field  guide,, birds ") == ["birds", "field guide"]


def test_gain_needs_both_losses() -> None:
    adapter = Adapter(
        id="a", owner="local", document_id="d", name="n", kind="lora", base_model="org/Base",
        base_revision="", base_fingerprint="", recipe={}, metrics={"loss_before": 3.0}, tags=(),
        note="", bytes=1, state="ready", created_at="",
    )  # fmt: skip
    assert present.gain(adapter) == ""
    both = replace(adapter, metrics={"loss_before": 3.1, "loss_after": 0.42})
    assert present.gain(both) == "loss 3.10 → 0.42"


DANGEROUS = [
    "![x](https://evil.example/p.png)",
    "[click](https://evil.example)",
    "![x][r]\n\n[r]: https://evil.example/p.png",
    "<img src='https://evil.example/p.png'>",
    "<https://evil.example>",
    "https://evil.example",
    "www.evil.example",
    "```mermaid\ngraph TD\n```",
    "![a [b](c)](https://evil.example)",
    "<!-- x --><script>alert(1)</script>",
]
ACTIVE = re.compile(
    r"\]\(|\]\[|\]:|<[A-Za-z/!?]|https?://|www\.|^[ \t>*+-]*(?:`{3,}|~{3,})[ \t]*mermaid",
    re.M | re.I,
)


@pytest.mark.parametrize("text", DANGEROUS)
def test_answers_cannot_load_link_or_be_html(text: str) -> None:
    assert ACTIVE.search(text)
    assert not ACTIVE.search(present.harmless(text))


@given(st.lists(st.sampled_from([*DANGEROUS, "[", "]", "(", ")", "!", "<", "a", "\n", "``", "`"])))
def test_no_mixture_of_markup_survives(pieces: list[str]) -> None:
    assert not ACTIVE.search(present.harmless("".join(pieces)))


def test_harmless_markdown_stays_as_it_is() -> None:
    text = "**Bold**, *soft*, `code`\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 < 2 | 3 |"
    assert present.harmless(text) == text


def test_what_comes_back_from_the_page_is_what_was_typed() -> None:
    question = "Is a < b, and what is <b> in https://a.example?"
    assert present.typed(present.harmless(question)) == question


def test_each_stored_message_is_one_bubble_with_its_window_below() -> None:
    messages = [
        Message("user", "Who?"),
        Message("assistant", "She.", {"window": "In the window: nothing."}),
    ]
    question, answer = present.bubbles(messages)
    assert [part["text"] for part in question["content"]] == ["Who?"]
    assert [part["text"] for part in answer["content"]] == ["She.", "*In the window: nothing.*"]
