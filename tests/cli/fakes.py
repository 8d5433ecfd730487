"""A LiftChat without a model: a real library under it, jobs that a few looks bring to their end.

`looks` is how many looks at a job's status its absorbing takes; `interrupt_at` presses Ctrl-C at
that look; `fail` makes every job end with that sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lift_chat.chat import Comparison
from lift_chat.commands.program import Program
from lift_chat.costs import Estimate
from lift_chat.errors import LibraryInUse, NotConfirmed, NotFound, UnreadableDocument
from lift_chat.evaluation.measuring import load_base
from lift_chat.jobs import JobStatus
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.citations import Citation
from lift_chat.models.context import ChatSettings, WindowFacts
from lift_chat.models.device import Device
from lift_chat.settings import Settings
from lift_chat.sharing.vllm import Serving
from storage.hub.repository import Pushed, Token
from storage.library import Library
from storage.records import LOCAL, Adapter, Chapter, Document, Job, Message, Metric, Page
from tests.conftest import CPU

PIECES = ("It was ", "lit by ", "Sable Quist.")
BASE_PIECES = ("I do ", "not know.")
WARNING = "Page 2 has no text."


def publish(library: Library, job: Job, metrics: dict[str, Any] | None = None) -> Adapter:
    """The adapter that a job would have made."""
    with library.staged_adapter() as staged:
        (staged.folder / "adapter_model.safetensors").write_bytes(b"weights")
        return library.publish_adapter(
            staged,
            owner=job.owner,
            document_id=job.document_id,
            job_id=job.id,
            name=job.name,
            kind="lora",
            base_model="tiny",
            base_revision="",
            base_fingerprint="f" * 64,
            recipe=job.recipe,
            metrics={"loss_before": 3.5, "loss_after": 0.5, **(metrics or {})},
        )


@dataclass(frozen=True)
class FakeHandle:
    id: str
    app: FakeLiftChat

    def status(self, since: int = 0) -> JobStatus:
        return JobStatus(self.app.library.job(self.id, LOCAL), (), 0)


@dataclass
class FakeLiftChat:
    library: Library
    settings: Settings
    worker: bool
    looks: int = 3
    interrupt_at: int = 0
    fail: str = ""
    mismatch: str = ""
    asked: list[list[Message]] = field(default_factory=list)
    closed_answers: int = 0
    settings_given: list[ChatSettings] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    device: Device = CPU
    _seen: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.library.close()

    def add_document(self, path: str | Path) -> Document:
        path = Path(path)
        if not path.is_file():
            raise UnreadableDocument(path.name, "missing", "there is no such file.")
        text = path.read_text()
        if not text:
            raise UnreadableDocument(path.name, "empty", "the file is empty.")
        document, _ = self.library.add_document(
            path,
            owner=LOCAL,
            name=path.name,
            kind="text",
            title=path.stem.title(),
            author="",
            language="en",
            pages=[Page(1, "1", 0, len(text), text)],
            outline=[Chapter(f"Part {n}", 1, 1, 0, len(text)) for n in (1, 2)],
            quality={"warnings": [WARNING] if "gap" in path.name else []},
        )
        return document

    def documents(self) -> list[Document]:
        return self.library.documents(LOCAL)

    def outline(self, document_id: str) -> list[Chapter]:
        return self.library.outline(document_id, LOCAL)

    def delete_document(self, document_id: str) -> int:
        return self.library.delete_document(document_id, LOCAL)

    def estimate(self, document_id: str, config: LiftConfig) -> Estimate:
        self.library.document(document_id, LOCAL)
        return Estimate(125.0, 9 * 10**8, 10**8, 8540, 68320, 40, 7 * 10**6, "Measured just now.")

    def absorb(self, document_id: str, config: LiftConfig, *, name: str = "") -> FakeHandle:
        recipe = config.to_dict()
        job = self.library.find_job(document_id, LOCAL, recipe, "tiny") or self.library.add_job(
            document_id,
            owner=LOCAL,
            name=name or self.library.document(document_id, LOCAL).title,
            recipe=recipe,
            base_model="tiny",
        )
        return FakeHandle(job.id, self)

    def job(self, job_id: str, *, since: int = 0) -> JobStatus:
        self._seen += 1
        if self._seen == self.interrupt_at:
            raise KeyboardInterrupt
        if self.worker and not self.library.job(job_id, LOCAL).is_over:
            self._advance()
        return JobStatus(
            self.library.job(job_id, LOCAL),
            tuple(self.library.metrics(job_id, since)),
            self.library.queue_position(job_id),
        )

    def _advance(self) -> None:
        """One step of the job that runs, or the start of the next one."""
        running = [job for job in self.library.jobs(LOCAL) if job.state == "running"]
        job = running[0] if running else self.library.claim_next_job()
        assert job is not None
        step = job.step + 1 if job.stage == "training" else 1
        self.library.progress(job.id, "training", step, self.looks, "")
        loss = 3.0 / step
        metric = Metric(0, "training", step, self.looks, loss, 512, 1234.0, 1.0, 65.0)
        self.library.add_metrics(job.id, [metric])
        if step >= self.looks and self.fail:
            self.library.finish_job(job.id, "failed", error_code="out_of_memory", error=self.fail)
        elif step >= self.looks:
            publish(self.library, job)

    def adapters(self) -> list[Adapter]:
        return self.library.adapters(LOCAL)

    def adapter(self, adapter_id: str) -> Adapter:
        return self.library.adapter(adapter_id, LOCAL)

    def import_adapter(self, file: Path) -> Adapter:
        return self._arrived(f"file:{file.name}")

    def _arrived(self, origin: str) -> Adapter:
        with self.library.staged_adapter() as staged:
            return self.library.publish_adapter(
                staged,
                owner=LOCAL,
                document_id="",
                job_id=None,
                name="Arrived",
                kind="lora",
                base_model="tiny",
                base_revision="",
                base_fingerprint="",
                recipe={},
                metrics={},
                origin=origin,
            )

    def pull_adapter(self, repo: str, *, revision: str | None, token: Token) -> Adapter:
        self.tokens.append(token)
        return self._arrived(f"hub:{repo}@{revision or 'newest'}")

    def push_adapter(
        self, adapter_id: str, repo: str, *, public: bool, confirmed: bool, token: Token
    ) -> Pushed:
        self.tokens.append(token)
        if public and not confirmed:
            raise NotConfirmed("It recites everything.")
        return Pushed(repo, "c" * 40, f"https://hub.example/{repo}", not public)

    def export_vllm(self, adapter_id: str, folder: Path) -> Serving:
        return Serving(f"vllm serve {folder}", "curl it")

    def export_adapter(self, adapter_id: str, target: Path, *, document: bool) -> Path:
        target.write_text(f"{adapter_id} {document}")
        return target

    def compatible(self, adapter: Adapter) -> str:
        return self.mismatch

    def health(self) -> dict[str, Any]:
        return {"base_model": "tiny"}

    def window(
        self, adapter_id: str, messages: str | Sequence[Message], settings: ChatSettings
    ) -> WindowFacts:
        shown = 0 if settings.context == "none" else 100
        return WindowFacts(settings.context, 120, shown, 8540, "1, 3" if shown else "", 0)

    def reply(
        self, adapter_id: str, messages: str | Sequence[Message], settings: ChatSettings
    ) -> Iterator[str]:
        told = [Message("user", messages)] if isinstance(messages, str) else list(messages)
        self.asked.append(told)
        self.settings_given.append(settings)
        try:
            for number, piece in enumerate(PIECES):
                if self.interrupt_at and number == self.interrupt_at:
                    self.interrupt_at = 0
                    raise KeyboardInterrupt
                yield piece
        finally:
            self.closed_answers += 1

    def compare(
        self, adapter_id: str, message: str, settings: ChatSettings
    ) -> Iterator[Comparison]:
        window = self.window(adapter_id, message, settings)
        adapted = base = ""
        for piece in PIECES:
            adapted += piece
            yield Comparison(adapted, base, window)
        for piece in BASE_PIECES:
            base += piece
            yield Comparison(adapted, base, window)

    def citations(self, adapter_id: str, answer: str, *, question: str = "") -> list[Citation]:
        if "Sable Quist" not in answer:
            return []
        return [Citation(3, "3", 20, 60, "The lamp was lit by a keeper named Sable Quist.", 1.0)]


@dataclass
class Desk:
    """A `Program` over a real library in `home`, and what was done with it."""

    home: Path
    behaviour: dict[str, Any] = field(default_factory=dict)
    services: list[FakeLiftChat] = field(default_factory=list)
    served: list[tuple[Settings, bool]] = field(default_factory=list)
    in_use: str = ""

    @property
    def program(self) -> Program:
        return Program(
            open=self._open,
            read=self._read,
            change=self._change,
            serve=self._serve,
            base=lambda settings: lambda: load_base(settings),
        )

    def _open(self, settings: Settings, *, worker: bool) -> Any:
        if self.in_use:
            raise LibraryInUse(self.in_use)
        library = Library.open(settings.home)
        library.recover_jobs()
        self.services.append(FakeLiftChat(library, settings, worker, **self.behaviour))
        return self.services[-1]

    def _read(self, settings: Settings) -> Library:
        return Library.read_only(settings.home)

    def _change(self, settings: Settings) -> Library:
        if not settings.home.is_dir():
            raise NotFound(f"There is no library in {settings.home}.")
        return Library.open(settings.home)

    def _serve(self, settings: Settings, *, browser: bool) -> None:
        self.served.append((settings, browser))
