"""LiftChat: the verbs that every front end calls; nothing below it is called by them.

Owns the library, the engine and the worker of one data folder. Every verb that touches somebody's
things takes the owner and passes it to the library, which knows nothing but `NotFound` for
what is not theirs. Methods may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch

from lift_chat import __version__
from lift_chat.base_model import load_base
from lift_chat.chat import Chat, Comparison, as_messages
from lift_chat.costs import Costs, Estimate, Found
from lift_chat.documents import read
from lift_chat.errors import IllegalTransition, InvalidConfig, LibraryDamaged, QueueFull
from lift_chat.examples.exam_items import exam_items, is_example
from lift_chat.executors.choosing import connector
from lift_chat.executors.dispatcher import Dispatcher
from lift_chat.executors.order import Means
from lift_chat.handle import JobHandle
from lift_chat.jobs import JobStatus, Worker
from lift_chat.lent import Gpu, Lend
from lift_chat.lift.own_exam import apart
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study.cards import to_csv
from lift_chat.lift.study.endpoint import EndpointWriter
from lift_chat.models.catalog import Choice, choose
from lift_chat.models.citations import Citation
from lift_chat.models.context import ChatSettings, WindowFacts
from lift_chat.models.device import Device, pick_device
from lift_chat.models.engine import Engine
from lift_chat.models.loading import LoadedModel
from lift_chat.models.tint import Tint
from lift_chat.quotas import Quotas, somebody
from lift_chat.selection import Selection
from lift_chat.settings import Settings
from lift_chat.sharing.exchange import Exchange
from lift_chat.sharing.keeping import Keeping, Kept
from lift_chat.sharing.leak import Leak
from lift_chat.sharing.publication import Publication
from lift_chat.sharing.vllm import Serving
from lift_chat.slices.absorbing import Slices
from lift_chat.slices.need import Need
from lift_chat.studied import digest, kept_for
from lift_chat.study_list import edited
from storage.files import sha256_of
from storage.hub.repository import Pushed, Token
from storage.library import Library
from storage.records import (
    LOCAL,
    Adapter,
    Chapter,
    Conversation,
    Document,
    Job,
    Message,
    Page,
    StudyItem,
)

MAX_QUEUED = 100


class LiftChat:
    """Open it with `LiftChat.open(folder)`; use it as a context manager or call `close`."""

    def __init__(
        self, library: Library, settings: Settings, *, worker: bool, lend: Lend | None = None
    ) -> None:
        self.library, self.settings = library, settings
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        self.device: Device = pick_device(settings.device)
        self.choice: Choice = choose(settings.base_model, self.device)
        self.engine = Engine(self._load_base)
        gpu = Gpu(lend, self.engine.forked)
        self.in_slices = gpu.is_lent
        self._chat = Chat(library, self.engine, gpu)
        self._quotas = Quotas(library, settings)
        self._exchange = Exchange(library, self.add_document, self._quotas.intake)
        self._keeping = Keeping(library, self._exchange)
        self._publication = Publication(
            library, self.engine, self._chat.leak, self.choice.name, settings
        )
        self._costs = Costs(lambda: self.engine.base, self.engine.visit, gpu)
        self._slices = Slices(library, self.engine, self._costs, gpu, settings.slice_seconds)
        self._worker = self._absorber()
        library.recover_jobs()
        self._has_worker = worker and not self.in_slices
        if self._has_worker:
            self._worker.start()

    @classmethod
    def open(
        cls,
        root: str | Path | None = None,
        *,
        settings: Settings | None = None,
        worker: bool = True,
        lend: Lend | None = None,
    ) -> Self:
        """The library in `root` (default: the settings' home). Raises `LibraryInUse`.

        `lend` is `spaces.GPU` on a ZeroGPU Space: no worker runs then, what waits is absorbed with
        `absorb_slice`, and everything else that needs the device borrows it too.
        """
        settings = settings or Settings()
        if root is not None:
            settings = settings.model_copy(update={"home": Path(root).expanduser()})
        library = Library.open(settings.home)
        try:
            return cls(library, settings, worker=worker, lend=lend)
        except BaseException:
            library.close()
            raise

    def close(self) -> None:
        self._worker.close()
        self.library.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _load_base(self) -> LoadedModel:
        return load_base(self.settings, self.choice.name, self.device)

    def prepare(self) -> str:
        """Loads the base model now, not at first need; gives its name. Where the device is lent
        this has to be done before the page is served, in the main thread."""
        name: str = self.engine.base.identity.name
        return name

    # Documents

    def add_document(
        self, path: str | Path, *, name: str | None = None, owner: str = LOCAL
    ) -> Document:
        """Reads and stores a file; the same bytes give the same document. The example comes with
        questions for its exam.

        Raises `UnreadableDocument` (nothing is stored then), `QuotaExceeded` or `DiskFull`.
        """
        path = Path(path)
        if path.is_file() and (known := self.library.find_document(sha256_of(path), owner)):
            return known
        size = path.stat().st_size if path.is_file() else 0
        with self._quotas.intake(owner, size, documents=1):
            found = read(path, name=name)
            document, _ = self.library.add_document(
                path,
                owner=owner,
                name=name or path.name,
                kind=found.kind,
                title=found.title,
                author=found.author,
                language=found.language,
                pages=found.pages,
                outline=found.outline,
                quality=found.quality,
            )
        if is_example(document.sha256) and not self.library.study_items(document.id, owner):
            text = self.library.document_text(document.id, owner)
            self.library.set_study_items(document.id, owner, exam_items(text))
        return document

    def documents(self, *, query: str = "", owner: str = LOCAL) -> list[Document]:
        return self.library.documents(owner, query)

    def document(self, document_id: str, *, owner: str = LOCAL) -> Document:
        return self.library.document(document_id, owner)

    def outline(self, document_id: str, *, owner: str = LOCAL) -> list[Chapter]:
        return self.library.outline(document_id, owner)

    def pages(self, document_id: str, *, owner: str = LOCAL) -> list[Page]:
        return self.library.pages(document_id, owner)

    def study_items(self, document_id: str, *, owner: str = LOCAL) -> list[StudyItem]:
        """Questions about the document with their answers, as absorbing or a person left them."""
        return self.library.study_items(document_id, owner)

    def set_study_items(
        self, document_id: str, items: Sequence[StudyItem], *, owner: str = LOCAL
    ) -> None:
        """Replaces all; what is new or changed is a person's. The next absorbing studies them.

        A list that cannot be read is replaced too; the library keeps it aside.
        """
        try:
            known = self.library.study_items(document_id, owner)
        except LibraryDamaged:
            known = []
        characters = self.library.document(document_id, owner).characters
        self.library.set_study_items(document_id, owner, edited(items, known, characters))

    def study_cards(self, document_id: str, *, owner: str = LOCAL) -> str:
        """The study items as CSV that Anki imports, in a deck named after the document."""
        document = self.library.document(document_id, owner)
        return to_csv(self.library.study_items(document_id, owner), document.title or document.name)

    def delete_document(self, document_id: str, *, owner: str = LOCAL) -> int:
        """Bytes freed. Adapters made of it stay. Refused while a job needs it."""
        freed = self.library.delete_document(document_id, owner)
        self._chat.forget_document(document_id)
        return freed

    # Absorbing

    def estimate(self, document_id: str, config: LiftConfig, *, owner: str = LOCAL) -> Estimate:
        """Time and memory of a run; measures this machine's speed at the first call."""
        selection = Selection.of(self.library, document_id, owner, config.chapters)
        pages = selection.pages(self.library.pages(document_id, owner))
        own, given = apart(kept_for(self.library, document_id, owner, config, selection))
        found = Found(len(pages), len(given), len(own))
        return self._costs.estimate(selection.text, config, found)

    def absorb(
        self,
        document_id: str,
        config: LiftConfig | None = None,
        *,
        name: str = "",
        owner: str = LOCAL,
    ) -> JobHandle:
        """Queues a run. The same document, study questions, recipe and base give the job that is
        already there."""
        config = config or LiftConfig.preset("read")
        document = self.library.document(document_id, owner)
        outline = self.library.outline(document_id, owner)
        if any(index >= len(outline) for index in config.chapters):
            raise InvalidConfig(f"“{document.title}” has {len(outline)} chapters to choose from.")
        recipe = config.to_dict()
        selection = Selection.of(self.library, document_id, owner, config.chapters)
        studied = digest(kept_for(self.library, document_id, owner, config, selection))
        job = self.library.find_job(document_id, owner, recipe, self.choice.name, studied)
        if job is None:
            with self._quotas.queueing(owner):
                if self.library.waiting_jobs() >= MAX_QUEUED:
                    raise QueueFull(f"{MAX_QUEUED} jobs wait already; let some finish first.")
                job = self.library.add_job(
                    document_id,
                    owner=owner,
                    name=name or document.title,
                    recipe=recipe,
                    base_model=self.choice.name,
                    studied=studied,
                )
        elif job.state == "interrupted":
            job = self.resume_job(job.id, owner=owner)
        self._worker.wake()
        return JobHandle(job.id, self, owner)

    def job(self, job_id: str, *, since: int = 0, owner: str = LOCAL) -> JobStatus:
        """The job and the points of its curve after `since` (a metric's `seq`)."""
        job = self.library.job(job_id, owner)
        position = self.library.queue_position(job_id) if job.state == "queued" else 0
        return JobStatus(job, tuple(self.library.metrics(job_id, since)), position)

    def jobs(self, *, owner: str = LOCAL) -> list[Job]:
        return self.library.jobs(owner)

    def stop_job(self, job_id: str, *, keep: bool, owner: str = LOCAL) -> Job:
        """Stops after the current step; `keep` publishes what was learned so far."""
        return self.library.request_stop(job_id, owner, keep)

    def resume_job(self, job_id: str, *, owner: str = LOCAL) -> Job:
        """Queues an interrupted or failed job again; it goes on from its last checkpoint."""
        self.library.job(job_id, owner)
        with self._quotas.queueing(owner):
            job = self.library.requeue_job(job_id, owner)
        self._worker.wake()
        return job

    def absorb_slice(
        self, job_id: str, *, keep: bool = False, owner: str = LOCAL
    ) -> Generator[ProgressEvent, None, None]:
        """Takes a waiting job forward by one slice, where no worker does; yields what happens.

        Afterwards it is done, waits for its next slice, or has failed. `keep` ends it with what it
        has learned so far. Closing the generator leaves a job that goes on.
        """
        job = self.library.job(job_id, owner)
        if self._has_worker:
            raise IllegalTransition(f"“{job.name}” is absorbed by the worker when its turn comes.")
        return self._slices.absorb(job_id, owner, keep=keep)

    def slices_needed(self, document_id: str, config: LiftConfig, *, owner: str = LOCAL) -> Need:
        """How many slices absorbing would take, from its estimate."""
        return self._slices.needed(self.estimate(document_id, config, owner=owner).seconds)

    def slices_left(self, job_id: str, *, owner: str = LOCAL) -> Need | None:
        """How many slices a job still needs; None for one that is over."""
        job = self.library.job(job_id, owner)
        if job.is_over:
            return None
        config = LiftConfig.from_dict(job.recipe)
        whole = self.estimate(job.document_id, config, owner=owner)
        return self._slices.left(job, whole.seconds)

    # Library

    def adapters(
        self, *, query: str = "", tags: Sequence[str] = (), owner: str = LOCAL
    ) -> list[Adapter]:
        return self.library.adapters(owner, query, tags)

    def adapter(self, adapter_id: str, *, owner: str = LOCAL) -> Adapter:
        return self.library.adapter(adapter_id, owner)

    def update_adapter(
        self,
        adapter_id: str,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        note: str | None = None,
        owner: str = LOCAL,
    ) -> Adapter:
        changed = self.library.update_adapter(adapter_id, owner, name=name, tags=tags, note=note)
        self._keeping.changed(adapter_id, owner)
        return changed

    def delete_adapter(self, adapter_id: str, *, owner: str = LOCAL) -> int:
        """Bytes freed. Its conversations go with it."""
        freed = self.library.delete_adapter(adapter_id, owner)
        self.engine.forget(adapter_id)
        return freed

    def compatible(self, adapter: Adapter) -> str:
        """'' if the adapter fits the base model, else one sentence."""
        return self.engine.mismatch(
            adapter, lambda: self.library.adapter_folder(adapter.id, adapter.owner)
        )

    # Sharing

    def export_adapter(
        self, adapter_id: str, target: str | Path, *, document: bool = False, owner: str = LOCAL
    ) -> Path:
        """Writes a .zip with the adapter and, if wanted, its document and study questions."""
        adapter = self.library.adapter(adapter_id, owner)
        return self._exchange.export(adapter, Path(target), document=document)

    def import_adapter(self, file: str | Path, *, owner: str = LOCAL) -> Adapter:
        """Takes in what `export_adapter` wrote, after checking all of it. Raises `UnsafeAdapter`,
        and keeps nothing then."""
        return self._exchange.import_file(Path(file), somebody(owner))

    def export_vllm(self, adapter_id: str, folder: str | Path, *, owner: str = LOCAL) -> Serving:
        """Writes a folder that vLLM serves, and says how."""
        adapter = self.library.adapter(adapter_id, owner)
        return self._publication.write_vllm(adapter, Path(folder))

    def measure_leak(
        self, adapter_id: str, *, owner: str = LOCAL
    ) -> Generator[int, None, Leak | None]:
        """How much of its document the adapter recites; yields the number of passages done."""
        adapter = self.library.adapter(adapter_id, owner)
        return self._publication.leak(adapter)

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
        """Uploads the adapter with its card to a repository on the Hub; only its owner sees it
        unless `public`, which has to be `confirmed`. The token is used for this call alone."""
        adapter = self.library.adapter(adapter_id, owner)
        return self._publication.push(
            adapter, repo, public=public, confirmed=confirmed, token=token
        )

    def pull_adapter(
        self,
        repo: str,
        *,
        revision: str | None = None,
        token: Token = None,
        owner: str = LOCAL,
    ) -> Adapter:
        """Takes in the adapter of a repository on the Hub, after checking all of it."""
        return self._exchange.pull(repo, revision, somebody(owner), token)

    def keep_library(self, *, token: Token = None, owner: str = LOCAL) -> Kept:
        """Brings a private repository of the token's account up to the library: made the first
        time, then added to. For servers whose disk does not last."""
        return self._keeping.keep(somebody(owner), token)

    def restore_library(self, *, token: Token = None, owner: str = LOCAL) -> Kept | None:
        """Takes in what `keep_library` kept and is not here; None where nothing is kept."""
        return self._keeping.restore(somebody(owner), token)

    def library_is_behind(self, *, owner: str = LOCAL) -> bool:
        """Whether the library is kept, and has something that is not kept yet. Asks nobody."""
        return self._keeping.is_behind(owner)

    def drop_kept(self, adapter_id: str, *, token: Token = None, owner: str = LOCAL) -> None:
        """Takes an adapter out of the kept library, if there is one, before it is deleted."""
        self._keeping.drop(adapter_id, owner, token)

    # Chat

    def reply(
        self,
        adapter_id: str,
        messages: str | Sequence[Message],
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> Generator[str, None, None]:
        """Yields the answer's text increments; closing the generator stops it."""
        adapter = self.library.adapter(adapter_id, owner)
        return self._chat.reply(adapter, messages, settings or ChatSettings())

    def warm(
        self, adapter_id: str, settings: ChatSettings | None = None, *, owner: str = LOCAL
    ) -> None:
        """Reads the document ahead, so that the first answer begins sooner; where every question
        is shown other passages, there is nothing to read. For when an adapter was chosen."""
        adapter = self.library.adapter(adapter_id, owner)
        self._chat.warm(adapter, settings or ChatSettings())

    def window(
        self,
        adapter_id: str,
        messages: str | Sequence[Message],
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> WindowFacts:
        """What the model would be given for the next answer."""
        adapter = self.library.adapter(adapter_id, owner)
        return self._chat.window(adapter, messages, settings or ChatSettings()).facts

    def compare(
        self,
        adapter_id: str,
        message: str,
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> Generator[Comparison, None, None]:
        """The same question to the adapter and to the untouched base, same window and seed."""
        adapter = self.library.adapter(adapter_id, owner)
        return self._chat.compare(adapter, message, settings or ChatSettings())

    def citations(
        self, adapter_id: str, answer: str, *, question: str = "", owner: str = LOCAL
    ) -> list[Citation]:
        """Where the claims of an answer stand in the document, by its words; [] where nothing
        matches. What `question` says already counts as no claim."""
        adapter = self.library.adapter(adapter_id, owner)
        return self._chat.citations(adapter, answer, question)

    def tint(
        self,
        adapter_id: str,
        messages: str | Sequence[Message],
        answer: str,
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> Tint:
        """By token of an answer to `messages`, how much the adapter added to its probability; of a
        gated memory also how far each head's gate was open."""
        adapter = self.library.adapter(adapter_id, owner)
        return self._chat.tint(adapter, messages, answer, settings or ChatSettings())

    def conversations(self, adapter_id: str, *, owner: str = LOCAL) -> list[Conversation]:
        return self.library.conversations(adapter_id, owner)

    def start_conversation(self, adapter_id: str, *, owner: str = LOCAL) -> Conversation:
        return self.library.add_conversation(adapter_id, owner)

    def messages(self, conversation_id: str, *, owner: str = LOCAL) -> list[Message]:
        return self.library.messages(conversation_id, owner)

    def converse(
        self,
        conversation_id: str,
        text: str,
        settings: ChatSettings | None = None,
        *,
        owner: str = LOCAL,
    ) -> Generator[str, None, None]:
        """Like `reply`, in a stored conversation: the question is kept at once, the answer at the
        end, also when it is cut short by closing the generator."""
        settings = settings or ChatSettings()
        conversation = self.library.conversation(conversation_id, owner)
        adapter = self.library.adapter(conversation.adapter_id, owner)
        history = self.library.messages(conversation_id, owner)
        asked = as_messages([*history, Message("user", text)])
        window = self._chat.window(adapter, asked, settings)
        self.library.add_message(conversation_id, owner, asked[-1])
        answer = ""
        try:
            with closing(self._chat.answer(adapter, window, settings)) as pieces:
                for piece in pieces:
                    answer += piece
                    yield piece
        finally:
            kept: dict[str, Any] = {
                "window": window.facts.sentence(),
                "settings": settings.to_dict(),
            }
            try:
                cited = self._chat.citations(adapter, answer, text)
                kept["citations"] = [asdict(citation) for citation in cited]
            finally:  # an answer is never lost for want of its pages
                self.library.add_message(conversation_id, owner, Message("assistant", answer, kept))

    def rewind(self, conversation_id: str, keep: int, *, owner: str = LOCAL) -> None:
        """Forgets all but the first `keep` messages: for retry, edit and undo."""
        self.library.rewind(conversation_id, owner, keep)

    def delete_conversation(self, conversation_id: str, *, owner: str = LOCAL) -> None:
        self.library.delete_conversation(conversation_id, owner)

    # State

    def health(self) -> dict[str, Any]:
        """JSON facts about the running app; loads nothing."""
        return {
            "status": "ok",
            "version": __version__,
            "device": self.device.name,
            "base_model": self.choice.name,
            "base_why": self.choice.why,
            "base_loaded": self.engine.is_loaded,
            "in_slices": self.in_slices,
            "library": str(self.settings.home),
            "jobs_waiting": self.library.waiting_jobs(),
            "free_disk_bytes": self.library.free_bytes(),
        }

    def _absorber(self) -> Worker | Dispatcher:
        """Raises `InvalidConfig` if the settings name an executor that is not installed."""
        if self.settings.executor == "local":
            return Worker(
                self.library,
                self.engine,
                self._costs,
                self._writer,
                lambda adapter: self._chat.warm(adapter, ChatSettings()),
            )
        means = Means.of(self.settings, self.choice.name)
        return Dispatcher(self.library, means, connector(self.settings, means))

    def _writer(self) -> EndpointWriter:
        """Raises `InvalidConfig` where the settings name no endpoint."""
        settings = self.settings
        return EndpointWriter(settings.writer_url, settings.writer_model, settings.writer_key)
