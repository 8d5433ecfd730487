"""The library: the one object of this package that other code sees.

Everything lies under one folder; the folders in it are the truth, and SQLite is their index.
Every method may be called from any thread. A method that takes an owner sees and touches only
that owner's rows and raises `NotFound` for all others; those without one are for the worker,
which serves everybody. Knows nothing of reading documents, of training or of models.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from storage import (
    adapters,
    attempts,
    conversations,
    documents,
    files,
    jobs,
    metrics,
    repair,
    runs,
    shelving,
    study,
)
from storage.adapter_facts import AdapterFacts
from storage.adapters import StagedAdapter
from storage.connection import Index, named_errors
from storage.content import Content
from storage.errors import LibraryDamaged, NotFound
from storage.jobs import Wanted
from storage.lock import Lock
from storage.migrations import SCHEMA_VERSION, version_of
from storage.records import (
    Adapter,
    Chapter,
    Conversation,
    Document,
    Job,
    JobRequest,
    JobState,
    Message,
    Metric,
    Page,
    StudyItem,
)
from storage.recovery import Findings
from storage.store import DATABASE, Store
from storage.values import clean, new_id, now


class Library:
    """Made by `open` or `read_only`, never directly. A context manager that closes itself."""

    def __init__(self, store: Store, lock: Lock | None, findings: Findings) -> None:
        self._store = store
        self._lock = lock
        self.findings = findings
        """What had to be put right at the start."""

    @classmethod
    def open(cls, root: str | Path) -> Self:
        """Takes the lock and makes whole what a kill left behind; jobs wait for `recover_jobs`.

        Raises `LibraryInUse`, which names the other process, `LibraryDamaged` for a library of
        a newer version, `DiskFull`.
        """
        folder = Path(root).expanduser().resolve()
        with named_errors(folder):
            # Other accounts of the machine have no business in what somebody reads.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = Lock(folder / "lock")
            try:
                store = Store(folder, Index(folder / DATABASE))
                return cls(store, lock, repair.start(store))
            except BaseException:
                lock.release()
                raise

    @classmethod
    def read_only(cls, root: str | Path) -> Self:
        """Needs no lock and changes nothing; whatever writes raises `LibraryInUse`.

        Raises `NotFound` where there is no library, `LibraryDamaged` if it has to be opened for
        writing first.
        """
        folder = Path(root).expanduser().resolve()
        index = Index(folder / DATABASE, readonly=True)
        if not index.path.exists():
            raise NotFound(f"There is no library in {folder}.")
        if damage := repair.find_damage(index):
            raise LibraryDamaged(f"The library in {folder} needs a repair: {damage}.")
        with index.read() as db:
            if "jobs" not in db.table_names():
                raise NotFound(f"The library in {folder} is only just being made.")
            if version_of(db) < SCHEMA_VERSION:
                raise LibraryDamaged(
                    f"The library in {folder} is that of an older lift-chat; "
                    f"open it once for writing to bring it up to date."
                )
        return cls(Store(folder, index), None, Findings())

    def close(self) -> None:
        """Idempotent. Lets another process in."""
        self._store.index.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def root(self) -> Path:
        return self._store.root

    # Documents

    def add_document(  # noqa: PLR0913  # each is a column; all but the first by name
        self,
        original: Path,
        *,
        owner: str,
        name: str,
        kind: str,
        title: str,
        author: str,
        language: str,
        pages: Sequence[Page],
        outline: Sequence[Chapter],
        quality: dict[str, Any],
    ) -> tuple[Document, bool]:
        """The document, and whether it is new: the same bytes are the same document."""
        self._store.index.require_writable()
        content = Content(
            kind=kind,
            title=title,
            author=author,
            language=language,
            pages=pages,
            outline=outline,
            quality=quality,
        )
        return shelving.add(self._store, original, owner=owner, name=name, content=content)

    def find_document(self, sha256: str, owner: str) -> Document | None:
        return documents.find(self._store, sha256, owner)

    def document(self, document_id: str, owner: str) -> Document:
        return documents.document(self._store, document_id, owner)

    def documents(self, owner: str, query: str = "") -> list[Document]:
        """Newest first; with words to search for, best match first."""
        return documents.documents(self._store, owner, query)

    def pages(self, document_id: str, owner: str) -> list[Page]:
        return documents.pages(self._store, document_id, owner)

    def original(self, document_id: str, owner: str) -> Path:
        """The file as it was added; never to be written to."""
        return documents.original(self._store, document_id, owner)

    def outline(self, document_id: str, owner: str) -> list[Chapter]:
        return documents.outline(self._store, document_id, owner)

    def document_text(self, document_id: str, owner: str) -> str:
        """The pages' texts joined by a blank line; the offsets of pages and chapters fit it."""
        return "\n\n".join(page.text for page in self.pages(document_id, owner))

    def study_items(self, document_id: str, owner: str) -> list[StudyItem]:
        """This owner's, as they were set; `LibraryDamaged` names a line that cannot be read."""
        return study.items(self._store, document_id, owner)

    def set_study_items(self, document_id: str, owner: str, items: Sequence[StudyItem]) -> None:
        """Replaces all. Raises ValueError for one that is too long or points out of the text."""
        self._store.index.require_writable()
        study.set_items(self._store, document_id, owner, items)

    def delete_document(self, document_id: str, owner: str) -> int:
        """Bytes freed, or would be if nobody else had the same document.

        Adapters made of it stay. Refused while a job on it waits or runs.
        """
        freed, jobs_on_it = documents.delete(self._store, document_id, owner)
        return freed + runs.clear(self._store, jobs_on_it)

    # Jobs

    def add_job(
        self,
        document_id: str,
        *,
        owner: str,
        name: str,
        recipe: dict[str, Any],
        base_model: str,
        studied: str = "",
    ) -> Job:
        """A queued job, or the equal one that waits or runs already.

        `studied` stands for what it would study now; it is kept only with `set_studied`.
        """
        wanted = Wanted(recipe=recipe, base=base_model, studied=studied)
        return jobs.add(self._store, document_id, owner, wanted, name=name)

    def find_job(
        self,
        document_id: str,
        owner: str,
        recipe: dict[str, Any],
        base_model: str,
        studied: str = "",
    ) -> Job | None:
        """The newest equal job that waits, runs, is interrupted, or made an adapter still here."""
        wanted = Wanted(recipe=recipe, base=base_model, studied=studied)
        return jobs.find(self._store, document_id, owner, wanted)

    def set_studied(self, job_id: str, studied: str) -> None:
        """The job has begun and studies this: from here on an equal job studies the same."""
        jobs.set_studied(self._store, job_id, studied)

    def job(self, job_id: str, owner: str) -> Job:
        return jobs.job(self._store, job_id, owner)

    def jobs(self, owner: str) -> list[Job]:
        """Newest first."""
        return jobs.all_of(self._store, owner)

    def waiting_jobs(self) -> int:
        """Number of queued jobs of all owners."""
        return jobs.waiting(self._store)

    def queue_position(self, job_id: str) -> int:
        """1 for the next one, 0 for a job that runs or is over."""
        return jobs.position(self._store, job_id)

    def claim_next_job(self, at_once: int = 1) -> Job | None:
        """The job to work on, now running; None if none waits or `at_once` run already."""
        return jobs.claim(self._store, at_once)

    def request_stop(self, job_id: str, owner: str, keep: bool) -> Job:
        """A waiting job is cancelled, a running one finds the request in `job_request`.

        What failed or was interrupted can be discarded, with its checkpoints.
        """
        return self._swept(jobs.request_stop(self._store, job_id, owner, keep=keep))

    def job_request(self, job_id: str) -> JobRequest:
        return jobs.job(self._store, job_id).request

    def finish_job(
        self,
        job_id: str,
        state: JobState,
        *,
        error_code: str = "",
        error: str = "",
        message: str = "",
    ) -> Job:
        """Ends a running job as failed, cancelled or interrupted; it is done by publishing."""
        told = {"error_code": error_code, "error": error, "message": message}
        return self._swept(jobs.finish(self._store, job_id, state, **told))

    def requeue_job(self, job_id: str, owner: str) -> Job:
        """From failed or interrupted to the end of the queue."""
        return jobs.requeue(self._store, job_id, owner)

    def claim_job(self, job_id: str, owner: str) -> Job:
        """This waiting job, now running, whatever else waits or runs."""
        return attempts.claim(self._store, job_id, owner)

    def release_job(self, job_id: str, message: str = attempts.AFTER_RESTART) -> None:
        """Lets go of a running job that is to go on later; `message` says when."""
        attempts.release(self._store, job_id, message)

    def credit_job(self, job_id: str) -> None:
        """The running job reached a checkpoint, so a kill from here on costs it no attempt."""
        attempts.credit(self._store, job_id)

    def recover_jobs(self, max_attempts: int = 3) -> list[Job]:
        """To be called once after `open`: gives back the job that ran when the program ended."""
        return [
            self._swept(job) for job in attempts.recover(self._store, max_attempts=max_attempts)
        ]

    def _swept(self, job: Job) -> Job:
        if job.state == "cancelled":
            runs.clear(self._store, [job.id])
        return job

    def progress(self, job_id: str, stage: str, step: int, total: int, message: str) -> None:
        told = {"stage": stage, "message": message}
        metrics.set_progress(self._store, job_id, step=step, total=total, **told)

    def add_metrics(self, job_id: str, rows: Sequence[Metric]) -> int:
        """Appends points, numbers them (their own `seq` is ignored), gives the last number."""
        return metrics.add(self._store, job_id, rows)

    def metrics(self, job_id: str, since: int = 0) -> list[Metric]:
        """Points whose `seq` is greater than `since`."""
        return metrics.since(self._store, job_id, since)

    def set_pinned(self, job_id: str, pinned: Sequence[dict[str, Any]]) -> None:
        """Replaces what the job's pinned questions were answered so far; see `Job.pinned`."""
        metrics.set_pinned(self._store, job_id, pinned)

    def run_folder(self, job_id: str) -> Path:
        """The job's folder for checkpoints and logs; gone once it is done or cancelled."""
        self._store.index.require_writable()
        return runs.folder(self._store, job_id)

    # Adapters

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the library's disk for a short while; gone at the end of the block."""
        self._store.index.require_writable()
        with named_errors(self.root), files.staged_folder(self._store.staging, new_id()) as folder:
            yield folder

    @contextmanager
    def staged_adapter(self) -> Iterator[StagedAdapter]:
        """A folder to write into; at the end of the block it is published or gone.

        A full disk inside the block comes out as `DiskFull`.
        """
        self._store.index.require_writable()
        name, staging = new_id(), self._store.staging
        with named_errors(self.root), files.staged_folder(staging, name) as folder:
            yield StagedAdapter(name, folder)

    def publish_adapter(  # noqa: PLR0913  # each is a column; all but the first by name
        self,
        staged: StagedAdapter,
        *,
        owner: str,
        document_id: str,
        job_id: str | None,
        name: str,
        kind: str,
        base_model: str,
        base_revision: str,
        base_fingerprint: str,
        recipe: dict[str, Any],
        metrics: dict[str, Any],
        origin: str = "",
    ) -> Adapter:
        """Publishes the folder and ends the job as done; both happen or neither.

        `origin` as in `Adapter`.

        Raises `IllegalTransition` if the job does not run, or is to be discarded.
        """
        facts = AdapterFacts(
            id=staged.id,
            owner=owner,
            document_id=document_id,
            job_id=job_id or "",
            name=clean(name),
            kind=kind,
            base_model=base_model,
            base_revision=base_revision,
            base_fingerprint=base_fingerprint,
            recipe=recipe,
            metrics=metrics,
            created_at=now(),
            studied=jobs.studied(self._store, job_id) if job_id else None,
            origin=clean(origin),
        )
        published = adapters.publish(self._store, staged, facts)
        runs.clear(self._store, [job_id] if job_id else [])
        return published

    def adapter(self, adapter_id: str, owner: str) -> Adapter:
        return adapters.adapter(self._store, adapter_id, owner)

    def adapters(self, owner: str, query: str = "", tags: Sequence[str] = ()) -> list[Adapter]:
        """Those with all the tags, newest first; with words to search for, best match first."""
        return adapters.adapters(self._store, owner, query, tags=tags)

    def update_adapter(
        self,
        adapter_id: str,
        owner: str,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        note: str | None = None,
    ) -> Adapter:
        """Changes what is not None."""
        return adapters.update(self._store, adapter_id, owner, name=name, tags=tags, note=note)

    def delete_adapter(self, adapter_id: str, owner: str) -> int:
        """Bytes freed. Its conversations go with it."""
        return adapters.delete(self._store, adapter_id, owner)

    def adapter_folder(self, adapter_id: str, owner: str) -> Path:
        """Not verified; never to be written to."""
        return self._store.adapters / self.adapter(adapter_id, owner).id

    def verify_adapter(self, adapter_id: str, owner: str) -> None:
        """Reads every byte. Raises `AdapterDamaged`, naming the file, expected and actual."""
        adapters.verify(self._store, adapter_id, owner)

    def adapter_digest(self, adapter_id: str, owner: str) -> str:
        """The same for the same adapter in every library. Raises `AdapterDamaged`."""
        return adapters.digest(self._store, adapter_id, owner)

    def verified_folder(self, adapter_id: str, owner: str) -> Path:
        """`adapter_folder`, once every byte in it was read. Raises `AdapterDamaged`."""
        self.verify_adapter(adapter_id, owner)
        return self.adapter_folder(adapter_id, owner)

    def source(self, adapter_id: str, owner: str) -> Document | None:
        """The document that an adapter was made of; None if it was deleted since, or never here."""
        document_id = self.adapter(adapter_id, owner).document_id
        try:
            return self.document(document_id, owner)
        except NotFound:
            return None

    # Conversations

    def add_conversation(self, adapter_id: str, owner: str, title: str = "") -> Conversation:
        return conversations.add(self._store, adapter_id, owner, title)

    def conversations(self, adapter_id: str, owner: str) -> list[Conversation]:
        """Newest first."""
        return conversations.conversations(self._store, adapter_id, owner)

    def conversation(self, conversation_id: str, owner: str) -> Conversation:
        return conversations.conversation(self._store, conversation_id, owner)

    def messages(self, conversation_id: str, owner: str) -> list[Message]:
        """Oldest first."""
        return conversations.messages(self._store, conversation_id, owner)

    def add_message(self, conversation_id: str, owner: str, message: Message) -> None:
        conversations.say(self._store, conversation_id, owner, message)

    def rewind(self, conversation_id: str, owner: str, keep: int) -> None:
        """Forgets all but the first `keep` messages."""
        conversations.rewind(self._store, conversation_id, owner, keep=keep)

    def delete_conversation(self, conversation_id: str, owner: str) -> None:
        conversations.delete(self._store, conversation_id, owner)

    # The whole

    def repair(self) -> Findings:
        """Brings index and folders together and makes the search index anew."""
        return repair.repair(self._store)

    def disk_usage(self, owner: str) -> dict[str, int]:
        """Bytes by `documents`, `adapters`, `runs` and `total`; shared documents count fully."""
        store = self._store
        usage = {
            "documents": sum(documents.weight(store, known) for known in self.documents(owner)),
            "adapters": sum(files.tree_bytes(store.adapters / a.id) for a in self.adapters(owner)),
            "runs": sum(files.tree_bytes(store.runs / job.id) for job in self.jobs(owner)),
        }
        return {**usage, "total": sum(usage.values())}

    def free_bytes(self) -> int:
        """On the disk that holds the library."""
        return shutil.disk_usage(self.root).free
