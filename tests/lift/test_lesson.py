from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_chat.adapters import kinds, lora
from lift_chat.errors import InvalidConfig
from lift_chat.lift import lesson as lesson_module
from lift_chat.lift.checkpoint import COMPLETE, FACTS, STATE
from lift_chat.lift.exam import Exam, Sitting
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study import teacher
from lift_chat.lift.surroundings import Surroundings
from lift_chat.lift.tokens import probe_windows, tokenize
from lift_chat.models.device import Device
from lift_chat.models.excerpt import TokenPlaces
from lift_chat.models.loading import LoadedModel, load_model
from storage.records import Page, StudyItem
from tests.conftest import STUDIED, TALE, facts, load, no_turn, taken
from tests.lift.test_preparation import Scribe, own_exam

CONFIG = LiftConfig(
    segment_tokens=64,
    stride_tokens=24,
    epochs=3,
    rank=8,
    alpha=16,
    learning_rate=5e-3,
    checkpoint_seconds=0.0,
)


def lesson(tiny: LoadedModel, folder: Path, config: LiftConfig = CONFIG, **more: Any) -> Lesson:
    """A run over the tale; recipes with questions are given those of `facts`."""
    folder.mkdir(exist_ok=True)
    turn = more.pop("turn", no_turn)
    if config.study != "none":
        more = {"given": facts(), **more}
    around = Surroundings(**more)
    return Lesson(tiny, TALE, config, folder=folder, turn=turn, title="Orrin Vale", around=around)


def masters(run: Lesson) -> list[torch.Tensor]:
    assert run.state is not None
    return [master.clone() for master in run.state.optimizer.masters]


def finished(run: Lesson) -> list[torch.Tensor]:
    for _ in run.run():
        pass
    return masters(run)


def run_until(run: Lesson, step: int) -> None:
    """Leaves the run without a word, as a kill does, after the checkpoint of `step`."""
    events = run.run()
    for event in events:
        if event.stage == "training" and event.step == step + 1:
            break


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(left, right) for left, right in zip(a, b, strict=True))


def report(run: Lesson) -> dict[str, Any]:
    """What is kept with the adapter, less what tells only how long it took."""
    found = json.loads(json.dumps(run.metrics()))
    return {name: value for name, value in found.items() if name != "trained_seconds"}


def test_a_run_measures_trains_and_measures_again(tiny: LoadedModel, tmp_path: Path) -> None:
    run = lesson(tiny, tmp_path / "run")
    stages = [event.stage for event in run.run()]
    assert list(dict.fromkeys(stages)) == ["before", "training", "after"]
    metrics = run.metrics()
    assert metrics["loss_after"] < metrics["loss_before"] - 0.5
    assert metrics["steps"] == metrics["planned_steps"] == run.step > 0
    windows = -(-(run.document_tokens - 64) // 24) + 1
    assert metrics["trained_tokens"] == 3 * 64 * windows
    assert "exam" not in metrics and "study" not in metrics


def test_a_run_with_questions_examines_before_during_and_after(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    pages = [Page(1, "i", 0, 150, TALE[:150]), Page(2, "ii", 152, 300, TALE[150:298])]
    run = lesson(tiny, tmp_path / "run", STUDIED, pages=pages)
    events = list(run.run())
    stages = [event.stage for event in events]
    assert list(dict.fromkeys(stages)) == ["before", "writing", "exam", "training", "after"]
    total = run.step
    sat = [(event.stage, event.step) for event in events if event.exam is not None]
    steps = [0, round(total / 3), round(2 * total / 3), total]
    assert sat == [("exam", steps[0]), ("exam", steps[1]), ("exam", steps[2]), ("after", total)]
    assert all(len(event.pinned) == 2 for event in events if event.exam is not None)
    metrics = report(run)
    assert [point["step"] for point in metrics["exam"]["history"]] == steps
    assert metrics["exam"]["questions"] == 2 and metrics["exam"]["control"] is None
    assert metrics["study"] == taken(8)
    assert isinstance(metrics["absorption"], float | None)
    assert [page["label"] for page in metrics["memory_map"]] == ["i", "ii"]
    assert all(page["after"] < page["before"] for page in metrics["memory_map"])
    assert metrics["forgetting"]["loss_before"] > 0
    for entry in metrics["pinned"]:
        assert [answer["step"] for answer in entry["answers"]] == steps


def test_what_the_exam_asks_is_never_trained(tiny: LoadedModel, tmp_path: Path) -> None:
    run = lesson(tiny, tmp_path / "run", STUDIED)
    events = run.run()
    while next(events).stage != "training":
        pass
    assert run.state is not None
    plan = run.state.plan
    texts = {
        str(tiny.tokenizer.decode(sample.ids))
        for step in range(plan.steps)
        for unit in plan.units(step)
        for sample in unit
    }
    events.close()
    assert len(run.exam.items) == 2
    for item in facts():
        asked = any(item.question in text for text in texts)
        assert asked == (item not in run.exam.items)


@pytest.mark.parametrize("killed_at", [1, 5, 9])
def test_a_killed_run_goes_on_and_gives_the_very_same_adapter(
    tiny: LoadedModel, tmp_path: Path, killed_at: int
) -> None:
    calm = lesson(tiny, tmp_path / "calm")
    undisturbed = finished(calm)
    run_until(lesson(tiny, tmp_path / "run"), killed_at)
    resumed = lesson(tiny, tmp_path / "run")
    assert same(finished(resumed), undisturbed)
    assert resumed.resumed_from == killed_at
    assert math.isfinite(resumed.before.loss) and report(resumed) == report(calm)


class Killed(BaseException):
    pass


class Mortal:
    """A device that is gone after so many turns: the process dies in the middle of whatever it
    is doing, questions, measurements, steps and exams alike."""

    def __init__(self, turns: float = math.inf) -> None:
        self.turns, self.taken = turns, 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        self.taken += 1
        if self.taken > self.turns:
            raise Killed
        yield


def lives(make: Callable[[Mortal], Lesson], spans: Iterator[float]) -> tuple[Lesson, list[int]]:
    """Runs until one life is long enough; also the steps that the lives began at."""
    begun = []
    for span in spans:
        run = make(Mortal(span))
        try:
            for _ in run.run():
                pass
        except Killed:
            begun.append(run.resumed_from)
            continue
        return run, [*begun, run.resumed_from]
    raise AssertionError("no life was long enough")


def test_a_run_with_questions_killed_again_and_again_is_the_run_that_was_not(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    device = Mortal()
    calm = lesson(tiny, tmp_path / "calm", STUDIED, turn=device.turn)
    undisturbed = finished(calm)

    def make(mortal: Mortal) -> Lesson:
        return lesson(tiny, tmp_path / "run", STUDIED, turn=mortal.turn)

    # Each life ends a little later: the ends fall into every part of the run.
    spans = (
        device.taken * share
        for share in (0.1, 0.3, 0.12, 0.14, 0.16, 0.13, 0.18, 0.2, 0.3, 0.5, 1.0)
    )
    survivor, begun = lives(make, spans)
    assert same(masters(survivor), undisturbed)
    assert report(survivor) == report(calm)
    assert len(set(begun)) > 3 and begun == sorted(begun)


EVENTS = ["writing", "first exam", "a step", "the step of an exam", "an exam", "the step after it"]
EVENTS += ["the last step", "after", "the last event"]


def place_of(events: list[ProgressEvent], name: str) -> int:
    stages = [event.stage for event in events]
    sitting = stages.index("exam", stages.index("training"))
    last = len(stages) - 1 - stages[::-1].index("training")
    return {
        "writing": stages.index("writing"),
        "first exam": stages.index("exam"),
        "a step": stages.index("training") + 1,
        "the step of an exam": sitting - 1,
        "an exam": sitting,
        "the step after it": sitting + 1,
        "the last step": last,
        "after": stages.index("after"),
        "the last event": len(stages) - 1,
    }[name]


@pytest.fixture(scope="module")
def calm(
    tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lesson, list[ProgressEvent]]:
    run = lesson(tiny, tmp_path_factory.mktemp("calm") / "run", SELDOM)
    return run, list(run.run())


SELDOM = STUDIED.with_changes(checkpoint_seconds=1e6)
"""Saves only when it is asked to."""


@pytest.mark.parametrize("name", EVENTS)
def test_a_run_left_at_any_event_with_a_checkpoint_goes_on_unchanged(
    tiny: LoadedModel, tmp_path: Path, calm: tuple[Lesson, list[ProgressEvent]], name: str
) -> None:
    """As when the program is closed: the very step before an exam may be the last one saved."""
    undisturbed, events = calm
    place = place_of(events, name)
    left = lesson(tiny, tmp_path / "run", SELDOM)
    running = left.run()
    for _ in range(place + 1):
        next(running)
    running.close()
    if left.step:
        left.save_checkpoint()
    resumed = lesson(tiny, tmp_path / "run", SELDOM)
    assert same(finished(resumed), masters(undisturbed))
    assert report(resumed) == report(undisturbed)
    assert resumed.resumed_from == left.step


def test_a_resumed_run_that_is_left_before_it_trains_still_knows_its_exam(
    tiny: LoadedModel, tmp_path: Path, calm: tuple[Lesson, list[ProgressEvent]]
) -> None:
    for stage in ("training", "writing"):
        left = lesson(tiny, tmp_path / "run", SELDOM)
        running = left.run()
        while next(running).stage != stage:
            pass
        running.close()
        left.save_checkpoint()
    resumed = lesson(tiny, tmp_path / "run", SELDOM)
    assert same(finished(resumed), masters(calm[0])) and report(resumed) == report(calm[0])


@pytest.mark.parametrize("name", [STATE, FACTS, COMPLETE])
@pytest.mark.parametrize("how", ["truncated", "flipped", "gone"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(
    tiny: LoadedModel, tmp_path: Path, name: str, how: str
) -> None:
    undisturbed = finished(lesson(tiny, tmp_path / "calm"))
    run_until(lesson(tiny, tmp_path / "run"), 5)
    path = tmp_path / "run" / "checkpoint-00000005" / name
    data = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data if how == "flipped" else data[: len(data) // 2])
    resumed = lesson(tiny, tmp_path / "run")
    assert same(finished(resumed), undisturbed)
    assert resumed.resumed_from == 4


def test_a_checkpoint_that_a_kill_left_half_written_does_not_count(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    run_until(lesson(tiny, tmp_path / "run"), 3)
    half = tmp_path / "run" / "checkpoint-00000099"
    half.mkdir()
    (half / STATE).write_bytes(b"half of it")
    resumed = lesson(tiny, tmp_path / "run")
    next(resumed.run())
    assert resumed.resumed_from == 3


@pytest.mark.parametrize("changed", [{"seed": 1}, {"epochs": 4}, {"learning_rate": 1e-3}])
def test_a_checkpoint_of_another_recipe_is_not_taken(
    tiny: LoadedModel, tmp_path: Path, changed: dict[str, Any]
) -> None:
    run_until(lesson(tiny, tmp_path / "run"), 3)
    other = lesson(tiny, tmp_path / "run", CONFIG.with_changes(**changed))
    next(other.run())
    assert other.resumed_from == 0


def in_other_numbers(folder: Path, kind: str) -> LoadedModel:
    if kind == "four-bit":
        return replace(load(folder), four_bit=True)
    device = Device("cpu", "test cpu", torch.bfloat16)
    return load_model(str(folder), device, cache=folder.parent, revision=None, four_bit=False)


@pytest.mark.parametrize("kind", ["bfloat16", "four-bit"])
def test_a_checkpoint_in_other_numbers_is_not_taken(
    tiny: LoadedModel, tiny_folder: Path, tmp_path: Path, kind: str
) -> None:
    undisturbed = finished(lesson(tiny, tmp_path / "calm"))
    run_until(lesson(in_other_numbers(tiny_folder, kind), tmp_path / "run"), 5)
    run_until(lesson(tiny, tmp_path / "run"), 2)
    resumed = lesson(tiny, tmp_path / "run")
    assert same(finished(resumed), undisturbed)
    assert resumed.resumed_from == 2


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("checkpoint-*"))


def test_two_checkpoints_are_kept(tiny: LoadedModel, tmp_path: Path) -> None:
    run_until(lesson(tiny, tmp_path / "run"), 6)
    assert checkpoints(tmp_path / "run") == ["checkpoint-00000005", "checkpoint-00000006"]


def test_each_checkpoint_is_reported(tiny: LoadedModel, tmp_path: Path) -> None:
    reports: list[int] = []
    run = lesson(tiny, tmp_path / "run", on_checkpoint=lambda: reports.append(1))
    finished(run)
    assert len(reports) == run.step


@pytest.mark.parametrize("adapter", ["lora", "gated-memory"])
def test_the_published_files_answer_as_the_run_did(
    tiny: LoadedModel, tmp_path: Path, adapter: Any
) -> None:
    run = lesson(tiny, tmp_path / "run", CONFIG.with_changes(adapter=adapter))
    finished(run)
    folder = tmp_path / "adapter"
    folder.mkdir()
    kinds.save(run.adapted, folder, tiny.identity)
    ids = tokenize(tiny, TALE)[:, :50]
    with torch.no_grad():
        told = run.adapted.eval()(ids).logits
        assert torch.equal(kinds.load(tiny.twin(), folder)(ids).logits, told)
        assert not torch.allclose(tiny.model(ids).logits, told, atol=0.1)


@pytest.mark.parametrize("text", ["", "."])
def test_a_text_of_less_than_two_tokens_is_refused(
    tiny: LoadedModel, tmp_path: Path, text: str
) -> None:
    with pytest.raises(InvalidConfig, match="too little text"):
        Lesson(tiny, text, CONFIG, folder=tmp_path, turn=no_turn)


def test_the_loss_is_probed_over_the_whole_length_with_bounded_work(tiny: LoadedModel) -> None:
    ids = torch.arange(64 * 100)[None]
    windows = probe_windows(ids, CONFIG)
    assert len(windows) == 8
    assert windows[0][0, 0] == 0 and windows[-1][0, -1] > 64 * 85
    assert len(probe_windows(ids[:, :100], CONFIG)) == 2


def scripted(monkeypatch: pytest.MonkeyPatch, scores: dict[int, float]) -> None:
    """An exam whose closed-book score after a step is written down: what a model of 60,000
    numbers really answers is always wrong."""

    runs: list[Lesson] = []
    real = Lesson._exam

    class Scripted(Exam):
        def hold(self, model: Any, window: str) -> Sitting:
            return Sitting(("x",) * len(self.items), scores.get(runs[-1].step, 0.0))

    def exam(self: Lesson, items: Sequence[StudyItem]) -> Exam:
        runs.append(self)
        made = real(self, items)
        return Scripted(made.loaded, made.source, made.text, made.items, made.turn)

    monkeypatch.setattr(lesson_module.Lesson, "_exam", exam)


@pytest.mark.parametrize("taken_back", [False, True])
def test_the_same_weights_sit_the_exam_once(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken_back: bool
) -> None:
    held: list[tuple[int, str]] = []
    real = Exam.hold

    def hold(self: Exam, model: Any, window: str) -> Sitting:
        held.append((run.step, window))
        sitting = real(self, model, window)
        fallen = taken_back and 0 < run.step < run.metrics()["planned_steps"]
        return replace(sitting, f1=100.0) if fallen else sitting

    monkeypatch.setattr(Exam, "hold", hold)
    run = lesson(tiny, tmp_path / "run", STUDIED)
    finished(run)
    assert (run.metrics()["best_step"] < run.step) == taken_back
    last = [window for step, window in held if step == run.step]
    assert sorted(last) == ["closed"] * (1 + taken_back) + ["truncated"]
    assert len(held) == len(last) + len(run.exam.history)
    report = run.metrics()["exam"]
    assert report["history"][-1]["closed"] == report["adapter"]["closed"]


def test_the_text_is_tokenised_once_for_all_questions_of_an_exam(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenised: list[str] = []
    real = TokenPlaces.of

    def of(tokenizer: Any, text: str) -> TokenPlaces:
        tokenised.append(text)
        return real(tokenizer, text)

    monkeypatch.setattr(TokenPlaces, "of", of)
    run = lesson(tiny, tmp_path / "run", STUDIED)
    assert not tokenised
    exam = run._exam(facts())
    for _ in range(2):
        exam.hold(tiny.model, "truncated")
    assert tokenised == [TALE]


def weights_at(run: Lesson, step: int) -> list[torch.Tensor]:
    for event in run.run():
        if event.stage == "training" and event.step == step:
            return masters(run)
    raise AssertionError("there is no such step")


def test_the_weights_of_the_best_exam_are_taken_when_the_last_one_is_worse(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = STUDIED.with_changes(exams=4)
    plain = lesson(tiny, tmp_path / "plain", config)
    finished(plain)
    first, second, third = (point["step"] for point in plain.exam.history[1:-1])
    at_second = weights_at(lesson(tiny, tmp_path / "second", config), second)
    scripted(monkeypatch, {first: 20.0, second: 60.0, third: 40.0})
    run = lesson(tiny, tmp_path / "run", config)
    assert same(finished(run), at_second)
    assert run.metrics()["best_step"] == second and run.step == plain.step
    scripted(monkeypatch, {first: 20.0, second: 60.0, third: 40.0, plain.step: 60.0})
    last = lesson(tiny, tmp_path / "last", config)
    assert same(finished(last), masters(plain))
    assert last.metrics()["best_step"] == plain.step


@pytest.mark.parametrize("killed", [False, True])
def test_training_stops_when_exams_bring_nothing_for_long_enough(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    config = STUDIED.with_changes(exams=6, patience=2)
    total = lesson_steps(tiny, tmp_path, config)
    steps = [round(total * part / 6) for part in range(1, 6)]
    scores = dict(zip(steps, [10.0, 30.0, 30.0, 20.0, 90.0], strict=True))
    scripted(monkeypatch, scores)
    if killed:
        run_until(lesson(tiny, tmp_path / "run", config), steps[2] + 1)
    run = lesson(tiny, tmp_path / "run", config)
    finished(run)
    assert run.step == steps[3] < run.metrics()["planned_steps"] == total
    assert run.metrics()["best_step"] == steps[2]  # of equals the later, which has read more
    assert run.resumed_from == (steps[2] + 1 if killed else 0)


def test_a_run_that_stopped_early_and_is_resumed_does_not_train_on(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = STUDIED.with_changes(exams=6, patience=1)
    total = lesson_steps(tiny, tmp_path, config)
    steps = [round(total * part / 6) for part in range(1, 6)]
    scripted(monkeypatch, dict(zip(steps, [10.0, 30.0, 20.0, 90.0, 90.0], strict=True)))
    undisturbed = finished(lesson(tiny, tmp_path / "calm", config))
    left = lesson(tiny, tmp_path / "run", config)
    running = left.run()
    while next(running).stage != "after":
        pass
    running.close()
    saved = checkpoints(tmp_path / "run")[-1]
    tensors = (tmp_path / "run" / saved / STATE).read_bytes()
    left.save_checkpoint()  # as the program does when it is closed
    assert (tmp_path / "run" / saved / STATE).read_bytes() == tensors
    assert saved == f"checkpoint-{left.step:08d}"
    resumed = lesson(tiny, tmp_path / "run", config)
    stages = [event.stage for event in resumed.run()]
    assert "training" not in stages and same(masters(resumed), undisturbed)
    assert resumed.metrics()["best_step"] == steps[1]


def lesson_steps(tiny: LoadedModel, tmp_path: Path, config: LiftConfig) -> int:
    run = lesson(tiny, tmp_path / "steps", config)
    events = run.run()
    while next(events).stage != "training":
        pass
    events.close()
    assert run.state is not None
    return run.state.total


def test_a_run_that_is_stopped_and_kept_is_measured(tiny: LoadedModel, tmp_path: Path) -> None:
    run = lesson(tiny, tmp_path / "run", STUDIED)
    events = run.run()
    while run.step < 5:
        next(events)
    events.close()
    run.measure_after()
    metrics = report(run)
    assert metrics["steps"] == 5 < metrics["planned_steps"]
    assert metrics["loss_after"] < metrics["loss_before"]
    assert metrics["exam"]["history"][-1]["step"] == 5
    assert metrics["exam"]["adapter"].keys() == {"closed", "truncated"}


def test_another_documents_adapter_sits_the_exam_as_a_control(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    stranger = lora.attach(tiny.twin(), CONFIG)
    run = lesson(tiny, tmp_path / "run", STUDIED, control=lambda: ("Another book", stranger))
    finished(run)
    control = run.metrics()["exam"]["control"]
    assert control == {"name": "Another book", "closed": run.exam.base["closed"].f1}


SILENT: dict[str, Any] = {"given": (), "writer": None}
TERSE = STUDIED.with_changes(questions=1)


def test_without_a_question_that_passes_the_text_alone_is_absorbed(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    kept: list[list[StudyItem]] = []
    run = lesson(tiny, tmp_path / "run", TERSE, **SILENT, on_items=kept.append)
    finished(run)
    metrics = report(run)
    assert metrics["study"]["kept"] == 0 and kept == [[]]
    assert metrics["loss_after"] < metrics["loss_before"]
    assert "exam" not in metrics


@pytest.mark.parametrize("whole", [True, False])
def test_without_a_question_that_passes_and_without_text_one_sentence_says_so(
    tiny: LoadedModel, tmp_path: Path, whole: bool
) -> None:
    config = TERSE.with_changes(segments="none", segment_epochs=0, one_step_per_epoch=whole)
    with pytest.raises(InvalidConfig) as caught:
        finished(lesson(tiny, tmp_path / "run", config, **SILENT))
    assert str(caught.value).startswith("No question could be written")
    assert str(caught.value).count(".") == 1


EARLY = STUDIED.with_changes(
    study="sentences", segments="none", segment_epochs=0, exam_questions=0, questions=3
)
"""Trains on the first questions while others are still being written."""


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer passes the reader: a random model would agree with none."""
    monkeypatch.setattr(teacher, "AGREEMENT", 0.0)


@pytest.mark.usefixtures("trusting")
def test_what_is_written_is_told_at_once_and_studied(tiny: LoadedModel, tmp_path: Path) -> None:
    kept: list[list[StudyItem]] = []
    more: dict[str, Any] = {"given": (), "writer": Scribe(), "on_items": kept.append}
    run = lesson(tiny, tmp_path / "run", STUDIED, **more)
    finished(run)
    assert len(kept) == 1 and len(kept[0]) == 8
    assert run.metrics()["study"]["kept"] == 8 and run.metrics()["exam"]["questions"] == 2
    again = lesson(tiny, tmp_path / "run", STUDIED, **{**more, "given": kept[0]})
    finished(again)
    assert len(kept) == 1 and again.metrics()["study"]["kept"] == 8


@pytest.mark.usefixtures("trusting")
def test_a_documents_own_exam_is_held_and_its_pinned_questions_are_shown(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    kept: list[list[StudyItem]] = []
    more: dict[str, Any] = {"given": own_exam(), "writer": Scribe(), "on_items": kept.append}
    run = lesson(tiny, tmp_path / "run", STUDIED, **more)
    seen = [one.question for event in run.run() for one in event.pinned]
    exam = run.metrics()["exam"]
    assert [answer["question"] for answer in exam["answers"]] == [i.question for i in own_exam()]
    assert seen and set(seen) == {own_exam()[1].question}
    assert [entry["question"] for entry in run.metrics()["pinned"]] == [own_exam()[1].question]
    assert len(kept) == 1 and kept[0][:2] == own_exam() and len(kept[0]) == 10
    again = lesson(tiny, tmp_path / "run", STUDIED, **{**more, "given": kept[0]})
    finished(again)
    assert len(kept) == 1 and again.metrics()["exam"]["questions"] == 2
    assert again.metrics()["study"] == run.metrics()["study"]


@pytest.mark.usefixtures("trusting")
def test_own_exam_questions_are_no_reason_to_wait_with_the_first_epoch(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    def trained(folder: str, given: list[StudyItem]) -> list[torch.Tensor]:
        return finished(lesson(tiny, tmp_path / folder, EARLY, given=given, writer=Scribe()))

    assert same(trained("with", own_exam()), trained("without", []))


@pytest.mark.usefixtures("trusting")
def test_a_first_epoch_runs_while_questions_come_and_is_not_run_again(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    kept: list[StudyItem] = []

    def make(folder: str, mortal: Mortal) -> Lesson:
        # A job gets back what it wrote itself: it is kept with the document by then.
        more: dict[str, Any] = {"given": tuple(kept), "writer": Scribe(), "turn": mortal.turn}
        return lesson(tiny, tmp_path / folder, EARLY, **more, on_items=kept.extend)

    device = Mortal()
    calm = make("calm", device)
    undisturbed = finished(calm)
    closed = sum(len(s.ids) for step in range(calm.step) for s in closed_samples(calm, step))
    assert closed and calm.step == calm.metrics()["planned_steps"]
    for share in (0.2, 0.5, 0.7, 0.95):
        kept.clear()
        spans = iter([device.taken * share, math.inf])
        survivor, _ = lives(lambda mortal, share=share: make(f"run{share}", mortal), spans)
        assert same(masters(survivor), undisturbed), share
        assert survivor.metrics()["trained_tokens"] == calm.metrics()["trained_tokens"]


def closed_samples(run: Lesson, step: int) -> list[Any]:
    assert run.state is not None
    return [sample for unit in run.state.plan.units(step) for sample in unit]


FITTED = SELDOM.with_changes(adapter="gated-memory", study="none", fit_passes=3)


def test_a_memory_is_fitted_to_attention_before_it_is_trained(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    run = lesson(tiny, tmp_path / "run", FITTED)
    messages = [event.message for event in run.run() if "Fitting" in event.message]
    assert messages and run.step == run.metrics()["planned_steps"] > 0
    plain = lesson(tiny, tmp_path / "plain", FITTED.with_changes(fit_passes=0))
    assert not same(finished(plain), masters(run))
    assert run.metrics()["loss_after"] < run.metrics()["loss_before"]


def test_what_was_fitted_before_a_kill_is_not_fitted_again(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    calm = finished(lesson(tiny, tmp_path / "calm", FITTED))
    for event in lesson(tiny, tmp_path / "run", FITTED).run():
        if event.step == 2 and event.stage == "training":
            break
    resumed = lesson(tiny, tmp_path / "run", FITTED)
    messages = [event.message for event in resumed.run()]
    assert not any("Fitting" in message for message in messages)
    assert same(masters(resumed), calm)
