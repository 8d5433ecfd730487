"""Files of a folder in a repository and back, through the real client, against a small Hub."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from storage.errors import HubRefused, NotFound
from storage.hub.repository import account, fetch, look, push
from tests.hub.adapter_files import (
    BOOK,
    FILES,
    MESSAGE,
    MOST,
    NAMES,
    WEIGHTS,
    files_below,
    pushed,
    write_files,
)
from tests.hub.fake_hub import FakeHub
from tests.hub.faulty_server import Answer, Cut, Request


@pytest.fixture
def ann(hub: FakeHub) -> str:
    """Ann's token."""
    return hub.sign_in("ann")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is pushed, and beside it what must not be."""
    there = write_files(tmp_path / "adapter")
    (there / "book.pdf").write_bytes(b"the whole book")
    (there / "reader" / "notes.txt").write_bytes(b"private notes")
    return there


def content_of(hub: FakeHub, repo: str = BOOK, kind: str = "model") -> dict[str, bytes]:
    """The newest files of the repository."""
    return {name: blob.data for name, blob in hub.repos[kind, repo].head.files.items()}


def asked(hub: FakeHub) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in hub.requests]


# There and back


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_what_was_pushed_comes_back_byte_for_byte(
    hub: FakeHub, ann: str, folder: Path, tmp_path: Path, public: bool, kind: str
) -> None:
    made = push(folder, NAMES, BOOK, public=public, token=ann, message=MESSAGE, repo_type=kind)
    found = look(BOOK, token=ann, repo_type=kind)
    assert (found.repo, found.commit, found.private) == (BOOK, made.commit, not public)
    assert made.private is not public and made.url.endswith("s/" * (kind != "model") + BOOK)
    assert {name: found.files[name] for name in NAMES} == {n: len(d) for n, d in FILES.items()}
    fetch(found, NAMES, tmp_path / "into", token=ann, most_bytes=MOST, repo_type=kind)
    assert files_below(tmp_path / "into") == FILES


def test_others_see_what_is_public_and_nothing_else(
    hub: FakeHub, ann: str, folder: Path, tmp_path: Path
) -> None:
    bob = hub.sign_in("bob")
    pushed(folder, ann, "ann/secret")
    pushed(folder, ann, "ann/open", public=True)
    with pytest.raises(NotFound, match="ann/secret is not on the Hub"):
        look("ann/secret", token=bob)
    for token in (bob, False):
        fetch(look("ann/open", token=token), NAMES, tmp_path, token=token, most_bytes=MOST)
    with pytest.raises(NotFound):
        look("ann/secret", token=False)
    with pytest.raises(HubRefused, match=r"does not allow this login .* You have no write"):
        pushed(folder, bob, "ann/open", public=True)
    with pytest.raises(HubRefused, match="does not allow this login"):
        pushed(folder, bob, "ann/new")


def test_an_earlier_revision_can_be_looked_at(hub: FakeHub, ann: str, folder: Path) -> None:
    first = pushed(folder, ann)
    (folder / "README.md").write_bytes(b"---\ntags: []\n---\nmore")
    pushed(folder, ann)
    found = look(BOOK, first.commit, token=ann)
    assert found.commit == first.commit and found.files["README.md"] == len(FILES["README.md"])
    with pytest.raises(NotFound, match="no such revision"):
        look(BOOK, "v9", token=ann)


def test_the_clients_own_download_finds_what_was_pushed(
    hub: FakeHub, ann: str, folder: Path, tmp_path: Path
) -> None:
    pushed(folder, ann)
    for name in NAMES:
        there = hf_hub_download(BOOK, name, token=ann, cache_dir=tmp_path / "cache")
        assert Path(there).read_bytes() == FILES[name]


# One commit


def test_a_push_is_one_commit_on_top_of_what_is_there(hub: FakeHub, ann: str, folder: Path) -> None:
    repo = hub.add(BOOK, {"ours.txt": b"kept", "README.md": b"old"}, private=True)
    pushed(folder, ann)
    assert [commit.message for commit in repo.commits] == ["by hand", MESSAGE]
    assert content_of(hub) == {"ours.txt": b"kept", **FILES}


def test_pushing_the_same_again_changes_nothing(hub: FakeHub, ann: str, folder: Path) -> None:
    first = pushed(folder, ann)
    assert pushed(folder, ann) == first
    assert hub.repos["model", BOOK].head.id == first.commit


def test_somebody_elses_commit_in_between_is_not_overwritten(
    hub: FakeHub, ann: str, folder: Path
) -> None:
    repo = hub.add(BOOK, {"README.md": b"old"}, private=True)

    def meanwhile(request: Request, found: re.Match[str]) -> Answer:
        repo.commit(hub.add("x/x", {"theirs.txt": b"theirs"}).head.files, "theirs")
        hub.routes.pop(0)
        return hub.answer(request)

    hub.route("POST", ".*/preupload/main", meanwhile)
    with pytest.raises(HubRefused, match="changed by somebody else"):
        pushed(folder, ann)
    assert content_of(hub) == {"README.md": b"old", "theirs.txt": b"theirs"}
    pushed(folder, ann)
    assert content_of(hub) == {"theirs.txt": b"theirs", **FILES}


def test_a_gitignore_in_the_repository_holds_nothing_back(
    hub: FakeHub, ann: str, folder: Path
) -> None:
    rules = f"adapter_config.json\n{WEIGHTS}\n".encode()
    hub.add(BOOK, {".gitignore": rules}, private=True)
    pushed(folder, ann)
    assert content_of(hub) == {".gitignore": rules, **FILES}


# What may leave, and who may see it


def test_a_file_that_is_not_named_never_leaves(hub: FakeHub, ann: str, folder: Path) -> None:
    pushed(folder, ann)
    assert set(content_of(hub)) == {".gitattributes", *NAMES}
    large = {hashlib.sha256(FILES[name]).hexdigest() for name in NAMES if name.endswith(WEIGHTS)}
    assert set(hub.storage) == large
    announced = [
        file["path"]
        for request in hub.requests
        if "/preupload/" in request.path
        for file in request.json()["files"]
    ]
    assert announced == NAMES


@pytest.mark.parametrize(
    "name",
    ["link.json", "far/secret.txt", "../secret.txt", "reader", "gone.json", "", ".", "a\\b", "a\0"],
)
def test_what_is_no_plain_file_of_the_folder_is_refused(
    hub: FakeHub, ann: str, folder: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.json").symlink_to(tmp_path / "secret.txt")
    (folder / "far").symlink_to(tmp_path)
    for bad in {name, str(folder / "README.md")}:
        with pytest.raises(HubRefused, match="no plain file of the folder"):
            push(folder, [*NAMES, bad], BOOK, public=False, token=ann, message="m")
    assert hub.requests == []


def test_nothing_to_push_is_said(hub: FakeHub, ann: str, folder: Path) -> None:
    with pytest.raises(HubRefused, match="nothing to push"):
        push(folder, [], BOOK, public=False, token=ann, message="m")
    assert hub.requests == []


@pytest.mark.parametrize("public", [False, True])
def test_not_a_byte_goes_into_a_repository_of_the_other_visibility(
    hub: FakeHub, ann: str, folder: Path, public: bool
) -> None:
    repo = hub.add(BOOK, {"README.md": b"old"}, private=public)
    with pytest.raises(HubRefused, match="is private and stays" if public else "everybody would"):
        pushed(folder, ann, public=public)
    assert asked(hub) == [("GET", f"/api/models/{BOOK}")]
    assert len(repo.commits) == 1 and repo.private is public


def test_a_hub_that_makes_something_else_than_was_asked_for_gets_nothing(
    hub: FakeHub, ann: str, folder: Path
) -> None:
    def all_public(request: Request, found: re.Match[str]) -> Answer:
        hub.add(BOOK, {".gitattributes": b""})
        return Answer.of({"url": f"{hub.url}/{BOOK}"})

    hub.route("POST", "/api/repos/create", all_public)
    with pytest.raises(HubRefused, match="everybody would see"):
        pushed(folder, ann)
    assert [path for method, path in asked(hub) if method != "GET"] == ["/api/repos/create"]
    assert set(content_of(hub)) == {".gitattributes"}


# What comes in


def test_exactly_the_named_files_of_that_commit_are_fetched_and_nothing_is_cached(
    hub: FakeHub, tmp_path: Path
) -> None:
    hub.add(BOOK, FILES)
    found = look(BOOK, token=False)
    hub.add(BOOK, {"README.md": b"newer", WEIGHTS: b"newer"})
    fetch(found, ["README.md", WEIGHTS], tmp_path / "into", token=False, most_bytes=MOST)
    assert files_below(tmp_path) == {f"into/{n}": FILES[n] for n in ("README.md", WEIGHTS)}


def test_too_much_or_too_little_is_said_before_anything_is_fetched(
    hub: FakeHub, tmp_path: Path
) -> None:
    hub.add(BOOK, {**FILES, "a/../../out.json": b"{}", "/etc/out.json": b"{}"})
    found = look(BOOK, token=False)
    looked = len(hub.requests)
    size = sum(len(FILES[name]) for name in NAMES)
    with pytest.raises(HubRefused, match=rf"{size:,} bytes; {size - 1:,} are allowed"):
        fetch(found, NAMES, tmp_path / "into", token=False, most_bytes=size - 1)
    with pytest.raises(NotFound, match=r"no file 'gone\.json'"):
        fetch(found, [*NAMES, "gone.json"], tmp_path / "into", token=False, most_bytes=MOST)
    for name in ("a/../../out.json", "/etc/out.json"):
        with pytest.raises(HubRefused, match="is not taken"):
            fetch(found, [*NAMES, name], tmp_path / "into", token=False, most_bytes=MOST)
    assert len(hub.requests) == looked and files_below(tmp_path) == {}
    fetch(found, NAMES, tmp_path / "into", token=False, most_bytes=size)


CHANGES: dict[str, Callable[[bytes], Answer]] = {
    "a byte changed": lambda data: Answer(body=b"?" + data[1:]),
    "a byte less": lambda data: Answer(body=data[1:]),
    "a byte more": lambda data: Answer(body=data + b"?"),
    "much more": lambda data: Answer(body=data * 50),
    "nothing": lambda data: Answer(),
    "packed": lambda data: Answer(200, {"Content-Encoding": "gzip"}, gzip.compress(data)),
}


@pytest.mark.parametrize("name", ["adapter_config.json", WEIGHTS])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_is_not_the_one_that_was_told_is_not_taken(
    hub: FakeHub, tmp_path: Path, name: str, change: Callable[[bytes], Answer]
) -> None:
    hub.add(BOOK, FILES)
    found = look(BOOK, token=False)
    changed = change(FILES[name])
    hub.route("GET", f"/{BOOK}/resolve/.*/{name}", lambda request, found: changed)
    with pytest.raises(HubRefused, match=f"{name} of {BOOK}"):
        fetch(found, ["README.md", name], tmp_path, token=False, most_bytes=MOST)
    assert files_below(tmp_path) == {"README.md": FILES["README.md"]}


def test_a_file_that_goes_on_past_its_size_is_not_read_to_its_end(
    hub: FakeHub, tmp_path: Path
) -> None:
    hub.add(BOOK, FILES)
    found = look(BOOK, token=False)
    endless = Answer(body=b"x" * (8 << 20))
    hub.route("GET", f"/{BOOK}/resolve/.*", lambda request, found: endless)
    with pytest.raises(HubRefused, match="larger than the Hub said"):
        fetch(found, ["README.md"], tmp_path, token=False, most_bytes=MOST)
    assert files_below(tmp_path) == {}


def test_a_file_that_was_there_before_stays_until_the_new_one_is_whole(
    hub: FakeHub, tmp_path: Path
) -> None:
    hub.add(BOOK, FILES)
    (tmp_path / WEIGHTS).write_bytes(b"before")
    found = look(BOOK, token=False)
    hub.fail(Cut(sent=1000))
    with pytest.raises(HubRefused):
        fetch(found, [WEIGHTS], tmp_path, token=False, most_bytes=MOST)
    assert files_below(tmp_path) == {WEIGHTS: b"before"}
    hub.heal()
    fetch(found, [WEIGHTS], tmp_path, token=False, most_bytes=MOST)
    assert files_below(tmp_path) == {WEIGHTS: FILES[WEIGHTS]}


def test_a_repository_that_does_not_say_how_large_its_files_are_is_refused(hub: FakeHub) -> None:
    vague = {"id": BOOK, "sha": "0" * 40, "private": False, "siblings": [{"rfilename": "a.json"}]}
    hub.route("GET", f"/api/models/{BOOK}", lambda request, found: Answer.of(vague))
    with pytest.raises(HubRefused, match="does not say how large"):
        look(BOOK, token=False)


# Whose token


def test_a_token_goes_to_the_hub_for_its_call_and_nowhere_else(
    hub: FakeHub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ann: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.sign_in("bob"))
    pushed(folder, ann)
    fetch(look(BOOK, token=ann), NAMES, tmp_path / "into", token=ann, most_bytes=MOST)
    by_host = {request.headers["host"]: set[str | None]() for request in hub.requests}
    for request in hub.requests:
        by_host[request.headers["host"]].add(request.token)
    assert by_host == {
        hub.url.removeprefix("http://"): {ann},
        hub.elsewhere.removeprefix("http://"): {None},
    }
    assert ann not in "".join(os.environ.values())
    assert not [name for name, data in files_below(tmp_path).items() if ann.encode() in data]


def test_whoever_asks_as_nobody_sends_no_token_whoever_is_logged_in(
    hub: FakeHub, ann: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(folder, ann, public=True)
    monkeypatch.setenv("HF_TOKEN", ann)
    (tmp_path / "hf-home").mkdir()
    (tmp_path / "hf-home" / "token").write_text(ann)
    before = len(hub.requests)
    fetch(look(BOOK, token=False), NAMES, tmp_path / "into", token=False, most_bytes=MOST)
    assert len(hub.requests) > before + len(NAMES)
    assert not [r for r in hub.requests[before:] if "authorization" in r.headers]
    before = len(hub.requests)
    with pytest.raises(HubRefused, match="Sign in"):
        push(folder, NAMES, BOOK, public=True, token=False, message="m")
    with pytest.raises(HubRefused, match="Nobody is signed in"):
        account(False)
    assert len(hub.requests) == before


def test_without_a_token_it_is_the_clients_own_login(
    hub: FakeHub, ann: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HubRefused, match="no Hugging Face login"):
        account(None)
    with pytest.raises(HubRefused, match="sign in again"):
        push(folder, NAMES, BOOK, public=False, token=None, message="m")
    (tmp_path / "hf-home").mkdir()
    (tmp_path / "hf-home" / "token").write_text(hub.sign_in("bob"))
    assert account(None) == "bob"
    monkeypatch.setenv("HF_TOKEN", ann)
    assert account(None) == "ann"
    assert account(hub.sign_in("eve")) == "eve"
    push(folder, NAMES, BOOK, public=False, token=None, message="m")
    fetch(look(BOOK, token=None), NAMES, tmp_path / "into", token=None, most_bytes=MOST)
    assert files_below(tmp_path / "into") == FILES


def test_a_push_says_nothing_on_the_terminal(
    hub: FakeHub, ann: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pushed(folder, ann)
    pushed(folder, ann)
    hub.add(BOOK, {WEIGHTS: b"theirs"})
    pushed(folder, ann)
    assert capfd.readouterr() == ("", "")


def test_only_what_was_looked_at_is_fetched(hub: FakeHub, tmp_path: Path) -> None:
    hub.add(BOOK, FILES)
    found = look(BOOK, token=False)
    with pytest.raises(NotFound, match="no such"):
        missing = replace(found, commit="0" * 40)
        fetch(missing, ["README.md"], tmp_path, token=False, most_bytes=MOST)
    assert files_below(tmp_path) == {}
