"""Hugging Face Jobs: a command in a container, on a machine of the Hub that an account pays for.

The token that the container works with goes there as a secret of the job, never as a variable or an
argument; nothing here keeps it. Knows nothing of what the command does. Every error is one
sentence (`storage.hub.refusals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from huggingface_hub import get_token

from storage.errors import HubRefused, NotFound
from storage.hub.quiet import quietly
from storage.hub.refusals import asked
from storage.hub.repository import Token, client

Stage = Literal["waiting", "running", "done", "failed", "cancelled"]

_STAGES: dict[str, Stage] = {
    "SCHEDULING": "waiting",
    "COMPLETED": "done",
    "ERROR": "failed",
    "CANCELED": "cancelled",
    "DELETED": "cancelled",
}
LOG_LINES = 200


@dataclass(frozen=True)
class Container:
    """What runs, and on what. `flavor` is the Hub's name of a machine, `hours` the longest time."""

    image: str
    command: tuple[str, ...]
    flavor: str
    hours: float


@dataclass(frozen=True)
class HubJob:
    """A job of an account."""

    account: str
    id: str
    url: str


def submit(container: Container, account: str, *, token: Token) -> HubJob:
    """The job, which will run. Raises `HubRefused`."""
    secret = token if isinstance(token, str) else get_token() if token is None else None
    if not secret:
        raise HubRefused("There is no Hugging Face login on this machine; run “hf auth login”.")
    api = client(token)
    made = asked(
        f"a job of {account}",
        lambda: api.run_job(
            image=container.image,
            command=list(container.command),
            flavor=container.flavor,
            timeout=f"{container.hours}h",
            secrets={"HF_TOKEN": secret},
            name="lift-chat",
            namespace=account,
        ),
    )
    return HubJob(account, made.id, made.url)


def stage(job: HubJob, *, token: Token) -> tuple[Stage, str]:
    """How far it is, and what the Hub says about it. Raises `NotFound`, `HubRefused`."""
    api = client(token)
    told = asked(
        f"the job {job.id}", lambda: api.inspect_job(job_id=job.id, namespace=job.account)
    ).status
    return _STAGES.get(str(told.stage), "running"), told.message or ""


def log_lines(job: HubJob, *, token: Token) -> list[str]:
    """The last lines that it has printed so far. Raises `NotFound`, `HubRefused`."""
    api = client(token)

    def lines() -> list[str]:
        return list(
            api.fetch_job_logs(job_id=job.id, namespace=job.account, follow=False, tail=LOG_LINES)
        )

    with quietly():
        return asked(f"the job {job.id}", lines)


def cancel(job: HubJob, *, token: Token) -> None:
    """Nothing happens to a job that is over, or gone. Raises `HubRefused`."""
    api = client(token)
    try:
        if stage(job, token=token)[0] in ("waiting", "running"):
            asked(
                f"the job {job.id}",
                lambda: api.cancel_job(job_id=job.id, namespace=job.account),
            )
    except NotFound:
        return
