"""The line is cut at every request of a push and of a fetch: whole or not at all on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.errors import HubRefused
from storage.hub.repository import fetch, look
from tests.hub.adapter_files import (
    BOOK,
    FILES,
    MESSAGE,
    MOST,
    NAMES,
    files_below,
    pushed,
    write_files,
)
from tests.hub.fake_hub import FakeHub
from tests.hub.faulty_server import Cut, Request

OLD = {"README.md": b"---\n---\nold", "adapter_model.safetensors": b"old weights", "more.txt": b"."}

Point = tuple[int, Cut]


def points_of(requests: list[Request], answers: Callable[[Request], int]) -> Iterator[Point]:
    """The number of a request and a cut there: before it, within its body, within the answer's
    body, whose length `answers` tells, and after the work is done but not told."""
    for number, request in enumerate(requests):
        yield number, Cut()
        yield number, Cut(sent=0)
        for size, cut in (
            (len(request.body), lambda place: Cut(read=place)),
            (answers(request), lambda place: Cut(sent=place)),
        ):
            yield from ((number, cut(place)) for place in {1, size // 2, size - 1} if place > 0)


def state(hub: FakeHub) -> dict[str, bytes] | None:
    repo = hub.repos.get(("model", BOOK))
    return repo and {name: blob.data for name, blob in repo.head.files.items()}


@pytest.mark.parametrize("times", [1, 1000], ids=["the line is back", "the line stays dead"])
@pytest.mark.parametrize("before", [None, OLD], ids=["new repository", "known repository"])
def test_a_push_that_is_cut_leaves_the_old_commit_or_the_new_one(
    hub: FakeHub, tmp_path: Path, before: dict[str, bytes] | None, times: int
) -> None:
    folder, ann = write_files(tmp_path / "adapter"), hub.sign_in("ann")

    def start() -> dict[str, bytes] | None:
        hub.repos.clear()
        hub.storage.clear()
        hub.requests.clear()
        if before:
            hub.add(BOOK, before, private=True)
        return state(hub)

    start()
    pushed(folder, ann)
    new = state(hub)
    assert new is not None and new | FILES == new
    empty = None if before else {".gitattributes": new[".gitattributes"]}
    points, refused = list(points_of(list(hub.requests), lambda request: 0)), 0
    for number, cut in points:
        old = start()
        hub.fail(cut, at=number, times=times)
        try:
            pushed(folder, ann)
        except HubRefused:
            refused += 1
        assert state(hub) in (old, empty, new)
        hub.heal()
        pushed(folder, ann)
        assert state(hub) == new
        repo = hub.repos["model", BOOK]
        assert [commit.message for commit in repo.commits].count(MESSAGE) == 1
        assert repo.private
    assert len(points) >= 25
    assert refused == len(points) if times > 1 else 0 < refused < len(points)
    assert files_below(folder) == FILES


def test_a_fetch_that_is_cut_leaves_whole_files_only(hub: FakeHub, tmp_path: Path) -> None:
    hub.add(BOOK, FILES)
    found = look(BOOK, token=False)
    lengths = {blob.sha256: len(blob.data) for blob in hub.repos["model", BOOK].head.files.values()}
    hub.requests.clear()
    fetch(found, NAMES, tmp_path / "all", token=False, most_bytes=MOST)

    def length(request: Request) -> int:
        stored = lengths.get(request.path.rpartition("/")[2], 0)
        return stored or len(FILES.get(request.path.partition(f"{found.commit}/")[2], b""))

    points = [point for point in points_of(list(hub.requests), length)]
    for turn, (number, cut) in enumerate(points):
        into = tmp_path / str(turn)
        hub.fail(cut, at=number)
        with pytest.raises(HubRefused, match=f"of {BOOK} broke off"):
            fetch(found, NAMES, into, token=False, most_bytes=MOST)
        there = files_below(into)
        assert there == {name: FILES[name] for name in there} and len(there) < len(NAMES)
        hub.heal()
        fetch(found, NAMES, into, token=False, most_bytes=MOST)
        assert files_below(into) == FILES
    assert len(points) >= 25


def test_a_look_that_is_cut_is_refused_and_succeeds_again(hub: FakeHub) -> None:
    hub.add(BOOK, FILES)
    for cut in (Cut(), Cut(sent=0), Cut(sent=1), Cut(sent=100)):
        hub.fail(cut, times=1)
        with pytest.raises(HubRefused, match=f"about {BOOK} broke off"):
            look(BOOK, token=False)
        assert set(look(BOOK, token=False).files) == set(FILES)
