"""The fake Hub with Hugging Face Jobs: a job is a process on this machine, in a bare environment
that knows the Hub and the job's own variables and secrets.

A job waits (SCHEDULING) as long as `hold` is set. What it prints is its log.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hub.fake_hub import KIND, REPO, FakeHub
from tests.hub.faulty_server import Answer, Request

ROOT = Path(__file__).parents[2]
JOB = r"/api/jobs/(?P<user>\w+)/(?P<job>\w+)"
START = "2026-01-01T00:00:00.000Z"


@dataclass
class FakeJob:
    id: str
    user: str
    spec: dict[str, Any]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    cancelled: bool = False

    @property
    def stage(self) -> str:
        if self.cancelled:
            return "CANCELED"
        if self.process is None:
            return "SCHEDULING"
        code = self.process.poll()
        return "RUNNING" if code is None else "ERROR" if code else "COMPLETED"

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass
class Machines:
    """What the jobs run on; `folder` is the disk of all of them."""

    folder: Path
    hold: bool = False
    jobs: dict[str, FakeJob] = field(default_factory=dict)


class FakeJobs(FakeHub):
    def __init__(self, machines: Machines) -> None:
        super().__init__()
        self.machines = machines
        self.route("POST", r"/api/jobs/(?P<user>\w+)", self._submit)
        self.route("GET", JOB, self._inspect)
        self.route("GET", JOB + "/logs", self._logs)
        self.route("POST", JOB + "/cancel", self._cancel)
        self.route("DELETE", "/api/repos/delete", self._delete)
        self.route("GET", rf"/api/{KIND}/{REPO}/tree/(?P<rev>\w+)", self._tree)

    def __exit__(self, *exc: object) -> None:
        for job in self.machines.jobs.values():
            job.end()
        super().__exit__(*exc)

    def _submit(self, request: Request, found: re.Match[str]) -> Answer:
        if self._user(request) != found["user"]:
            return Answer.error(403, "Not your account")
        spec, name = request.json(), secrets.token_hex(12)
        job = FakeJob(name, found["user"], spec, self.machines.folder / f"{name}.log")
        self.machines.jobs[name] = job
        return self._shown(job)

    def _inspect(self, request: Request, found: re.Match[str]) -> Answer:
        job = self.machines.jobs.get(found["job"])
        if job is None or self._user(request) != job.user:
            return Answer.error(404, "Job not found")
        if job.stage == "SCHEDULING" and not self.machines.hold:
            job.process = self._started(job)
        return self._shown(job)

    def _started(self, job: FakeJob) -> subprocess.Popen[bytes]:
        home = self.machines.folder
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
            "HOME": str(home),
            "HF_HOME": str(home / "huggingface"),
            "HF_ENDPOINT": self.url,
            "OMP_NUM_THREADS": "1",
            **job.spec["environment"],
            **job.spec["secrets"],
        }
        with open(job.log, "wb") as log:
            return subprocess.Popen(
                job.spec["command"], env=environment, cwd=ROOT, stdout=log, stderr=log
            )

    def _logs(self, request: Request, found: re.Match[str]) -> Answer:
        job = self.machines.jobs[found["job"]]
        self._user(request)
        lines = ["===== Job started =====", *job.log.read_text("utf-8", "replace").splitlines()]
        told = [
            "data: " + json.dumps({"data": line, "timestamp": START}) + "\n\n"
            for line in lines[-int(request.query.get("tail", len(lines))) :]
        ]
        return Answer(200, {"Content-Type": "text/event-stream"}, "".join(told).encode())

    def _cancel(self, request: Request, found: re.Match[str]) -> Answer:
        job = self.machines.jobs[found["job"]]
        if self._user(request) != job.user:
            return Answer.error(403, "Not your job")
        job.end()
        job.cancelled = True
        return Answer.of({})

    def _delete(self, request: Request, found: re.Match[str]) -> Answer:
        asked, user = request.json(), self._user(request)
        key = (asked.get("type") or "model", f"{asked['organization'] or user}/{asked['name']}")
        if key not in self.repos or self.repos[key].owner != user:
            return Answer.error(404, "Repository not found", "RepoNotFound")
        del self.repos[key]
        return Answer.of({})

    def _tree(self, request: Request, found: re.Match[str]) -> Answer:
        """As the client lists a repository that it fetches whole."""
        files = self._at(self._repo(request, found), found["rev"]).files
        return Answer.of(
            [
                {"type": "file", "path": name, "size": len(blob.data), "oid": blob.oid}
                | (
                    {"lfs": {"oid": blob.sha256, "size": len(blob.data), "pointerSize": 134}}
                    if blob.large
                    else {}
                )
                for name, blob in files.items()
            ]
        )

    def _shown(self, job: FakeJob) -> Answer:
        return Answer.of(
            {
                "id": job.id,
                "createdAt": START,
                "dockerImage": job.spec.get("dockerImage"),
                "command": job.spec["command"],
                "environment": job.spec["environment"],
                "flavor": job.spec["flavor"],
                "owner": {"id": "1", "name": job.user, "type": "user"},
                "status": {"stage": job.stage, "message": None},
            }
        )
