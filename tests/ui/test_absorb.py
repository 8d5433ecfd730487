from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from lift_chat.lift.recipe import LiftConfig
from tests.ui.conftest import event
from tests.ui.fakes import STEPS, FakeLiftChat
from ui.absorb_tab import AbsorbHandlers
from ui.job_panel import JobHandlers, ceiling
from ui.shell import BUSY_SECONDS, IDLE_SECONDS

PANEL, PROGRESS, PLOT, EXAM, PINNED, KEEP, DISCARD, RESUME, CHAT, RUNS, SEEN = range(11)


@pytest.fixture
def absorb(fake: FakeLiftChat) -> AbsorbHandlers:
    return AbsorbHandlers(cast(Any, fake))


@pytest.fixture
def jobs(fake: FakeLiftChat) -> JobHandlers:
    return JobHandlers(cast(Any, fake))


@pytest.fixture
def document_id(fake: FakeLiftChat, note: Path) -> str:
    return fake.add_document(note).id


def test_a_chosen_document_shows_what_was_read(absorb: AbsorbHandlers, document_id: str) -> None:
    intake, reading, facts, box, chapters, number, text, _ = absorb.show(document_id)
    assert (intake["visible"], reading["visible"]) == (False, True)
    assert "A. N. Author" in facts
    assert box["label"] == "Chapters (3)"
    assert chapters["value"] == [0, 1, 2], "all chapters are ticked"
    assert number["maximum"] == 3
    assert "The Lathrin drains" in text


def test_without_a_document_there_is_a_place_to_drop_one(absorb: AbsorbHandlers) -> None:
    intake, reading, *_ = absorb.show("")
    assert (intake["visible"], reading["visible"]) == (True, False)


def test_quality_warnings_are_shown(
    absorb: AbsorbHandlers, fake: FakeLiftChat, tmp_path: Path
) -> None:
    (tmp_path / "warn.txt").write_text("w")
    document = fake.add_document(tmp_path / "warn.txt")
    assert "Page 2 has no text." in absorb.show(document.id)[2]


@pytest.mark.parametrize("number", [0, 1, 3, 99, None])
def test_any_page_number_shows_some_page(
    absorb: AbsorbHandlers, document_id: str, number: Any
) -> None:
    assert "The Lathrin drains" in absorb.text(document_id, number)


def test_an_uploaded_file_becomes_the_chosen_document(
    absorb: AbsorbHandlers, fake: FakeLiftChat, note: Path
) -> None:
    drop, document_id = absorb.upload(str(note))
    assert drop is None and document_id == fake.documents()[0].id


def test_a_preset_fills_the_form_and_drops_changes(absorb: AbsorbHandlers) -> None:
    changes, *values = absorb.use_preset("skim")
    assert changes == {}
    assert LiftConfig.preset("skim").epochs in values


def test_the_estimate_says_that_it_measures_then_what_it_costs(
    absorb: AbsorbHandlers, document_id: str
) -> None:
    first, last = absorb.estimate(document_id, "read", {"epochs": 3}, [0, 1, 2])
    assert "Measuring" in first
    assert "about 66 s" in last and "8,540 tokens" in last


def test_a_wrong_setting_is_one_sentence(absorb: AbsorbHandlers, document_id: str) -> None:
    with pytest.raises(gr.Error) as error:
        absorb.absorb(document_id, "read", {"epochs": 0}, [0, 1, 2])
    assert "epochs must lie" in error.value.message


def test_absorbing_queues_the_recipe_on_the_page(
    absorb: AbsorbHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    job_id, cleared = absorb.absorb(document_id, "skim", {"epochs": 3}, [1])
    recipe = fake.job(job_id).job.recipe
    assert (recipe["based_on"], recipe["epochs"], recipe["chapters"]) == ("skim", 3, [1])
    assert cleared == "", "the form is free for the next document"


def test_a_double_click_is_one_run(
    absorb: AbsorbHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    first = absorb.absorb(document_id, "read", {}, [0, 1, 2])
    assert absorb.absorb(document_id, "read", {}, [0, 1, 2]) == first
    assert len(fake.jobs()) == 1


def test_absorbing_nothing_asks_for_a_document(absorb: AbsorbHandlers) -> None:
    with pytest.raises(gr.Error, match="Choose a document"):
        absorb.absorb("", "read", {}, [])


def test_a_reloaded_page_finds_the_run_and_its_whole_curve(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    handle = fake.absorb(document_id)
    fake.advance(handle.id, 7)
    job_id, *view = jobs.open()
    assert job_id == handle.id
    assert list(view[PLOT]["value"]["step"]) == [1, 2, 3, 4, 5, 6, 7]
    assert view[PLOT]["x_lim"] == [0, STEPS]
    assert "35%" in view[PROGRESS]


def test_the_exam_has_a_curve_of_its_own_and_a_sentence(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    fake.exams = True
    handle = fake.absorb(document_id)
    fake.advance(handle.id)
    view = jobs.show(handle.id)
    assert view[EXAM]["visible"] is False, "one exam is no curve"
    assert "Exam: 12 % before." in view[PROGRESS]
    fake.advance(handle.id, 12)
    view = jobs.show(handle.id)
    assert list(view[EXAM]["value"]["exam"]) == [11.6, 14.0, 27.5]
    assert (view[EXAM]["x_lim"], view[EXAM]["y_lim"]) == ([0, STEPS], [0, 40])
    assert "Exam: 12 % before, 28 % now." in view[PROGRESS]


def test_pinned_answers_change_while_the_run_goes_on(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    fake.exams = True
    handle = fake.absorb(document_id)
    fake.advance(handle.id)
    seen = jobs.show(handle.id)
    assert "Who kept the lamp" in seen[PINNED] and "Ilse Tarn" not in seen[PINNED]
    fake.advance(handle.id, 5)
    view = jobs.tick(seen[SEEN], handle.id)
    assert "Ilse Tarn" in view[PINNED] and "<dt>Now</dt>" in view[PINNED]
    fake.advance(handle.id, 99)
    assert "<dt>After</dt>" in jobs.show(handle.id)[PINNED]


def test_a_run_without_exams_looks_as_before(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    handle = fake.absorb(document_id)
    fake.advance(handle.id, 5)
    view = jobs.show(handle.id)
    assert view[EXAM]["visible"] is False
    assert view[PINNED] == "" and "Exam" not in view[PROGRESS]


@pytest.mark.parametrize(("best", "top"), [(0, 20), (19.9, 20), (20, 40), (99, 100), (100, 100)])
def test_the_exams_axis_has_room_above_the_best(best: float, top: int) -> None:
    assert ceiling(best) == top


def test_the_run_under_way_is_found_before_those_that_wait(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    first = fake.absorb(document_id)
    second = fake.absorb(document_id, LiftConfig.preset("skim"))
    fake.advance(second.id)
    assert first.status().job.state == "queued"
    assert jobs.open()[0] == second.id
    fake.advance(second.id, 99)
    fake.advance(first.id, 99)
    assert jobs.open()[0] == ""


def test_a_tick_is_silent_until_there_is_news(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    handle = fake.absorb(document_id)
    fake.advance(handle.id, 2)
    seen = jobs.show(handle.id)[SEEN]
    *silent, timer = jobs.tick(seen, handle.id)
    assert silent == [gr.skip()] * 11
    assert timer.value == BUSY_SECONDS
    fake.advance(handle.id)
    view = jobs.tick(seen, handle.id)
    assert "15%" in view[PROGRESS]
    assert view[RUNS] == gr.skip(), "an unchanged list keeps the keyboard's focus"


def test_the_page_asks_less_often_when_nothing_runs(jobs: JobHandlers) -> None:
    assert jobs.tick((), "")[-1].value == IDLE_SECONDS


def visible(view: tuple[Any, ...]) -> list[str]:
    names = {KEEP: "keep", DISCARD: "discard", RESUME: "resume", CHAT: "chat"}
    return [name for index, name in names.items() if view[index]["visible"]]


def test_each_state_offers_what_can_be_done_in_it(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    handle = fake.absorb(document_id)
    assert visible(jobs.show(handle.id)) == ["discard"]
    fake.advance(handle.id)
    assert visible(jobs.show(handle.id)) == ["keep", "discard"]
    fake.fail(handle.id, "interrupted", "")
    assert visible(jobs.show(handle.id)) == ["discard", "resume"]
    fake.fail(handle.id, "failed", "Not enough memory.")
    assert visible(jobs.show(handle.id)) == ["discard", "resume"]
    assert "Not enough memory." in jobs.show(handle.id)[PROGRESS]
    jobs.resume(handle.id)
    fake.advance(handle.id, 99)
    assert visible(jobs.show(handle.id)) == ["chat"]


def test_stopping_asks_once_and_then_waits(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    handle = fake.absorb(document_id)
    fake.advance(handle.id)
    _, *view = jobs.stop(handle.id, True)
    assert view[KEEP]["interactive"] is False
    fake.advance(handle.id)
    assert len(fake.adapters()) == 1


def test_a_discarded_run_leaves_no_adapter(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    handle = fake.absorb(document_id)
    fake.advance(handle.id)
    jobs.stop(handle.id, False)
    fake.advance(handle.id)
    assert fake.adapters() == []
    assert visible(jobs.show(handle.id)) == []


def test_a_finished_run_opens_the_chat_with_its_adapter(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    handle = fake.absorb(document_id)
    fake.advance(handle.id, 99)
    chosen, tabs = jobs.chat(handle.id)
    assert (chosen.value, tabs.selected) == (fake.adapters()[0].id, "chat")


def test_the_list_of_runs_tells_places_in_the_queue(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    for preset in ("skim", "read", "study"):
        fake.absorb(document_id, LiftConfig.preset(preset))
    html = jobs.all_runs("local")
    assert [f"waiting, number {n}" in html for n in (1, 2, 3)] == [True] * 3
    assert jobs.pick(event(kind="job", id=fake.jobs()[0].id)) == fake.jobs()[0].id


def test_a_message_of_the_worker_is_shown_while_it_goes_on(
    jobs: JobHandlers, fake: FakeLiftChat, document_id: str
) -> None:
    handle = fake.absorb(document_id)
    fake.advance(handle.id)
    said = replace(fake.job(handle.id).job, message="Memory was short; smaller steps now.")
    fake._jobs[handle.id] = said
    assert "smaller steps" in jobs.show(handle.id)[PROGRESS]
