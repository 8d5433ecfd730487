"""Whatever the Hub or the line does comes out as one sentence, and no token is anywhere in it."""

from __future__ import annotations

import logging
import socket
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import HubRefused, LiftChatError, NotFound
from storage.hub.repository import Token, account, fetch, look
from tests.hub.adapter_files import BOOK, FILES, MOST, NAMES, files_below, pushed, write_files
from tests.hub.fake_hub import FakeHub
from tests.hub.faulty_server import Answer, Cut, Fault

VERBS = ("account", "look", "fetch", "push")


@pytest.fixture
def verbs(hub: FakeHub, tmp_path: Path) -> dict[str, Callable[[Token], object]]:
    """Each asks the Hub at once; the repository is there, private, and Ann's."""
    hub.add(BOOK, {"README.md": b"old", **FILES}, private=True)
    folder = write_files(tmp_path / "adapter")
    (folder / "README.md").write_bytes(b"---\n---\nnew")
    found = look(BOOK, token=hub.sign_in("ann"))
    into = tmp_path / "into"
    return {
        "account": account,
        "look": lambda token: look(BOOK, token=token),
        "fetch": lambda token: fetch(found, NAMES, into, token=token, most_bytes=MOST),
        "push": lambda token: pushed(folder, token),
    }


SENTENCES: list[tuple[Answer, type[LiftChatError], str]] = [
    (Answer.error(400, "Bad\nand worse"), HubRefused, r"refused .* \(400\)\. It says: Bad$"),
    (Answer.error(401, "Invalid credentials"), HubRefused, r"accept the login .* sign in again\.$"),
    (Answer.error(402, "Pay"), HubRefused, r"refused .* \(402\)\. It says: Pay$"),
    (
        Answer.error(403, "Storage is full"),
        HubRefused,
        r"does not allow .* It says: Storage is full$",
    ),
    (Answer.error(403, "Ask", "GatedRepo"), HubRefused, r"is gated: accept its terms"),
    (Answer.error(404, "Gone", "RepoNotFound"), NotFound, r"or this login may not see it\.$"),
    (Answer.error(404, "Gone", "RevisionNotFound"), NotFound, r"no such revision\.$"),
    (Answer.error(404, "Gone", "EntryNotFound"), NotFound, r"no such file\.$"),
    (Answer.error(404, "Gone"), NotFound, r"or this login may not see it\.$"),
    (Answer.error(409, "Conflict"), HubRefused, r"being changed by another request; try again\.$"),
    (Answer.error(412, "Moved"), HubRefused, r"changed by somebody else .* try again\.$"),
    (Answer.error(429, "Slow"), HubRefused, r"too many requests; try again in a few minutes\.$"),
    (Answer.error(500, "Oops"), HubRefused, r"in trouble \(500\); try again later\.$"),
    (Answer(503, {"Content-Type": "text/html"}, b"<html>"), HubRefused, r"in trouble \(503\)"),
    (Answer(403, {}, b"x" * 900), HubRefused, r"does not allow .* It says: x{200}$"),
]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("answer", "kind", "sentence"), SENTENCES, ids=[pattern for _, _, pattern in SENTENCES]
)
def test_every_refusal_of_the_hub_is_one_sentence(
    hub: FakeHub,
    verbs: dict[str, Callable[[Token], object]],
    verb: str,
    answer: Answer,
    kind: type[LiftChatError],
    sentence: str,
) -> None:
    hub.fail(answer)
    with pytest.raises(kind, match=sentence) as refusal:
        verbs[verb](hub.sign_in("ann"))
    assert type(refusal.value) is kind and "\n" not in str(refusal.value)


@pytest.mark.parametrize("at", range(1, 7))
def test_a_refusal_in_the_middle_of_a_push_leaves_the_old_commit(
    hub: FakeHub, verbs: dict[str, Callable[[Token], object]], at: int
) -> None:
    """Preupload, batch, two files, the check of the card, the commit; the client tries some of
    them again."""
    hub.storage.clear()
    before = hub.repos["model", BOOK].head
    hub.fail(Answer.error(500, "Oops"), at=at)
    with pytest.raises(HubRefused, match=r"trouble \(500\)"):
        verbs["push"](hub.sign_in("ann"))
    assert hub.repos["model", BOOK].head is before
    hub.heal()
    verbs["push"](hub.sign_in("ann"))
    assert hub.repos["model", BOOK].head.files["README.md"].data == b"---\n---\nnew"


@pytest.mark.parametrize("verb", ["look", "fetch", "push"])
def test_what_is_hidden_from_everybody_is_not_found(
    hub: FakeHub, verbs: dict[str, Callable[[Token], object]], verb: str
) -> None:
    hub.fail(Answer.error(401, "Invalid username or password.", "RepoNotFound"))
    with pytest.raises(NotFound, match="or this login may not see it"):
        verbs[verb](hub.sign_in("ann"))


def test_what_is_gated_can_be_looked_at_and_not_fetched(hub: FakeHub, tmp_path: Path) -> None:
    hub.add(BOOK, FILES).gated = True
    found = look(BOOK, token=False)
    for token in (False, hub.sign_in("bob")):
        with pytest.raises(HubRefused, match="gated: accept its terms on its page"):
            fetch(found, NAMES, tmp_path, token=token, most_bytes=MOST)
    assert files_below(tmp_path) == {}


def test_a_card_that_the_hub_does_not_take_is_refused_in_its_words(
    hub: FakeHub, tmp_path: Path
) -> None:
    folder = write_files(tmp_path)
    (folder / "README.md").write_text("no metadata")
    with pytest.raises(HubRefused, match=r"\(400\)\. It says: The card has no metadata$"):
        pushed(folder, hub.sign_in("ann"))
    assert set(hub.repos["model", BOOK].head.files) == {".gitattributes"}


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_asked_offline(
    hub: FakeHub,
    verbs: dict[str, Callable[[Token], object]],
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    before = len(hub.requests)
    with pytest.raises(HubRefused, match="while HF_HUB_OFFLINE is set"):
        verbs[verb](hub.sign_in("ann"))
    assert len(hub.requests) == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_hub_that_is_not_there_is_said(
    hub: FakeHub,
    verbs: dict[str, Callable[[Token], object]],
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nobody)
        template = nobody + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        with pytest.raises(HubRefused, match=r"broke off \(ConnectError\); try again"):
            verbs[verb](hub.sign_in("ann"))


@pytest.mark.parametrize("verb", VERBS)
def test_a_hub_that_does_not_answer_is_not_waited_for(
    hub: FakeHub,
    verbs: dict[str, Callable[[Token], object]],
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    monkeypatch.setattr("storage.hub.repository.SILENCE_SECONDS", 0.05)
    hub.pause = 0.5
    with pytest.raises(HubRefused, match=r"broke off \(ReadTimeout\)"):
        verbs[verb](hub.sign_in("ann"))


@pytest.mark.parametrize("verb", ["account", "look", "push"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"id": 1, "siblings": 7}'])
def test_an_answer_that_makes_no_sense_is_refused(
    hub: FakeHub, verbs: dict[str, Callable[[Token], object]], verb: str, body: bytes
) -> None:
    hub.fail(Answer(200, {"Content-Type": "application/json"}, body))
    with pytest.raises(HubRefused):
        verbs[verb](hub.sign_in("ann"))


@pytest.mark.parametrize("repo", ["book", "a/b/c", "ann/a book", "../book", "ann/", "", "ann/-x-"])
def test_what_is_no_name_of_a_repository_is_said(hub: FakeHub, tmp_path: Path, repo: str) -> None:
    folder, ann = write_files(tmp_path), hub.sign_in("ann")
    with pytest.raises(HubRefused, match="no name of a repository; write user/name"):
        pushed(folder, ann, repo)
    if repo != "book":  # a few old ones have no user
        with pytest.raises(HubRefused, match="no name of a repository"):
            look(repo, token=ann)
    assert hub.requests == []


# The token

FAULTS: dict[str, Fault] = {
    "cut": Cut(),
    "cut in the answer": Cut(sent=1),
    "no JSON": Answer(200, {}, b"{"),
    **{f"{answer.status} {pattern}": answer for answer, _, pattern in SENTENCES},
}


@pytest.fixture
def overheard(
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], str]:
    """All that was logged and printed, with everything logged that can be."""
    caplog.set_level(logging.DEBUG)
    for name in ("huggingface_hub", "httpx2", "httpcore2"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        caplog.set_level(logging.DEBUG, name)
    monkeypatch.setattr("huggingface_hub.constants.HF_DEBUG", True)
    return lambda: caplog.text + "".join(capfd.readouterr())


def told(error: BaseException) -> str:
    """All that a log or a page could show of an error."""
    assert error.__cause__ is None and error.__context__ is None
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_no_error_and_no_log_has_the_token(
    hub: FakeHub,
    verbs: dict[str, Callable[[Token], object]],
    verb: str,
    stored: bool,
    monkeypatch: pytest.MonkeyPatch,
    overheard: Callable[[], str],
) -> None:
    canary = hub.sign_in("ann")
    if stored:
        monkeypatch.setenv("HF_TOKEN", canary)
    for name, fault in FAULTS.items():
        hub.fail(fault)
        with pytest.raises(LiftChatError) as refusal:
            verbs[verb](None if stored else canary)
        assert hub.requests[-1].token == canary, name
        assert canary not in told(refusal.value), name
    heard = overheard()
    assert heard and canary not in heard


@pytest.mark.parametrize("verb", VERBS)
def test_a_hub_that_repeats_the_token_is_not_quoted(
    hub: FakeHub, verbs: dict[str, Callable[[Token], object]], verb: str
) -> None:
    canary = hub.sign_in("ann")
    for message in (f"Bearer {canary} may not", "It may not"):
        hub.fail(Answer.error(403, message))
        with pytest.raises(HubRefused, match="does not allow") as refusal:
            verbs[verb](canary)
        assert canary not in told(refusal.value)
    assert "It may not" in str(refusal.value)


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "shape", ["{}\r\nX-Evil: 1", "{}é", "{} {}", "{}\x01", "\x7f{}", "{}\N{KEY}"]
)
def test_a_token_with_odd_characters_is_not_repeated(
    hub: FakeHub,
    verbs: dict[str, Callable[[Token], object]],
    verb: str,
    shape: str,
    stored: bool,
    monkeypatch: pytest.MonkeyPatch,
    overheard: Callable[[], str],
) -> None:
    canary = hub.sign_in("ann")
    odd = shape.format(canary, canary)
    if stored:
        monkeypatch.setenv("HF_TOKEN", odd)
    before = len(hub.requests)
    with pytest.raises(HubRefused) as refusal:
        verbs[verb](None if stored else odd)
    assert canary not in told(refusal.value) + overheard()
    assert stored or len(hub.requests) == before
    assert not [request for request in hub.requests if "x-evil" in request.headers]


def test_no_token_at_all_is_not_an_empty_one(
    hub: FakeHub, verbs: dict[str, Callable[[Token], object]]
) -> None:
    for verb in verbs.values():
        with pytest.raises(HubRefused, match="This is no token"):
            verb("")
