"""Jobs that are carried out elsewhere, whatever happens there: over a real library, with real
training, and threads in the place of machines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lift_chat import LiftChat
from lift_chat.adapters.folder import WEIGHTS_FILE
from lift_chat.errors import LiftChatError
from lift_chat.executors import carrying
from lift_chat.executors.messages import Message, Saved
from lift_chat.handle import JobHandle
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study import teacher
from lift_chat.settings import Settings
from storage.library import Library
from storage.records import LOCAL, Adapter
from tests.conftest import QUICK, STUDIED, TALE, facts
from tests.executors.conftest import Killed, Threads, ThreadTask, at_step, trained
from tests.lift.test_preparation import Scribe

LONG = QUICK.with_changes(epochs=12, checkpoint_seconds=0.0)
EXAMINED = STUDIED.with_changes(epochs=1, exams=1, checkpoint_seconds=30.0)
Open = Callable[..., LiftChat]


def begin(app: LiftChat, tale: Path, config: LiftConfig = LONG) -> JobHandle:
    return app.absorb(app.add_document(tale).id, config)


def weights(app: LiftChat, adapter: Adapter) -> bytes:
    return (app.library.adapter_folder(adapter.id, LOCAL) / WEIGHTS_FILE).read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights that the local worker makes of the tale with `LONG`."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "orrin-vale.txt").write_text("The Lamp of Orrin Vale\n\n" + TALE, encoding="utf-8")
    settings = Settings(
        home=folder / "home",
        cache=folder / "cache",
        base_model=str(tiny_folder),
        device="cpu",
        threads=1,
    )
    with LiftChat.open(settings=settings) as app:
        return weights(app, begin(app, folder / "orrin-vale.txt").wait(60))


def test_an_adapter_made_elsewhere_is_in_the_library_with_its_curve(
    elsewhere: Open, settings: Settings, tale: Path, undisturbed: bytes
) -> None:
    with elsewhere() as app:
        handle = begin(app, tale)
        adapter = handle.wait(60)
        assert weights(app, adapter) == undisturbed
        assert adapter.metrics["loss_after"] < adapter.metrics["loss_before"]
        assert {point.stage for point in app.job(handle.id).metrics} >= {"before", "training"}
        assert app.compatible(adapter) == ""
    assert not list((settings.home / "runs").iterdir())


def test_as_many_jobs_run_at_once_as_there_is_room_for(
    elsewhere: Open, threads: Threads, tale: Path
) -> None:
    together, left = threading.Barrier(2), threading.Event()

    def meet(task: ThreadTask, message: Message) -> None:
        if trained(message) >= 1 and not left.is_set():
            together.wait(60)
            left.set()

    threads.watch = meet
    with elsewhere() as app:
        handles = [begin(app, tale, QUICK.with_changes(seed=n)) for n in range(3)]
        for handle in handles:
            handle.wait(60)
    assert threads.starts == [handle.id for handle in handles] and threads.closed


def test_questions_that_are_written_elsewhere_stay_with_the_document(
    elsewhere: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "EndpointWriter", lambda *settings: Scribe())
    monkeypatch.setattr(teacher, "AGREEMENT", 0.0)
    path = tmp_path / "book.md"
    path.write_text(f"# The road\n\nCarts went north.\n\n# The lamp\n\n{TALE}\n")
    with elsewhere() as app:
        document = app.add_document(path)
        lamp = [chapter.title for chapter in app.outline(document.id)].index("The lamp")
        config = STUDIED.with_changes(writer="endpoint", chapters=(lamp,))
        handle = app.absorb(document.id, config)
        adapter = handle.wait(60)
        kept = app.study_items(document.id)
        text = app.library.document_text(document.id, LOCAL)
        assert len(kept) == adapter.metrics["study"]["kept"] == 8
        assert all(item.answer in text[item.start : item.end] for item in kept)
        assert app.absorb(document.id, config).id == handle.id


def test_the_exam_has_the_adapter_of_another_document_as_its_control(
    elsewhere: Open, settings: Settings, tale: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Carts went north before it rained. " * 20)

    def examined(app: LiftChat) -> object:
        begin(app, other, QUICK).wait(60)
        document = app.add_document(tale)
        items = facts(app.library.document_text(document.id, LOCAL))
        app.library.set_study_items(document.id, LOCAL, items)
        return app.absorb(document.id, EXAMINED).wait(60).metrics["exam"]

    with elsewhere() as app, LiftChat.open(tmp_path / "local", settings=settings) as here:
        found = examined(app)
        assert isinstance(found, dict) and found["control"]
        assert found == examined(here)


def test_stop_and_keep_publishes_what_was_learned(
    elsewhere: Open, threads: Threads, tale: Path
) -> None:
    with elsewhere() as app:
        threads.watch = at_step(5, lambda: app.stop_job(app.jobs()[0].id, keep=True))
        adapter = begin(app, tale).wait(60)
        assert 5 <= adapter.metrics["steps"] < adapter.metrics["planned_steps"]
        assert adapter.metrics["loss_after"] < adapter.metrics["loss_before"]


def test_discard_leaves_nothing(
    elsewhere: Open, threads: Threads, settings: Settings, tale: Path
) -> None:
    with elsewhere() as app:
        threads.watch = at_step(5, lambda: app.stop_job(app.jobs()[0].id, keep=False))
        with pytest.raises(LiftChatError) as caught:
            begin(app, tale).wait(60)
        assert caught.value.code == "cancelled" and app.adapters() == []
    # The row says so first, then the files go; closing waits for both.
    assert not list((settings.home / "runs").iterdir())


def test_closing_the_app_lets_go_of_its_jobs_and_the_next_start_goes_on(
    elsewhere: Open, threads: Threads, settings: Settings, tale: Path, undisturbed: bytes
) -> None:
    reached = threading.Event()
    threads.watch = at_step(5, reached.set)
    with elsewhere() as app:
        handle = begin(app, tale)
        assert reached.wait(60)
    with Library.read_only(settings.home) as library:
        assert library.job(handle.id, LOCAL).state == "queued"
    threads.watch = first = Firsts()
    with elsewhere() as app:
        adapter = JobHandle(handle.id, app, LOCAL).wait(60)
        assert first.step > 5
        assert weights(app, adapter) == undisturbed


class Firsts:
    """Notes the first step that a task trains."""

    step = 0

    def __call__(self, task: ThreadTask, message: Message) -> None:
        self.step = self.step or trained(message)


def test_a_worker_that_dies_is_replaced_as_long_as_the_job_gets_on(
    elsewhere: Open, threads: Threads, tale: Path, undisturbed: bytes
) -> None:
    """Five deaths, each some steps further than the one before."""
    deaths: list[int] = []

    def die(task: ThreadTask, message: Message) -> None:
        if isinstance(message, Saved) and message.step >= 3 * (len(deaths) + 1) <= 15:
            deaths.append(message.step)
            raise Killed

    threads.watch = die
    with elsewhere() as app:
        adapter = begin(app, tale).wait(120)
        assert len(deaths) == 5 and threads.starts == [app.jobs()[0].id] * 6
        assert weights(app, adapter) == undisturbed


def test_a_job_whose_workers_all_die_fails_in_a_sentence_and_the_others_go_on(
    elsewhere: Open, threads: Threads, tale: Path
) -> None:
    with elsewhere() as app:

        def die(task: ThreadTask, message: Message) -> None:
            if task.work.name == doomed.id:
                raise Killed

        threads.at_once, threads.watch = 1, die
        document = app.add_document(tale)
        doomed = app.absorb(document.id, QUICK)
        with pytest.raises(LiftChatError, match=r"The worker died\. That was 3 times") as caught:
            doomed.wait(60)
        assert caught.value.code == "worker_lost"
        assert app.absorb(document.id, QUICK.with_changes(seed=1)).wait(60)
        threads.watch = lambda task, message: None
        app.resume_job(doomed.id)
        assert doomed.wait(60)


def test_a_base_that_a_worker_cannot_load_is_the_jobs_error(
    elsewhere: Open, settings: Settings, tale: Path, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"base_model": str(tmp_path)})
    with elsewhere(settings) as app, pytest.raises(LiftChatError, match="no safetensors") as caught:
        begin(app, tale).wait(60)
    assert caught.value.code == "model_unavailable"


def test_a_worker_that_talks_nonsense_fails_its_job_alone(
    elsewhere: Open, threads: Threads, tale: Path
) -> None:
    def babble(task: ThreadTask, message: Message) -> None:
        if trained(message) >= 2 and task.work.name == threads.starts[0]:
            task.lines.append('{"says": "Published"}')
            at_step(2, lambda: None)(task, message)

    threads.watch = babble
    with elsewhere() as app:
        first, second = begin(app, tale), begin(app, tale, QUICK)
        with pytest.raises(LiftChatError) as caught:
            first.wait(60)
        assert caught.value.code == "internal"
        assert second.wait(60) and len(app.adapters()) == 1


def test_an_adapter_that_comes_back_damaged_is_not_published(
    elsewhere: Open, threads: Threads, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ThreadTask.outcome

    def torn(task: ThreadTask) -> object:
        outcome = real(task)
        if outcome is not None:
            file = task.results / WEIGHTS_FILE
            file.write_bytes(file.read_bytes()[:-7])
        return outcome

    monkeypatch.setattr(ThreadTask, "outcome", torn)
    with elsewhere() as app, pytest.raises(LiftChatError, match=WEIGHTS_FILE) as caught:
        begin(app, tale, QUICK).wait(60)
    assert caught.value.code == "adapter_damaged"
    assert not list((app.settings.home / "adapters").iterdir())
