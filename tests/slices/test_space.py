"""A Space on ZeroGPU hardware: two visitors over HTTP, each with slices of their own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lift_chat.settings import Settings
from lift_chat.slices import absorbing
from tests.conftest import QUICK, TALE
from tests.hub.fake_hub import FakeHub
from tests.slices.fake_spaces import Spaces
from tests.ui.space import Space, Visitor, served_space
from tests.ui.test_matrix import pytestmark

__all__ = ["pytestmark"]

MOST_SLICES = 60
OPTIONS = {key: value for key, value in QUICK.to_dict().items() if key != "based_on"}


@pytest.fixture
def space(settings: Settings, spaces: Spaces, turns: None, tmp_path: Path) -> Iterator[Space]:
    settings = settings.model_copy(update={"slice_seconds": 40.0})
    with served_space(settings, tmp_path / "gradio", spaces.GPU) as served:
        yield served


def begun(visitor: Visitor, tmp_path: Path, name: str) -> dict[str, Any]:
    """A book of the visitor's own, waiting."""
    book = tmp_path / f"{name}.txt"
    book.write_text(f"The book of {name}\n\n{TALE}", encoding="utf-8")
    file = {
        "path": visitor.upload(book),
        "orig_name": book.name,
        "meta": {"_type": "gradio.FileData"},
    }
    cost = visitor.call("estimate", file, "skim", OPTIONS)
    assert cost["slices"]["slices"] >= 1
    job: dict[str, Any] = visitor.call("absorb", file, "skim", OPTIONS)
    return job


def day(visitor: Visitor, name: str, folder: Path) -> dict[str, Any]:
    """What one visitor does, and gets."""
    job_id = begun(visitor, folder, name)["job_id"]
    slices = [visitor.call("absorb_slice", job_id, False)]
    while slices[-1]["slices_left"]:
        slices.append(visitor.call("absorb_slice", job_id, False))
        assert len(slices) < MOST_SLICES
    adapter_id = slices[-1]["adapter_id"]
    return {
        "states": [job["state"] for job in slices],
        "answer": visitor.call("chat", adapter_id, "Who?", {"max_new_tokens": 6}),
        "pushed": visitor.call("push", adapter_id, f"{name}/book", False, False),
        "adapters": [one["id"] for one in visitor.call("list_adapters", "")] == [adapter_id],
    }


def sliced(visitor: Visitor, job_id: str) -> list[dict[str, Any]]:
    """What each slice says of a run, to its end."""
    told: list[dict[str, Any]] = []
    while not told or told[-1]["slices_left"]:
        told.append(visitor.call("absorb_slice", job_id, False))
        assert len(told) < 60
    return told


def test_two_visitors_absorb_slice_by_slice_side_by_side_talk_and_push(
    space: Space, hub: FakeHub, tmp_path: Path
) -> None:
    names = ("alice", "bob")
    for name in names:
        space.provider.tokens[name] = hub.sign_in(name)
    visitors = [space.visitor(name) for name in names]
    jobs = [begun(who, tmp_path, name)["job_id"] for who, name in zip(visitors, names, strict=True)]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(sliced, visitors, jobs))
    for name, visitor, (*before, last) in zip(names, visitors, runs, strict=True):
        assert len(before) > 1 and {job["state"] for job in before} == {"queued"}
        assert last["state"] == "done"
        assert [one["id"] for one in visitor.call("list_adapters", "")] == [last["adapter_id"]]
        answer = visitor.call("chat", last["adapter_id"], "Who?", {"max_new_tokens": 6})
        assert isinstance(answer, str)
        visitor.call("push", last["adapter_id"], f"{name}/book", False, False)
    assert {repo for _, repo in hub.repos} == {"alice/book", "bob/book"}
    assert all(repo.private for repo in hub.repos.values())
    assert visitors[0].call("health")["in_slices"] is True


def test_nobody_spends_slices_on_somebody_elses_run(
    space: Space, spaces: Spaces, tmp_path: Path
) -> None:
    alice, bob = space.visitor("alice"), space.visitor("bob")
    job_id = begun(alice, tmp_path, "alice")["job_id"]
    spent = len(spaces.calls)
    for stranger in (bob, space.visitor()):
        assert "not_found" in stranger.refused("absorb_slice", job_id, False)
    (taking, *_) = [fn for fn in space.app.fns.values() if fn.name == "take"]
    answer = bob.trigger(taking._id, "bobs-page", [job_id])
    assert "book of alice" not in answer
    assert len(spaces.calls) == spent
    assert alice.call("job_status", job_id, 0)["state"] == "queued"


def test_a_visitor_who_goes_away_leaves_a_run_that_goes_on(space: Space, tmp_path: Path) -> None:
    alice = space.visitor("alice")
    job_id = begun(alice, tmp_path, "alice")["job_id"]
    event = alice.begin("absorb_slice", job_id, False).json()["event_id"]
    with alice.http.stream("GET", f"/gradio_api/call/absorb_slice/{event}") as stream:
        first = next(line for line in stream.iter_lines() if line.startswith("data: "))
    assert json.loads(first.removeprefix("data: "))[0]["state"] == "running"
    for _ in range(600):
        job = alice.call("job_status", job_id, 0)
        if job["state"] == "queued":
            break
        time.sleep(0.05)
    assert job["state"] == "queued" and job["message"] == absorbing.WAITS
    assert alice.call("absorb_slice", job_id, False)["state"] in ("queued", "done")
