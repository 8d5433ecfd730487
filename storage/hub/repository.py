"""A repository on the Hub: files of a folder go there in one commit, and come back by its hash.

Knows names, sizes and sums, and nothing of what is in the files. A token is handed to the client
for one call and kept nowhere; `HF_ENDPOINT`, `HF_HUB_OFFLINE` and the stored login are the client's
own business. Every error is one sentence (`storage.hub.refusals`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_session,
    hf_hub_url,
)

from storage.errors import HubRefused, NotFound
from storage.files import is_plain_name
from storage.hub.quiet import quietly
from storage.hub.receiving import Announced, receive
from storage.hub.refusals import asked

Token = str | Literal[False] | None
"""Somebody's token; False to ask as nobody, whoever is logged in; None for the client's login."""

SILENCE_SECONDS = 60.0
"""So long the Hub may say nothing before an exchange with it is given up."""

RepoType = Literal["model", "dataset"]

_TOKEN = re.compile(r"[!-~]+")
_NOTHING_IGNORED = "# nothing"
"""A .gitignore. Without one of ours that of the repository could make files stay behind unseen."""


@dataclass(frozen=True)
class Remote:
    """A commit of a repository, as it was looked at."""

    repo: str
    commit: str
    private: bool
    files: Mapping[str, int]
    """Name to bytes."""

    sums: Mapping[str, str] = field(repr=False)
    """Name to SHA-256 for what lies in large storage, to the git blob's SHA-1 for the rest."""


@dataclass(frozen=True)
class Pushed:
    repo: str
    commit: str
    url: str
    private: bool


def account(token: Token) -> str:
    """Name of the user behind a token. Raises `HubRefused` if there is none, `NotFound`."""
    api = client(token)
    if token is False:
        raise HubRefused("Nobody is signed in with Hugging Face.")
    return str(asked("your account", lambda: api.whoami()["name"]))


def look(
    repo: str, revision: str | None = None, *, token: Token, repo_type: RepoType = "model"
) -> Remote:
    """The repository at a revision, or at its newest. Raises `NotFound`, `HubRefused`."""
    return _look(client(token), repo, revision, repo_type)


def push(  # noqa: PLR0913 - all but the first three by name
    folder: Path,
    names: Sequence[str],
    repo: str,
    *,
    public: bool,
    token: Token,
    message: str,
    repo_type: RepoType = "model",
    gone: Sequence[str] = (),
) -> Pushed:
    """Puts exactly the files `names` of `folder` into the repository, and takes out those of `gone`
    that are there, in one commit or not at all.

    What else is there stays. The repository is made if it is missing, and is never made more or
    less visible than it is: no byte goes before it has said that it is what was asked for.
    Pushing what is there already succeeds and changes nothing. Raises `HubRefused`, `NotFound`.
    """
    api = client(token)
    if token is False:
        raise HubRefused("Sign in with Hugging Face first: nobody cannot push.")
    if repo.count("/") != 1:
        raise HubRefused(f"{repo!r:.100} is no name of a repository; write user/name.")
    if not (names or gone):
        raise HubRefused("There is nothing to push.")
    with quietly(), ExitStack() as opened:
        files = {name: opened.enter_context(_open_plain(folder, name)) for name in names}
        found = _made(api, repo, public, repo_type)
        out = [name for name in gone if name in found.files]
        commit = asked(repo, lambda: _commit(api, found, files, out, message, repo_type))
    prefix = "" if repo_type == "model" else f"{repo_type}s/"
    return Pushed(repo, commit, f"{api.endpoint}/{prefix}{repo}", found.private)


def fetch(
    remote: Remote,
    names: Sequence[str],
    into: Path,
    *,
    token: Token,
    most_bytes: int,
    repo_type: RepoType = "model",
) -> None:
    """Writes exactly the files `names` of that commit below `into`; nothing goes into a cache.

    A file is under its name whole, with the size and the sum that the Hub told, or not at all.
    Raises `NotFound`, `HubRefused`, OSError for what the disk does not do.
    """
    api = client(token)
    for name in names:
        if name not in remote.files:
            raise NotFound(f"{remote.repo} has no file {name!r:.100}.")
        if not is_plain_name(name):
            raise HubRefused(f"{remote.repo} has a file {name!r:.100}, which is not taken.")
    total = sum(remote.files[name] for name in names)
    if total > most_bytes:
        raise HubRefused(f"{remote.repo} has {total:,} bytes; {most_bytes:,} are allowed.")
    for name in names:
        url = hf_hub_url(
            remote.repo,
            name,
            revision=remote.commit,
            repo_type=repo_type,
            endpoint=api.endpoint,
        )
        announced = Announced(f"{name} of {remote.repo}", remote.files[name], remote.sums[name])
        receive(url, announced, into / name, token)


def client(token: Token) -> HfApi:
    """The Hub's client for one call. Raises `HubRefused` for what is no token."""
    # What is no token would stand, in full, in the client's complaint about it.
    if isinstance(token, str) and not _TOKEN.fullmatch(token):
        raise HubRefused("This is no token: it is empty or has characters that no token has.")
    # Left to itself the client waits for a silent Hub without end.
    get_session().timeout = SILENCE_SECONDS
    return HfApi(token=token)


def _look(api: HfApi, repo: str, revision: str | None, repo_type: RepoType) -> Remote:
    ask = api.model_info if repo_type == "model" else api.dataset_info
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    info = asked(repo, lambda: ask(repo, revision=revision, files_metadata=True, timeout=timeout))
    files, sums = {}, {}
    for file in info.siblings or ():
        sum_ = file.lfs.sha256 if file.lfs else file.blob_id
        if file.size is None or sum_ is None:
            raise HubRefused(f"The Hub does not say how large the files of {repo} are.")
        files[file.rfilename], sums[file.rfilename] = file.size, sum_
    if info.sha is None or info.private is None:
        raise HubRefused(f"The Hub does not say who may see {repo}.")
    return Remote(repo, info.sha, info.private, files, sums)


def _made(api: HfApi, repo: str, public: bool, repo_type: RepoType) -> Remote:
    """The repository as it stands, made if need be, with the visibility that was asked for."""
    try:
        found: Remote | None = _look(api, repo, None, repo_type)
    except NotFound:
        found = None
    if found is None:
        asked(
            repo,
            lambda: api.create_repo(repo, private=not public, repo_type=repo_type, exist_ok=True),
        )
        found = _look(api, repo, None, repo_type)
    if found.private and public:
        raise HubRefused(
            f"{repo} is private and stays so: push without making it public, or change it on its "
            f"page first."
        )
    if not (found.private or public):
        raise HubRefused(
            f"{repo} is public, so everybody would see what is pushed: choose another name, or "
            f"confirm that it goes to everybody."
        )
    return found


def _commit(
    api: HfApi,
    found: Remote,
    files: Mapping[str, BinaryIO],
    gone: Sequence[str],
    message: str,
    repo_type: RepoType,
) -> str:
    # Open files go over plain HTTP; paths would go through the client's other transport, which
    # logs and caches in the user's folders.
    additions = [CommitOperationAdd(name, file) for name, file in files.items()]
    api.preupload_lfs_files(
        found.repo, additions, repo_type=repo_type, gitignore_content=_NOTHING_IGNORED
    )
    made = api.create_commit(
        found.repo,
        [*additions, *(CommitOperationDelete(name) for name in gone)],
        commit_message=message,
        repo_type=repo_type,
        parent_commit=found.commit,
    )
    return made.oid


def _open_plain(folder: Path, name: str) -> BinaryIO:
    path = folder / name
    below = [path, *path.parents][: len(Path(name).parts)]
    plain = is_plain_name(name) and path.is_file() and not any(step.is_symlink() for step in below)
    if not plain:
        raise HubRefused(f"{name!r:.100} is no plain file of the folder, and is not pushed.")
    return open(path, "rb")


def forget(repo: str, *, token: Token, repo_type: RepoType = "model") -> None:
    """Deletes a repository with all that was ever in it, if it is there. Raises `HubRefused`."""
    api = client(token)
    asked(repo, lambda: api.delete_repo(repo, repo_type=repo_type, missing_ok=True))
