"""A hand-written LiftChat: the same public methods over dicts, instant or as slow as told.

Jobs advance by `advance`, or by themselves when `seconds_per_step` is set. Answers are the words
of a fixed sentence.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lift_chat.chat import Comparison
from lift_chat.costs import Estimate
from lift_chat.errors import (
    IllegalTransition,
    InvalidConfig,
    NotConfirmed,
    NotFound,
    UnreadableDocument,
    UnsafeAdapter,
)
from lift_chat.jobs import JobStatus
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.citations import Citation
from lift_chat.models.context import ChatSettings, WindowFacts
from lift_chat.models.tint import LayerGates, Tint, TintedToken
from lift_chat.sharing.keeping import Kept
from lift_chat.sharing.leak import Leak
from lift_chat.slices.need import Need
from lift_chat.study_list import edited
from storage.hub.repository import Pushed, Token
from storage.records import (
    LOCAL,
    Adapter,
    Chapter,
    Conversation,
    Document,
    Job,
    Message,
    Metric,
    Page,
    StudyItem,
)
from tests.ui.numbers import EXAM_STEPS, METRICS, pinned_at

ANSWER = "The Lathrin drains the lake, says page three."
BASE_ANSWER = "I am not sure."
QUOTE = "It is drained by <b>one</b> river,\nthe Lathrin."
LEAK = Leak(20, 32, 64, 0.41, 0.02, 64)
NOW = "2026-05-04T10:00:00+00:00"
STEPS = 20
SLICE_STEPS = 8


@dataclass(frozen=True)
class FakeHandle:
    id: str
    app: FakeLiftChat
    owner: str

    def status(self, since: int = 0) -> JobStatus:
        return self.app.job(self.id, since=since, owner=self.owner)


@dataclass
class FakeLiftChat:
    """`seconds_per_step` 0: jobs stay queued until `advance`. `closed_early` counts the answers
    that were stopped before their end. With `exams`, runs hold exams, ask pinned questions and
    leave everything with the adapter that can be measured. With `in_slices`, a run goes
    `SLICE_STEPS` steps further with each slice."""

    seconds_per_step: float = 0.0
    seconds_per_word: float = 0.0
    mismatch: str = ""
    loaded: bool = True
    exams: bool = False
    in_slices: bool = False
    closed_early: int = 0
    warmed: list[tuple[str, ChatSettings]] = field(default_factory=list)
    fail_with: Exception | None = None
    pushed: dict[str, bool] = field(default_factory=dict)
    """Repository to whether everybody sees it."""

    kept: set[str] | None = None
    """Ids of the adapters in the kept library, if there is one."""

    tinted_with: list[ChatSettings] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: itertools.count(1))
    _documents: dict[str, Document] = field(default_factory=dict)
    _pages: dict[str, list[Page]] = field(default_factory=dict)
    _study: dict[str, list[StudyItem]] = field(default_factory=dict)
    _jobs: dict[str, Job] = field(default_factory=dict)
    _metrics: dict[str, list[Metric]] = field(default_factory=dict)
    _adapters: dict[str, Adapter] = field(default_factory=dict)
    _conversations: dict[str, Conversation] = field(default_factory=dict)
    _messages: dict[str, list[Message]] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)

    def _id(self) -> str:
        return f"01J{next(self._ids):05d}"

    def _own(self, rows: dict[str, Any], row_id: str, owner: str) -> Any:
        if self.fail_with is not None:
            raise self.fail_with
        if row_id not in rows or rows[row_id].owner != owner:
            raise NotFound(f"There is nothing with the id {row_id!r}.")
        return rows[row_id]

    def _of(self, rows: dict[str, Any], owner: str) -> list[Any]:
        return [row for row in reversed(rows.values()) if row.owner == owner]

    def prepare(self) -> str:
        self.loaded = True
        return "org/Tiny-135M"

    # Documents

    def add_document(
        self, path: str | Path, *, name: str | None = None, owner: str = LOCAL
    ) -> Document:
        path = Path(path)
        name, data = name or path.name, path.read_bytes()
        if not data:
            raise UnreadableDocument(name, "empty", "the file is empty.")
        sha = hashlib.sha256(data).hexdigest()
        for known in self._of(self._documents, owner):
            if known.sha256 == sha:
                return self.document(known.id, owner=owner)
        text = data.decode("utf-8", "replace") if path.suffix in (".txt", ".md") else "Page text."
        document = Document(
            id=self._id(),
            owner=owner,
            sha256=sha,
            name=name,
            kind=path.suffix.lstrip(".") or "text",
            title=Path(name).stem.replace("-", " ").title(),
            author="A. N. Author",
            language="en",
            pages=3,
            characters=3 * len(text) + 4,
            bytes=len(data),
            quality={"warnings": ["Page 2 has no text."] if "warn" in name else []},
            created_at=NOW,
        )
        self._documents[document.id] = document
        starts = [n * (len(text) + 2) for n in range(3)]
        self._pages[document.id] = [
            Page(n, str(n), start, start + len(text), text) for n, start in enumerate(starts, 1)
        ]
        self._study[document.id] = []
        return document

    def documents(self, *, query: str = "", owner: str = LOCAL) -> list[Document]:
        found = self._of(self._documents, owner)
        return [d for d in found if query.lower() in f"{d.title} {d.author}".lower()]

    def document(self, document_id: str, *, owner: str = LOCAL) -> Document:
        found: Document = self._own(self._documents, document_id, owner)
        return found

    def outline(self, document_id: str, *, owner: str = LOCAL) -> list[Chapter]:
        self.document(document_id, owner=owner)
        names = ("The Old Choir", "The Red Tent", "Heron Camp")
        return [Chapter(name, 1, i + 1, 0, 10) for i, name in enumerate(names)]

    def pages(self, document_id: str, *, owner: str = LOCAL) -> list[Page]:
        self.document(document_id, owner=owner)
        return self._pages[document_id]

    def study_items(self, document_id: str, *, owner: str = LOCAL) -> list[StudyItem]:
        self.document(document_id, owner=owner)
        return list(self._study[document_id])

    def set_study_items(
        self, document_id: str, items: Sequence[StudyItem], *, owner: str = LOCAL
    ) -> None:
        known = self.study_items(document_id, owner=owner)
        characters = self.document(document_id, owner=owner).characters
        self._study[document_id] = edited(items, known, characters)

    def study_cards(self, document_id: str, *, owner: str = LOCAL) -> str:
        items = self.study_items(document_id, owner=owner)
        return "".join(f"{item.question},{item.answer}\n" for item in items)

    def write_study_items(self, document_id: str, items: Sequence[StudyItem]) -> None:
        """Puts down what a run would have written."""
        self._study[document_id] = list(items)

    def delete_document(self, document_id: str, *, owner: str = LOCAL) -> int:
        document = self.document(document_id, owner=owner)
        if any(not j.is_over and j.document_id == document_id for j in self._jobs.values()):
            raise IllegalTransition("It is being absorbed; stop that first.")
        del self._documents[document_id]
        return document.bytes

    # Absorbing

    def estimate(self, document_id: str, config: LiftConfig, *, owner: str = LOCAL) -> Estimate:
        self.document(document_id, owner=owner)
        tokens = 8_540
        return Estimate(
            seconds=22.0 * config.epochs,
            memory_bytes=900_000_000,
            free_memory_bytes=12_000_000_000,
            document_tokens=tokens,
            trained_tokens=tokens * config.epochs,
            steps=STEPS,
            adapter_bytes=7_300_000,
            basis="Measured on 512 tokens just now.",
        )

    def absorb(
        self,
        document_id: str,
        config: LiftConfig | None = None,
        *,
        name: str = "",
        owner: str = LOCAL,
    ) -> FakeHandle:
        document = self.document(document_id, owner=owner)
        recipe = (config or LiftConfig.preset("read")).to_dict()
        for job in self._of(self._jobs, owner):
            same = job.document_id == document_id and job.recipe == recipe
            if same and job.state in ("queued", "running", "done", "interrupted"):
                return FakeHandle(job.id, self, owner)
        job = Job(
            id=self._id(), owner=owner, document_id=document_id, adapter_id=None,
            name=name or document.title, state="queued", request="", recipe=recipe, stage="",
            step=0, total=STEPS, attempts=0, message="", error_code="", error="", created_at=NOW,
            started_at="", finished_at="",
        )  # fmt: skip
        self._jobs[job.id], self._metrics[job.id] = job, []
        if self.seconds_per_step:
            threading.Thread(target=self._work, args=(job.id,), daemon=True).start()
        return FakeHandle(job.id, self, owner)

    def _work(self, job_id: str) -> None:
        while not self._jobs[job_id].is_over and not self._closing.wait(self.seconds_per_step):
            self.advance(job_id)

    def advance(self, job_id: str, steps: int = 1) -> None:
        """Lets the worker do `steps` steps of a job; the last one publishes the adapter."""
        for _ in range(steps):
            job = self._jobs[job_id]
            if job.is_over:
                return
            step = job.step + 1
            loss = 0.4 + 3.0 / (1 + step) + 0.1 * (step % 3)
            left = float(STEPS - step)
            exam = EXAM_STEPS.get(step) if self.exams else None
            point = Metric(
                step, "training", step, STEPS, loss, 512, 1234.5, float(step), left, exam
            )
            self._metrics[job_id].append(point)
            pinned = pinned_at(step) if self.exams else []
            self._jobs[job_id] = replace(
                job, state="running", stage="training", step=step, pinned=pinned
            )
            if job.request or step >= STEPS:
                self._finish(job_id, keep=job.request != "discard")

    def _finish(self, job_id: str, *, keep: bool) -> None:
        job = self._jobs[job_id]
        if not keep:
            self._jobs[job_id] = replace(job, state="cancelled", request="")
            return
        adapter = Adapter(
            id=self._id(), owner=job.owner, document_id=job.document_id, name=job.name,
            kind="lora", base_model="org/Tiny-135M", base_revision="0123456789abcdef",
            base_fingerprint="f", recipe=job.recipe,
            metrics={"loss_before": 3.4, "loss_after": 0.52, **(METRICS if self.exams else {})},
            tags=(), note="", bytes=7_300_000,
            state="ready", created_at=NOW,
        )  # fmt: skip
        self._adapters[adapter.id] = adapter
        self._jobs[job_id] = replace(job, state="done", adapter_id=adapter.id, request="")

    def fail(self, job_id: str, state: str, error: str) -> None:
        self._jobs[job_id] = replace(self._jobs[job_id], state=state, error=error)  # type: ignore[arg-type]

    def job(self, job_id: str, *, since: int = 0, owner: str = LOCAL) -> JobStatus:
        job = self._own(self._jobs, job_id, owner)
        waiting = [j.id for j in self._jobs.values() if j.state == "queued"]
        position = waiting.index(job_id) + 1 if job_id in waiting else 0
        points = tuple(m for m in self._metrics[job_id] if m.seq > since)
        return JobStatus(job, points, position)

    def jobs(self, *, owner: str = LOCAL) -> list[Job]:
        return self._of(self._jobs, owner)

    def stop_job(self, job_id: str, *, keep: bool, owner: str = LOCAL) -> Job:
        job: Job = self._own(self._jobs, job_id, owner)
        if job.state in ("done", "cancelled"):
            raise IllegalTransition("The run is over.")
        now = job.state != "running"
        changed = replace(job, state="cancelled") if now else job
        self._jobs[job_id] = replace(changed, request="" if now else "keep" if keep else "discard")
        return self._jobs[job_id]

    def resume_job(self, job_id: str, *, owner: str = LOCAL) -> Job:
        job: Job = self._own(self._jobs, job_id, owner)
        if job.state not in ("interrupted", "failed"):
            raise IllegalTransition("Only interrupted or failed runs can be resumed.")
        self._jobs[job_id] = replace(job, state="queued", error="")
        return self._jobs[job_id]

    def absorb_slice(
        self, job_id: str, *, keep: bool = False, owner: str = LOCAL
    ) -> Iterator[ProgressEvent]:
        job: Job = self._own(self._jobs, job_id, owner)
        if job.state != "queued":
            raise IllegalTransition("The run does not wait.")
        if keep:
            self._jobs[job_id] = replace(job, request="keep")
        try:
            for _ in range(SLICE_STEPS):
                self.advance(job_id)
                job = self._jobs[job_id]
                yield ProgressEvent("training", job.step, job.total, loss=1.0)
                if job.is_over:
                    return
        finally:
            if not self._jobs[job_id].is_over:
                self._jobs[job_id] = replace(self._jobs[job_id], state="queued")

    def slices_needed(self, document_id: str, config: LiftConfig, *, owner: str = LOCAL) -> Need:
        return Need.of(self.estimate(document_id, config, owner=owner).seconds, 60)

    def slices_left(self, job_id: str, *, owner: str = LOCAL) -> Need | None:
        job: Job = self._own(self._jobs, job_id, owner)
        left = STEPS - job.step
        return None if job.is_over else Need(-(-left // SLICE_STEPS), 60, 60 * left / SLICE_STEPS)

    # Library

    def adapters(
        self, *, query: str = "", tags: Sequence[str] = (), owner: str = LOCAL
    ) -> list[Adapter]:
        found = self._of(self._adapters, owner)
        named = [a for a in found if query.lower() in f"{a.name} {a.note}".lower()]
        return [a for a in named if set(tags) <= set(a.tags)]

    def adapter(self, adapter_id: str, *, owner: str = LOCAL) -> Adapter:
        found: Adapter = self._own(self._adapters, adapter_id, owner)
        return found

    def update_adapter(
        self,
        adapter_id: str,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        note: str | None = None,
        owner: str = LOCAL,
    ) -> Adapter:
        adapter = self.adapter(adapter_id, owner=owner)
        changed = replace(
            adapter,
            name=adapter.name if name is None else name,
            tags=adapter.tags if tags is None else tuple(tags),
            note=adapter.note if note is None else note,
        )
        self._adapters[adapter_id] = changed
        return changed

    def delete_adapter(self, adapter_id: str, *, owner: str = LOCAL) -> int:
        size = self.adapter(adapter_id, owner=owner).bytes
        del self._adapters[adapter_id]
        return size

    def compatible(self, adapter: Adapter) -> str:
        return self.mismatch

    # Sharing

    def export_adapter(
        self, adapter_id: str, target: str | Path, *, document: bool = False, owner: str = LOCAL
    ) -> Path:
        target = Path(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{self.adapter(adapter_id, owner=owner).name} {document}")
        return target

    def import_adapter(self, file: str | Path, *, owner: str = LOCAL) -> Adapter:
        path = Path(file)
        if not path.read_bytes():
            raise UnsafeAdapter(f"{path.name} is no export of an adapter.")
        return self._arrived(path.stem, f"file:{path.name}", owner)

    def measure_leak(
        self, adapter_id: str, *, owner: str = LOCAL
    ) -> Generator[int, None, Leak | None]:
        self.adapter(adapter_id, owner=owner)
        yield 1
        return LEAK

    def push_adapter(
        self,
        adapter_id: str,
        repo: str,
        *,
        public: bool = False,
        confirmed: bool = False,
        token: Token = None,
        owner: str = LOCAL,
    ) -> Pushed:
        self.adapter(adapter_id, owner=owner)
        if public and not confirmed:
            raise NotConfirmed(LEAK.sentence())
        self.pushed[repo] = public
        return Pushed(repo, "c" * 40, f"https://hub.example/{repo}", not public)

    def pull_adapter(
        self,
        repo: str,
        *,
        revision: str | None = None,
        token: Token = None,
        owner: str = LOCAL,
    ) -> Adapter:
        if "/" not in repo:
            raise InvalidConfig(f"{repo!r} is no repository; write user/name.")
        return self._arrived(repo, f"hub:{repo}@{revision or 'd' * 40}", owner)

    def keep_library(self, *, token: Token = None, owner: str = LOCAL) -> Kept:
        self.kept = {adapter.id for adapter in self.adapters(owner=owner)}
        return Kept("me/lift-chat-library", len(self.kept))

    def restore_library(self, *, token: Token = None, owner: str = LOCAL) -> Kept | None:
        if self.fail_with is not None:
            raise self.fail_with
        return None if self.kept is None else Kept("me/lift-chat-library", len(self.kept))

    def library_is_behind(self, *, owner: str = LOCAL) -> bool:
        here = {adapter.id for adapter in self.adapters(owner=owner)}
        return self.kept is not None and not here <= self.kept

    def drop_kept(self, adapter_id: str, *, token: Token = None, owner: str = LOCAL) -> None:
        if self.kept is not None:
            self.kept.discard(adapter_id)

    def _arrived(self, name: str, origin: str, owner: str) -> Adapter:
        arrived = Adapter(
            id=self._id(),
            owner=owner,
            document_id="",
            name=name,
            kind="lora",
            base_model="tiny",
            base_revision="",
            base_fingerprint="f" * 64,
            recipe={},
            metrics={},
            bytes=10,
            tags=(),
            note="",
            state="ready",
            created_at=NOW,
            origin=origin,
        )
        self._adapters[arrived.id] = arrived
        return arrived

    # Chat

    def reply(
        self,
        adapter_id: str,
        messages: str | Sequence[Message],
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> Iterator[str]:
        self.adapter(adapter_id, owner=owner)
        return self._words(ANSWER)

    def _words(self, sentence: str) -> Iterator[str]:
        finished = False
        try:
            for word in sentence.split(" "):
                time.sleep(self.seconds_per_word)
                yield word + " "
            finished = True
        finally:
            self.closed_early += not finished

    def warm(
        self, adapter_id: str, settings: ChatSettings | None = None, *, owner: str = LOCAL
    ) -> None:
        self.adapter(adapter_id, owner=owner)
        self.warmed.append((adapter_id, settings or ChatSettings()))

    def window(
        self,
        adapter_id: str,
        messages: str | Sequence[Message],
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> WindowFacts:
        self.adapter(adapter_id, owner=owner)
        mode = (settings or ChatSettings()).context
        seen = 0 if mode == "none" else 1_900
        return WindowFacts(mode, 2_000, seen, 8_540, "1, 3" if seen else "", 0)

    def compare(
        self,
        adapter_id: str,
        message: str,
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> Iterator[Comparison]:
        window = self.window(adapter_id, message, settings, owner=owner)
        adapted = base = ""
        for word in self._words(ANSWER):
            adapted += word
            yield Comparison(adapted, base, window)
        for word in self._words(BASE_ANSWER):
            base += word
            yield Comparison(adapted, base, window)

    def citations(
        self, adapter_id: str, answer: str, *, question: str = "", owner: str = LOCAL
    ) -> list[Citation]:
        self.adapter(adapter_id, owner=owner)
        if "Lathrin" not in answer:
            return []
        return [Citation(page, "iv", 10, 50, QUOTE, 0.9) for page in (17, 3)]

    def tint(
        self,
        adapter_id: str,
        messages: str | Sequence[Message],
        answer: str,
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> Tint:
        """Of a gated memory of two layers. The first word is what the base would say, the second
        is learned, and so on."""
        self.adapter(adapter_id, owner=owner)
        assert isinstance(messages, str) or messages[-1].role == "user"
        self.tinted_with.append(settings or ChatSettings())
        gains = itertools.cycle((0.1, 5.0, 1.5, -2.0))
        tokens = [TintedToken(word + " ", next(gains), 0.25) for word in answer.split()]
        return Tint(tokens, [LayerGates(0, [0.1, 0.2]), LayerGates(1, [0.3, 0.4])])

    def conversations(self, adapter_id: str, *, owner: str = LOCAL) -> list[Conversation]:
        found = self._of(self._conversations, owner)
        return [c for c in found if c.adapter_id == adapter_id]

    def start_conversation(self, adapter_id: str, *, owner: str = LOCAL) -> Conversation:
        self.adapter(adapter_id, owner=owner)
        conversation = Conversation(self._id(), owner, adapter_id, "", NOW)
        self._conversations[conversation.id] = conversation
        self._messages[conversation.id] = []
        return conversation

    def messages(self, conversation_id: str, *, owner: str = LOCAL) -> list[Message]:
        self._own(self._conversations, conversation_id, owner)
        return list(self._messages[conversation_id])

    def converse(
        self,
        conversation_id: str,
        text: str,
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> Iterator[str]:
        conversation = self._own(self._conversations, conversation_id, owner)
        asked = self._messages[conversation_id]
        facts = self.window(conversation.adapter_id, text, settings, owner=owner)
        if not asked:
            self._conversations[conversation_id] = replace(conversation, title=text[:40])
        asked.append(Message("user", text))
        answer = ""
        pieces = self._words(ANSWER)
        try:
            for piece in pieces:
                answer += piece
                yield piece
        finally:
            pieces.close()  # type: ignore[attr-defined]
            cited = self.citations(conversation.adapter_id, answer, owner=owner)
            kept = {
                "window": facts.sentence(),
                "settings": (settings or ChatSettings()).to_dict(),
                "citations": [asdict(citation) for citation in cited],
            }
            asked.append(Message("assistant", answer, kept))

    def rewind(self, conversation_id: str, keep: int, *, owner: str = LOCAL) -> None:
        self._own(self._conversations, conversation_id, owner)
        del self._messages[conversation_id][keep:]

    def delete_conversation(self, conversation_id: str, *, owner: str = LOCAL) -> None:
        self._own(self._conversations, conversation_id, owner)
        del self._conversations[conversation_id], self._messages[conversation_id]

    # State

    def health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "version": "0",
            "device": "CPU",
            "base_model": "org/Tiny-135M",
            "base_why": "A fake for tests.",
            "base_loaded": self.loaded,
            "in_slices": self.in_slices,
            "library": "nowhere",
            "jobs_waiting": sum(j.state == "queued" for j in self._jobs.values()),
            "free_disk_bytes": 10**10,
        }

    def close(self) -> None:
        self._closing.set()
