"""Any order of what people and the worker do keeps the library what a plain model says it is."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from storage.errors import IllegalTransition, NotFound
from storage.library import Library
from storage.records import Job, Message
from tests.storage.workbench import (
    ALICE,
    BASE,
    BOB,
    RECIPE,
    add_document_twice_told,
    check,
    publish,
    reopened,
    study_items,
)

owners = st.sampled_from([ALICE, BOB])
texts = st.sampled_from(["one", "two", "three"])


class LibraryMachine(RuleBasedStateMachine):
    documents = Bundle("documents")
    adapters = Bundle("adapters")

    def __init__(self) -> None:
        super().__init__()
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self.folder = Path(tempfile.mkdtemp(dir=memory))
        self.root = self.folder / "library"
        self.library = Library.open(self.root)
        self.expected_documents: dict[str, tuple[str, str]] = {}  # id: (owner, text)
        self.expected_adapters: dict[str, tuple[str, str]] = {}  # id: (owner, name)
        self.expected_questions: dict[str, tuple[str, ...]] = {}  # by the document's id
        self.running: Job | None = None

    @rule(target=documents, owner=owners, text=texts)
    def add(self, owner: str, text: str) -> tuple[str, str]:
        document, created = add_document_twice_told(self.library, text, owner=owner)
        assert created == ((owner, text) not in self.expected_documents.values())
        self.expected_documents[document.id] = (owner, text)
        return owner, document.id

    @rule(document=documents, questions=st.lists(st.sampled_from(["a?", "b\u2028?"]), max_size=2))
    def study(self, document: tuple[str, str], questions: list[str]) -> None:
        owner, document_id = document
        items = [replace(item, end=0, evidence="") for item in study_items(*questions)]
        if document_id not in self.expected_documents:
            with pytest.raises(NotFound):
                self.library.set_study_items(document_id, owner, items)
        else:
            self.library.set_study_items(document_id, owner, items)
            self.expected_questions[document_id] = tuple(questions)

    @rule(text=texts)
    def damage(self, text: str) -> None:
        """The folder of a text loses a file, and is made whole by adding the text again."""
        for document_id, (owner, known) in self.expected_documents.items():
            if known == text:
                sha256 = self.library.document(document_id, owner).sha256
                (self.root / "documents" / sha256 / "text.jsonl").unlink()
                assert add_document_twice_told(self.library, text, owner=owner)[1] is False
                return

    @rule(document=documents)
    def enqueue(self, document: tuple[str, str]) -> None:
        owner, document_id = document
        if document_id not in self.expected_documents:
            with pytest.raises(NotFound):
                self._add_job(owner, document_id)
        else:
            assert self._add_job(owner, document_id).state in ("queued", "running")

    def _add_job(self, owner: str, document_id: str) -> Job:
        return self.library.add_job(
            document_id, owner=owner, name="j", recipe=RECIPE, base_model=BASE
        )

    @rule()
    def claim(self) -> None:
        job = self.library.claim_next_job()
        if self.running is not None:
            assert job is None
        self.running = self.running or job

    @rule(keep=st.booleans())
    def stop(self, keep: bool) -> None:
        if self.running is not None:
            self.running = self.library.request_stop(self.running.id, self.running.owner, keep)

    @rule(target=adapters, state=st.sampled_from(["done", "failed", "cancelled", "interrupted"]))
    def finish(self, state: str) -> tuple[str, str]:
        job, self.running = self.running, None
        if job is None:
            return ALICE, "none"
        if state == "done" and job.request != "discard":
            adapter = publish(
                self.library, owner=job.owner, document_id=job.document_id, job=job, name="new"
            )
            self.expected_adapters[adapter.id] = (job.owner, "new")
            assert self.library.job(job.id, job.owner).adapter_id == adapter.id
            return job.owner, adapter.id
        self.library.finish_job(job.id, "failed" if state == "done" else state)  # type: ignore[arg-type]
        return ALICE, "none"

    @rule(data=st.data())
    def resume_or_discard(self, data: st.DataObject) -> None:
        over = [
            job
            for owner in (ALICE, BOB)
            for job in self.library.jobs(owner)
            if job.state in ("failed", "interrupted")
        ]
        if not over:
            return
        job = data.draw(st.sampled_from(over))
        if data.draw(st.booleans()) and job.document_id in self.expected_documents:
            assert self.library.requeue_job(job.id, job.owner).state == "queued"
        else:
            assert self.library.request_stop(job.id, job.owner, keep=False).state == "cancelled"

    @rule(target=adapters, owner=owners)
    def import_adapter(self, owner: str) -> tuple[str, str]:
        adapter = publish(self.library, owner=owner, name="imported")
        self.expected_adapters[adapter.id] = (owner, "imported")
        return owner, adapter.id

    @rule(adapter=adapters, name=st.text(min_size=1, max_size=5), talk=st.booleans())
    def rename(self, adapter: tuple[str, str], name: str, talk: bool) -> None:
        owner, adapter_id = adapter
        if adapter_id not in self.expected_adapters:
            with pytest.raises(NotFound):
                self.library.update_adapter(adapter_id, owner, name=name)
            return
        changed = self.library.update_adapter(adapter_id, owner, name=name, tags=[name])
        assert changed.name == name.strip() or not name.strip()
        self.expected_adapters[adapter_id] = (owner, changed.name)
        if talk:
            conversation = self.library.add_conversation(adapter_id, owner)
            self.library.add_message(conversation.id, owner, Message("user", name))

    @rule(document=consumes(documents))
    def delete_document(self, document: tuple[str, str]) -> None:
        owner, document_id = document
        live = [job for job in self.library.jobs(owner) if job.document_id == document_id]
        if document_id not in self.expected_documents:
            with pytest.raises(NotFound):
                self.library.delete_document(document_id, owner)
        elif any(job.state in ("queued", "running") for job in live):
            with pytest.raises(IllegalTransition):
                self.library.delete_document(document_id, owner)
        else:
            self.library.delete_document(document_id, owner)
            del self.expected_documents[document_id]

    @rule(adapter=consumes(adapters))
    def delete_adapter(self, adapter: tuple[str, str]) -> None:
        owner, adapter_id = adapter
        if self.expected_adapters.pop(adapter_id, None) is None:
            with pytest.raises(NotFound):
                self.library.delete_adapter(adapter_id, owner)
        else:
            assert self.library.delete_adapter(adapter_id, owner) > 0

    @rule(lose_index=st.booleans())
    def restart(self, lose_index: bool) -> None:
        self.library.close()
        if lose_index:
            (self.root / "library.sqlite").unlink()
            (self.root / "library.sqlite-journal").unlink(missing_ok=True)
        self.library = reopened(self.root)
        self.running = None
        check(self.root)
        if lose_index:
            # Renamed adapters have the name again that they were published with.
            for owner in (ALICE, BOB):
                for adapter in self.library.adapters(owner):
                    assert adapter.name in ("new", "imported")
                    self.expected_adapters[adapter.id] = (owner, adapter.name)

    @invariant()
    def the_library_is_what_the_model_says(self) -> None:
        for owner in (ALICE, BOB):
            documents = {d.id for d in self.library.documents(owner)}
            mine = {i: text for i, (who, text) in self.expected_documents.items() if who == owner}
            assert documents == set(mine)
            for document_id, text in mine.items():
                pages = self.library.pages(document_id, owner)
                assert "".join(page.text for page in pages) == text
                items = self.library.study_items(document_id, owner)
                expected = self.expected_questions.get(document_id, ())
                assert tuple(item.question for item in items) == expected
            adapters = {a.id: a.name for a in self.library.adapters(owner)}
            hers = {i: name for i, (who, name) in self.expected_adapters.items() if who == owner}
            assert adapters == hers
            for adapter_id in adapters:
                self.library.verify_adapter(adapter_id, owner)

    def teardown(self) -> None:
        self.library.close()
        reopened(self.root).close()
        check(self.root)
        shutil.rmtree(self.folder)


LibraryMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("LIFT_CHAT_MACHINE_EXAMPLES", "10")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLibraryMachine = LibraryMachine.TestCase
