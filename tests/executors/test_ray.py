"""Real Ray on this machine: two workers, a tiny model, and nothing faked."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import ray

from lift_chat import LiftChat
from lift_chat.adapters.folder import WEIGHTS_FILE
from lift_chat.errors import ExecutorUnavailable, LiftChatError
from lift_chat.executors import on_ray
from lift_chat.executors.order import Means
from lift_chat.handle import JobHandle
from lift_chat.settings import Settings
from storage.records import LOCAL, Adapter
from tests.conftest import QUICK, STUDIED, TALE, facts

pytestmark = [
    pytest.mark.slow,
    # Ray leaves its connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LONG = QUICK.with_changes(epochs=60, checkpoint_seconds=0.2)
NAMES = ("Orrin Vale", "Pell Harbour", "Tarn Hollow", "Marrow Point")


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIFT_CHAT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        # The card is only said to be there; what asks for one waits for it like for a real one.
        ray.init(
            num_cpus=2,
            num_gpus=1,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        yield
        ray.shutdown()


def weights(app: LiftChat, adapter: Adapter) -> bytes:
    return (app.library.adapter_folder(adapter.id, LOCAL) / WEIGHTS_FILE).read_bytes()


def elsewhere(settings: Settings, home: Path) -> Settings:
    return settings.model_copy(update={"home": home, "executor": "ray"})


def absorb_all(app: LiftChat, folder: Path) -> list[JobHandle]:
    """Four documents; the first has questions and an exam, the others are text alone."""
    handles = []
    for number, name in enumerate(NAMES):
        path = folder / f"{name}.txt"
        path.write_text(f"{name}\n\n" + TALE.replace("Orrin Vale", name), encoding="utf-8")
        document = app.add_document(path)
        if number == 0:
            items = facts(app.library.document_text(document.id, LOCAL))
            app.library.set_study_items(document.id, LOCAL, items)
        handles.append(app.absorb(document.id, QUICK if number else STUDIED))
    return handles


def workers() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] == ["ray::lift-chat"]:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_two_workers_make_the_same_adapters_as_the_local_one(
    settings: Settings, tmp_path: Path, two_workers: None
) -> None:
    with LiftChat.open(settings=settings) as app:
        local = [handle.wait(60) for handle in absorb_all(app, tmp_path)]
        expected = [weights(app, adapter) for adapter in local]
    with LiftChat.open(settings=elsewhere(settings, tmp_path / "other")) as app:
        handles = absorb_all(app, tmp_path)
        most = 0
        while not all(handle.status().job.is_over for handle in handles):
            most = max(most, sum(job.state == "running" for job in app.jobs()))
            time.sleep(0.05)
        made = [handle.wait(5) for handle in handles]
        assert [weights(app, adapter) for adapter in made] == expected
        assert most == 2
        assert made[0].metrics["exam"] == local[0].metrics["exam"]
        assert "".join(app.reply(made[1].id, "Who lit the lamp?"))


def test_a_killed_worker_is_replaced_and_the_job_ends_as_if_undisturbed(
    settings: Settings, tale: Path, tmp_path: Path, two_workers: None
) -> None:
    with LiftChat.open(settings=settings) as app:
        expected = weights(app, app.absorb(app.add_document(tale).id, LONG).wait(60))
    with LiftChat.open(settings=elsewhere(settings, tmp_path / "other")) as app:
        handle = app.absorb(app.add_document(tale).id, LONG)
        while not (handle.status().job.stage == "training" and handle.status().job.step > 20):
            assert not handle.status().job.is_over
            time.sleep(0.02)
        (worker,) = workers()
        os.kill(worker.pid, signal.SIGKILL)
        adapter = handle.wait(60)
        assert weights(app, adapter) == expected
        assert not worker.is_running()


def test_what_is_wanted_reaches_a_worker_while_it_trains(
    settings: Settings, tale: Path, two_workers: None
) -> None:
    with LiftChat.open(settings=elsewhere(settings, settings.home)) as app:
        kept, thrown = (
            app.absorb(app.add_document(tale).id, LONG.with_changes(epochs=1000, seed=seed))
            for seed in range(2)
        )
        for handle in (kept, thrown):
            while handle.status().job.stage != "training":
                assert not handle.status().job.is_over
                time.sleep(0.02)
        app.stop_job(kept.id, keep=True)
        app.stop_job(thrown.id, keep=False)
        adapter = kept.wait(60)
        assert 0 < adapter.metrics["steps"] < adapter.metrics["planned_steps"]
        with pytest.raises(LiftChatError) as caught:
            thrown.wait(60)
        assert caught.value.code == "cancelled" and app.adapters() == [adapter]


@pytest.mark.parametrize(
    ("device", "threads", "at_once"),
    [("auto", None, 1), ("cuda", None, 1), ("cpu", None, 2), ("cpu", 2, 1), ("cpu", 16, 1)],
)
def test_a_task_has_a_card_of_its_own_or_the_cores_that_it_may_use(
    settings: Settings, two_workers: None, device: str, threads: int | None, at_once: int
) -> None:
    told = settings.model_copy(update={"device": device, "threads": threads})
    executor = on_ray.connect(Means.of(told, "tiny"))
    assert executor.at_once == at_once
    executor.close()
    assert ray.is_initialized()  # it was here before, and belongs to others


def test_a_card_that_the_cluster_does_not_have_is_said_at_the_start(
    settings: Settings, two_workers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    told = settings.model_copy(update={"device": "cuda"})
    with pytest.raises(ExecutorUnavailable, match="has none"):
        on_ray.connect(Means.of(told, "tiny"))
