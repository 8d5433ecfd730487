"""A small Hugging Face Hub: repositories as the client talks to them, users, and nothing else.

It follows the real one where a client can see it: a private repository is missing for everybody
else, a commit names its parent or is refused, large files go to a storage on another host by
addresses that need no token. Faults come from `FaultyServer`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import close_session

from tests.hub.faulty_server import Answer, FaultyServer, Request

LARGE = re.compile(r".*\.(safetensors|bin|pt|pdf|zip)")
REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"
KIND = r"(?P<kind>model|dataset)s"
PREFIX = r"(?P<kind>datasets/)?"


@dataclass(frozen=True)
class Blob:
    data: bytes
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def oid(self) -> str:
        """The git hash of what git holds: the file, or the pointer to it."""
        held = self.data
        if self.large:
            held = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\n"
                f"size {len(self.data)}\n"
            ).encode()
        return hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.oid


@dataclass(frozen=True)
class Commit:
    id: str
    files: Mapping[str, Blob]
    message: str


@dataclass
class Repo:
    id: str
    kind: str
    private: bool
    gated: bool = False
    commits: list[Commit] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def commit(
        self, changes: Mapping[str, Blob], message: str, gone: Collection[str] = ()
    ) -> Commit:
        before = self.head.files if self.commits else {}
        files = {name: blob for name, blob in before.items() if name not in gone} | dict(changes)
        self.commits.append(Commit(secrets.token_hex(20), files, message))
        return self.head


class Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class FakeHub(FaultyServer):
    """`hub.use(monkeypatch, home)` is for the client; `hub.sign_in("ann")` gives a token."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, str] = {}
        """Token to user."""

        self.repos: dict[tuple[str, str], Repo] = {}
        self.storage: dict[str, bytes] = {}
        """Large files by SHA-256, committed or not."""

        for methods, path, answer in (
            ("GET", "/api/whoami-v2", self._whoami),
            ("POST", "/api/repos/create", self._create),
            ("POST", "/api/validate-yaml", self._validate),
            ("GET", rf"/api/{KIND}/{REPO}(/revision/(?P<rev>.+))?", self._info),
            ("GET", rf"/api/{KIND}/{REPO}/tree/(?P<rev>[^/]+)", self._tree),
            ("POST", rf"/api/{KIND}/{REPO}/preupload/main", self._preupload),
            ("POST", rf"/api/{KIND}/{REPO}/commit/main", self._commit),
            ("POST", rf"/{PREFIX}{REPO}\.git/info/lfs/objects/batch", self._batch),
            ("GET HEAD", rf"/{PREFIX}{REPO}/resolve/(?P<rev>[^/]+)/(?P<name>.+)", self._resolve),
            ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})", self._store),
            ("GET HEAD", r"/storage/(?P<oid>[0-9a-f]{64})", self._stored),
        ):
            self.route(methods, path, answer)

    def use(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        """Points the client of this process, and of its children, here, with nobody logged in."""
        monkeypatch.setenv("HF_ENDPOINT", self.url)
        monkeypatch.setenv("HF_HOME", str(home))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        # The client read these from the environment when it was imported.
        for name, value in {
            "ENDPOINT": self.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": self.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_TELEMETRY": True,  # once a day it would ask for one thing more
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        }.items():
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        # It waits up to 23 seconds before it gives up, and has no setting for that.
        clock = SimpleNamespace(sleep=lambda seconds: None)
        monkeypatch.setattr("huggingface_hub.utils._http.time", clock)

    def __exit__(self, *exc: object) -> None:
        close_session()
        super().__exit__(*exc)

    def sign_in(self, user: str) -> str:
        token = "hf_" + user + secrets.token_hex(16)
        self.users[token] = user
        return token

    def add(
        self, repo: str, files: Mapping[str, bytes], *, private: bool = False, kind: str = "model"
    ) -> Repo:
        """A repository with a commit, or one more commit of it, as if somebody had pushed it."""
        there = self.repos.setdefault((kind, repo), Repo(repo, kind, private))
        blobs = {name: Blob(data, bool(LARGE.fullmatch(name))) for name, data in files.items()}
        self.storage |= {blob.sha256: blob.data for blob in blobs.values() if blob.large}
        there.commit(blobs, "by hand")
        return there

    def answer(self, request: Request) -> Answer:
        if request.token is not None and request.token not in self.users:
            return Answer.error(401, "Invalid credentials in Authorization header")
        try:
            return super().answer(request)
        except Refused as refused:
            return refused.answer

    # Who may what

    def _user(self, request: Request) -> str:
        user = self.users.get(request.token or "")
        if user is None:
            raise Refused(Answer.error(401, "Invalid username or password."))
        return user

    def _repo(self, request: Request, found: re.Match[str], *, write: bool = False) -> Repo:
        kind = "dataset" if (found["kind"] or "").startswith("dataset") else "model"
        repo, user = self.repos.get((kind, found["repo"])), self.users.get(request.token or "")
        if repo is None or (repo.private and user != repo.owner):
            # The client tells a missing repository by this code, or by 401 and an https address.
            status = 404 if user else 401
            raise Refused(Answer.error(status, "Repository not found", "RepoNotFound"))
        if write and self._user(request) != repo.owner:
            raise Refused(Answer.error(403, f"You have no write access to {repo.id}"))
        return repo

    def _at(self, repo: Repo, revision: str | None) -> Commit:
        if revision in (None, "main"):
            return repo.head
        for commit in repo.commits:
            if commit.id == revision:
                return commit
        raise Refused(Answer.error(404, "Revision not found", "RevisionNotFound"))

    # Accounts and repositories

    def _whoami(self, request: Request, found: re.Match[str]) -> Answer:
        return Answer.of({"type": "user", "name": self._user(request)})

    def _create(self, request: Request, found: re.Match[str]) -> Answer:
        asked, user = request.json(), self._user(request)
        owner, kind = asked["organization"] or user, asked.get("type") or "model"
        repo = f"{owner}/{asked['name']}"
        if owner != user:
            return Answer.error(403, f"You may not create a repository under {owner}")
        if (kind, repo) in self.repos:
            return Answer.error(409, f"You already created this {kind} repo")
        made = Repo(repo, kind, private=asked.get("visibility") == "private")
        made.commit(
            {".gitattributes": Blob(b"*.safetensors filter=lfs\n", False)}, "initial commit"
        )
        self.repos[kind, repo] = made
        return Answer.of({"url": self._page(made), "name": repo})

    def _validate(self, request: Request, found: re.Match[str]) -> Answer:
        if request.json()["content"].startswith("---\n"):
            return Answer.of({"errors": [], "warnings": []})
        message = "The card has no metadata"
        return Answer.of({"errors": [{"message": message}], "warnings": []}, 400)

    def _info(self, request: Request, found: re.Match[str]) -> Answer:
        repo = self._repo(request, found)
        commit = self._at(repo, found["rev"])
        return Answer.of(
            {
                "id": repo.id,
                "sha": commit.id,
                "private": repo.private,
                "gated": repo.gated and "manual",
                "siblings": [
                    {"rfilename": name} | (_facts(blob) if "blobs" in request.query else {})
                    for name, blob in commit.files.items()
                ],
            }
        )

    def _tree(self, request: Request, found: re.Match[str]) -> Answer:
        commit = self._at(self._repo(request, found), found["rev"])
        files = []
        for name, blob in commit.files.items():
            file: dict[str, object] = {"type": "file", "path": name}
            file |= {"size": len(blob.data), "oid": blob.oid}
            if blob.large:
                file["lfs"] = {"size": len(blob.data), "oid": blob.sha256, "pointerSize": 134}
            files.append(file)
        return Answer.of(files)

    def _page(self, repo: Repo) -> str:
        return f"{self.url}/{'datasets/' if repo.kind == 'dataset' else ''}{repo.id}"

    # Files that arrive

    def _preupload(self, request: Request, found: re.Match[str]) -> Answer:
        repo, asked = self._repo(request, found, write=True), request.json()
        ignored = repo.head.files.get(".gitignore", Blob(b"", False)).data.decode()
        rules = asked.get("gitIgnore", ignored).splitlines()
        files = []
        for file in asked["files"]:
            name, there = file["path"], repo.head.files.get(file["path"])
            mode = "lfs" if LARGE.fullmatch(name) else "regular"
            known = {"oid": there.etag} if there else {}
            files.append({"path": name, "uploadMode": mode, "shouldIgnore": name in rules, **known})
        return Answer.of({"files": files})

    def _batch(self, request: Request, found: re.Match[str]) -> Answer:
        self._repo(request, found, write=True)
        objects = []
        for asked in request.json()["objects"]:
            where = f"{self.elsewhere}/storage/{asked['oid']}"
            known = asked["oid"] in self.storage
            objects.append(asked if known else asked | {"actions": {"upload": {"href": where}}})
        return Answer.of({"transfer": "basic", "objects": objects})

    def _store(self, request: Request, found: re.Match[str]) -> Answer:
        if hashlib.sha256(request.body).hexdigest() != found["oid"]:
            return Answer.error(400, "The bytes are not those that were announced")
        self.storage[found["oid"]] = request.body
        return Answer()

    def _commit(self, request: Request, found: re.Match[str]) -> Answer:
        repo = self._repo(request, found, write=True)
        header, *lines = (json.loads(line) for line in request.body.splitlines())
        if header["value"].get("parentCommit", repo.head.id) != repo.head.id:
            return Answer.error(412, "A commit has happened since. Please refresh and try again.")
        changes: dict[str, Blob] = {}
        gone = set()
        for line in lines:
            value = line["value"]
            if line["key"] == "deletedFile":
                if value["path"] not in repo.head.files:
                    return Answer.error(404, f"{value['path']} is not there", "EntryNotFound")
                gone.add(value["path"])
            elif line["key"] == "file":
                changes[value["path"]] = Blob(base64.b64decode(value["content"]), False)
            elif value["oid"] in self.storage:
                changes[value["path"]] = Blob(self.storage[value["oid"]], True)
            else:
                return Answer.error(400, f"{value['path']} was never uploaded")
        commit = repo.commit(changes, header["value"]["summary"], gone)
        url = f"{self._page(repo)}/commit/{commit.id}"
        return Answer.of({"success": True, "commitOid": commit.id, "commitUrl": url})

    # Files that leave

    def _resolve(self, request: Request, found: re.Match[str]) -> Answer:
        repo = self._repo(request, found)
        if repo.gated and self.users.get(request.token or "") != repo.owner:
            return Answer.error(403, f"Access to {repo.id} is restricted", "GatedRepo")
        commit = self._at(repo, found["rev"])
        blob = commit.files.get(found["name"])
        if blob is None:
            return Answer.error(404, "Entry not found", "EntryNotFound")
        headers = {"X-Repo-Commit": commit.id, "ETag": f'"{blob.oid}"'}
        if not blob.large:
            return _part(request, blob.data, headers)
        headers["X-Linked-Size"] = str(len(blob.data))
        headers["X-Linked-ETag"] = f'"{blob.sha256}"'
        headers["Location"] = f"{self.elsewhere}/storage/{blob.sha256}"
        return Answer(302, headers)

    def _stored(self, request: Request, found: re.Match[str]) -> Answer:
        data = self.storage.get(found["oid"])
        if data is None:
            return Answer.error(404, "Nothing is stored here")
        return _part(request, data, {"ETag": f'"{found["oid"]}"'})


def _facts(blob: Blob) -> dict[str, object]:
    facts: dict[str, object] = {"size": len(blob.data), "blobId": blob.oid}
    if blob.large:
        lfs = {"size": len(blob.data), "sha256": blob.sha256, "pointerSize": 134}
        facts["lfs"] = lfs
    return facts


def _part(request: Request, data: bytes, headers: Mapping[str, str]) -> Answer:
    """The whole, or the range that was asked for."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if asked is None:
        return Answer(200, {**headers, "Accept-Ranges": "bytes"}, data)
    first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
    shown = f"bytes {first}-{last}/{len(data)}"
    return Answer(206, {**headers, "Content-Range": shown}, data[first : last + 1])
