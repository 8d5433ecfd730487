"""Whatever method takes an owner gives nothing of one owner to another.

`CALLS` must name every such method: a new one without an entry fails the test.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.errors import NotFound
from storage.library import Library
from storage.records import Conversation, Document, Job, Message
from tests.storage.workbench import (
    ALICE,
    BASE,
    BOB,
    RECIPE,
    absorb,
    add_document,
    add_job,
    check,
    publish,
    study_items,
)


@dataclass(frozen=True)
class Hers:
    document: Document
    job: Job
    adapter_id: str
    conversation: Conversation


@pytest.fixture
def hers(library: Library) -> Hers:
    adapter = absorb(library)
    document = library.document(adapter.document_id, ALICE)
    job = add_job(library, document, recipe={"second": 1})
    library.claim_next_job()
    conversation = library.add_conversation(adapter.id, ALICE)
    library.add_message(conversation.id, ALICE, Message("user", "secret"))
    library.set_study_items(document.id, ALICE, study_items("hers"))
    return Hers(document, job, adapter.id, conversation)


Call = Callable[[Library, Hers], object]
MESSAGE = Message("user", "mine now")
REFUSED: dict[str, Call] = {
    "document": lambda lib, hers: lib.document(hers.document.id, BOB),
    "pages": lambda lib, hers: lib.pages(hers.document.id, BOB),
    "original": lambda lib, hers: lib.original(hers.document.id, BOB),
    "outline": lambda lib, hers: lib.outline(hers.document.id, BOB),
    "document_text": lambda lib, hers: lib.document_text(hers.document.id, BOB),
    "study_items": lambda lib, hers: lib.study_items(hers.document.id, BOB),
    "set_study_items": lambda lib, hers: lib.set_study_items(hers.document.id, BOB, []),
    "delete_document": lambda lib, hers: lib.delete_document(hers.document.id, BOB),
    "add_job": lambda lib, hers: lib.add_job(
        hers.document.id, owner=BOB, name="", recipe=RECIPE, base_model=BASE
    ),
    "job": lambda lib, hers: lib.job(hers.job.id, BOB),
    "claim_job": lambda lib, hers: lib.claim_job(hers.job.id, BOB),
    "request_stop": lambda lib, hers: lib.request_stop(hers.job.id, BOB, keep=False),
    "requeue_job": lambda lib, hers: lib.requeue_job(hers.job.id, BOB),
    "publish_adapter": lambda lib, hers: publish(
        lib, owner=BOB, document_id=hers.document.id, job=hers.job
    ),
    "adapter": lambda lib, hers: lib.adapter(hers.adapter_id, BOB),
    "update_adapter": lambda lib, hers: lib.update_adapter(hers.adapter_id, BOB, name="x"),
    "delete_adapter": lambda lib, hers: lib.delete_adapter(hers.adapter_id, BOB),
    "adapter_folder": lambda lib, hers: lib.adapter_folder(hers.adapter_id, BOB),
    "verify_adapter": lambda lib, hers: lib.verify_adapter(hers.adapter_id, BOB),
    "verified_folder": lambda lib, hers: lib.verified_folder(hers.adapter_id, BOB),
    "adapter_digest": lambda lib, hers: lib.adapter_digest(hers.adapter_id, BOB),
    "source": lambda lib, hers: lib.source(hers.adapter_id, BOB),
    "add_conversation": lambda lib, hers: lib.add_conversation(hers.adapter_id, BOB),
    "conversations": lambda lib, hers: lib.conversations(hers.adapter_id, BOB),
    "conversation": lambda lib, hers: lib.conversation(hers.conversation.id, BOB),
    "messages": lambda lib, hers: lib.messages(hers.conversation.id, BOB),
    "add_message": lambda lib, hers: lib.add_message(hers.conversation.id, BOB, MESSAGE),
    "rewind": lambda lib, hers: lib.rewind(hers.conversation.id, BOB, 0),
    "delete_conversation": lambda lib, hers: lib.delete_conversation(hers.conversation.id, BOB),
}
EMPTY: dict[str, Call] = {
    "find_document": lambda lib, hers: lib.find_document(hers.document.sha256, BOB),
    "documents": lambda lib, hers: lib.documents(BOB) + lib.documents(BOB, "lamp"),
    "find_job": lambda lib, hers: lib.find_job(hers.document.id, BOB, RECIPE, BASE),
    "jobs": lambda lib, hers: lib.jobs(BOB),
    "adapters": lambda lib, hers: lib.adapters(BOB) + lib.adapters(BOB, "lamp"),
    "disk_usage": lambda lib, hers: sum(lib.disk_usage(BOB).values()),
}
# Adding the same bytes gives Bob a document of his own, which another test looks at.
OTHERWISE = {"add_document"}


def test_every_method_that_takes_an_owner_is_tried() -> None:
    taking = {
        name
        for name, method in inspect.getmembers(Library, inspect.isfunction)
        if not name.startswith("_") and "owner" in inspect.signature(method).parameters
    }
    assert taking == set(REFUSED) | set(EMPTY) | OTHERWISE


def everything(root: Path) -> dict[str, bytes]:
    """Every file but the lock."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != "lock"
    }


@pytest.mark.parametrize("name", REFUSED)
def test_a_foreign_id_is_not_found_and_nothing_changes(
    library: Library, hers: Hers, root: Path, name: str
) -> None:
    before = everything(root)
    with pytest.raises(NotFound) as foreign:
        REFUSED[name](library, hers)
    assert everything(root) == before
    assert ALICE not in str(foreign.value) and "lamp" not in str(foreign.value).lower()


@pytest.mark.parametrize("name", EMPTY)
def test_lists_of_another_owner_are_empty(library: Library, hers: Hers, name: str) -> None:
    assert not EMPTY[name](library, hers)


def test_a_foreign_and_an_unknown_id_are_not_told_apart(library: Library, hers: Hers) -> None:
    for call in (library.document, library.job, library.adapter, library.conversation):
        sentences = set()
        for item in (hers.document.id, hers.job.id, hers.adapter_id, hers.conversation.id, "x"):
            with pytest.raises(NotFound) as caught:
                call(item, BOB)
            sentences.add(str(caught.value))
        assert len(sentences) == 1


def test_the_same_bytes_do_not_open_another_owners_document(
    library: Library, hers: Hers, root: Path
) -> None:
    his = add_document(library, owner=BOB, name="his.txt")
    assert his.id != hers.document.id
    assert his.name == "his.txt"
    assert library.study_items(his.id, BOB) == []
    library.set_study_items(his.id, BOB, study_items("his"))
    assert library.study_items(hers.document.id, ALICE) == study_items("hers")
    library.delete_document(his.id, BOB)
    assert library.document_text(hers.document.id, ALICE)
    library.finish_job(hers.job.id, "cancelled")
    check(root)
