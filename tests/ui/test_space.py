"""Who is asking, on a Space and elsewhere, and what the page shows of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from lift_chat.settings import Settings
from tests.ui.conftest import in_loop
from tests.ui.fakes import FakeLiftChat
from tests.ui.space import Space, served_space, space_environment
from tests.ui.test_matrix import handlers, pytestmark
from ui.app import build_app, launch_options
from ui.claims import Claims
from ui.owner import owner_of, token_of
from ui.private_files import PrivateFiles
from ui.words import WHY_SIGN_IN

__all__ = ["pytestmark"]

MB = 10**6


def asking(session: dict[str, Any]) -> gr.Request:
    return gr.Request(cast(Any, SimpleNamespace(scope={"session": session})))


def signed_in(**changes: Any) -> dict[str, Any]:
    told = {
        "access_token": "hf_oauth_x",
        "expires_at": time.time() + 60,
        "userinfo": {"sub": "42", "preferred_username": "alice"},
        **changes,
    }
    return {"oauth_info": told}


@pytest.fixture
def on_a_space(tmp_path: Path) -> Iterator[None]:
    with space_environment(tmp_path / "gradio", "http://127.0.0.1:9"):
        yield


def test_on_a_desktop_everything_is_one_persons() -> None:
    for request in (None, asking({}), asking(signed_in())):
        assert owner_of(request) == "local", "Gradio's mocked sign-in counts for nothing"
        assert token_of(request) is None


def test_on_a_space_the_owner_is_the_account_that_signed_in(on_a_space: None) -> None:
    assert owner_of(asking(signed_in())) == "hf:42"
    assert token_of(asking(signed_in())) == "hf_oauth_x"
    renamed = {"sub": "42", "preferred_username": "alicia"}
    assert owner_of(asking(signed_in(userinfo=renamed))) == "hf:42"


@pytest.mark.parametrize(
    "session",
    [
        {},
        {"oauth_info": None},
        {"oauth_info": "local"},
        signed_in(expires_at=1.0),
        signed_in(expires_at=None),
        signed_in(expires_at="9999999999"),
    ],
)
def test_who_is_not_signed_in_is_nobody(on_a_space: None, session: dict[str, Any]) -> None:
    assert owner_of(asking(session)) == ""
    assert token_of(asking(session)) is False


@pytest.mark.parametrize("person", [None, {}, {"sub": ""}, {"sub": 7}, {"name": "local"}])
def test_a_profile_without_an_account_is_nobodys(on_a_space: None, person: Any) -> None:
    assert owner_of(asking(signed_in(userinfo=person))) == ""


def test_a_request_without_its_connection_is_nobodys(on_a_space: None) -> None:
    assert owner_of(None) == owner_of(gr.Request(username="local")) == ""
    assert token_of(None) is False


def test_only_a_space_has_a_sign_in_and_a_gate(on_a_space: None) -> None:
    app = in_loop(lambda: build_app(cast(Any, FakeLiftChat())))
    assert app.expects_oauth
    assert launch_options(Settings())["app_kwargs"]["middleware"]
    public = {
        str(event.api_name) for event in app.fns.values() if event.api_visibility != "private"
    }
    assert "_check_login_status" not in public


def test_a_desktop_has_neither() -> None:
    app = in_loop(lambda: build_app(cast(Any, FakeLiftChat())))
    assert not app.expects_oauth
    assert launch_options(Settings())["app_kwargs"]["middleware"] == []


def test_a_private_file_is_its_owners(on_a_space: None, tmp_path: Path) -> None:
    files, export = PrivateFiles(), tmp_path / "export.zip"
    export.write_bytes(b"x" * 10)
    path = files.hand_out(export, "hf:alice")
    assert Path(path).name == "export.zip" and not export.exists()
    assert [files.belongs(path, who) for who in ("hf:alice", "hf:bob", "", "local")] == [
        True, False, False, True,
    ]  # fmt: skip
    assert files.belongs(
        Path(path).parent / ".." / Path(path).parent.name / "export.zip", "hf:alice"
    )
    assert not files.belongs(Path(path).parent, "hf:alice")
    assert (files.held("hf:alice"), files.held("hf:bob")) == (10, 0)
    files.give(path, "hf:bob")
    assert files.belongs(path, "hf:alice") and files.belongs(path, "hf:bob")


def test_a_name_that_a_page_makes_up_is_the_first_persons_who_uses_it() -> None:
    claims = Claims(most=3)
    assert claims.claim("session", "s", ""), "nobody uses a free name, and does not get it"
    assert claims.claim("session", "s", "hf:alice") and claims.claim("session", "s", "hf:alice")
    assert not claims.claim("session", "s", "hf:bob") and not claims.claim("session", "s", "")
    assert claims.claim("upload", "s", "hf:bob"), "the same name of another kind is another"
    for name in "tuv":
        assert claims.claim("session", name, "hf:bob")
    assert claims.claim("session", "s", ""), "the least recently used is forgotten"


def test_a_name_that_is_given_out_is_nobody_elses() -> None:
    claims = Claims(most=3)
    for owner in ("hf:alice", ""):
        claims.give("event", f"of-{owner}", owner)
    assert claims.holds("event", "of-hf:alice", "hf:alice") and claims.holds("event", "of-", "")
    assert not claims.holds("event", "of-hf:alice", "hf:bob")
    assert not claims.holds("event", "of-hf:alice", "") and not claims.holds("event", "x", "")


@pytest.fixture(scope="module")
def space(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    folder = tmp_path_factory.mktemp("small-space")
    settings = Settings(
        home=folder / "home",
        base_model=str(tiny_folder),
        device="cpu",
        threads=1,
        quota_mb=1,
        max_upload_mb=1,
    )
    with served_space(settings, folder / "gradio") as served:
        yield served


def book(folder: Path, size: int) -> Path:
    path = folder / f"book-of-{size}.txt"
    path.write_text("a" * size, encoding="utf-8")
    return path


def test_who_is_not_signed_in_finds_a_page_and_cannot_upload(space: Space, tmp_path: Path) -> None:
    visitor = space.visitor()
    assert visitor.get("/").status_code == 200
    with book(tmp_path, 10).open("rb") as file:
        sent = visitor.http.post("/gradio_api/upload", files={"files": ("b.txt", file)})
    assert sent.status_code == 401 and "Sign in with Hugging Face" in sent.json()["detail"]
    assert list(tmp_path.glob("gradio/**/b.txt")) == []


def test_the_page_says_what_signing_in_is_for_until_one_has(space: Space) -> None:
    show = handlers(space.app)["show1"]
    told = {name: space.visitor(name).trigger(show._id, f"of-{name}", [3]) for name in ("", "eve")}
    assert '"visible":true' in told[""].split('"visible":false')[0]
    assert '"visible":false' in told["eve"].split('"visible":true')[0]
    config = space.visitor().get("/config").text
    assert WHY_SIGN_IN[:40] in config and "Sign in with Hugging Face" in config


def test_signing_out_makes_a_visitor_nobody_again(space: Space, tmp_path: Path) -> None:
    carol = space.visitor("carol")
    upload = carol.upload(book(tmp_path, 20))
    assert carol.file(upload) == 200
    left = carol.get("/logout")
    carol.http.headers["Cookie"] = left.headers["set-cookie"].split(";")[0]
    assert carol.file(upload) == 404
    assert "sign_in_needed" in carol.refused("absorb", {"path": upload}, "skim", {})


def test_a_forged_cookie_is_nobodys(space: Space, tmp_path: Path) -> None:
    dave = space.visitor("dave")
    upload = dave.upload(book(tmp_path, 30))
    data, *rest = dave.cookie.split(".")
    dave.http.headers["Cookie"] = ".".join([data[:-4] + "AAA=", *rest])
    assert dave.file(upload) == 404


def test_uploads_are_limited_before_they_are_kept(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erin = space.visitor("erin")
    erin.upload(book(tmp_path, 600_000))
    answer = erin.http.post("/gradio_api/upload", files={"files": ("c.txt", b"c" * 500_000)})
    assert answer.status_code == 413
    chunks = erin.http.post("/gradio_api/upload", content=iter([b"x"]))
    assert chunks.status_code == 411
    monkeypatch.setattr("ui.gate.free_bytes", lambda: 1999 * MB)
    answer = erin.http.post("/gradio_api/upload", files={"files": ("d.txt", b"d")})
    assert answer.status_code == 507 and "nearly full" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000])
def test_a_body_that_is_no_request_is_refused(space: Space, body: bytes) -> None:
    for path in ("/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/call/health"):
        assert space.visitor().http.post(path, content=body).status_code == 400
