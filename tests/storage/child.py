"""A process of its own for the tests that kill one: `python child.py lock|work ROOT`.

`lock` opens the library, says so and waits. `work` adds, absorbs, renames and deletes until it
is killed, and prints what the library has told it, each line after the fact; a deletion also
before, since from then on either outcome is right.
"""

# ruff: noqa: E402
from __future__ import annotations

import sys

# sqlite-utils takes half a second to import pandas where it finds it, and needs none of it.
sys.modules["pandas"] = None  # type: ignore[assignment]
sys.modules["numpy"] = None  # type: ignore[assignment]

import random
from pathlib import Path

from storage.errors import LibraryInUse
from storage.library import Library
from storage.records import Message
from tests.storage.workbench import ALICE, absorb


def lock(root: Path) -> None:
    try:
        with Library.open(root):
            print("won", flush=True)
            sys.stdin.read()
    except LibraryInUse as error:
        print(f"lost: {error}", flush=True)


def work(root: Path) -> None:
    chance = random.Random()
    with Library.open(root) as library:
        library.recover_jobs()
        while True:
            if job := library.claim_next_job():
                library.request_stop(job.id, ALICE, keep=False)
                library.finish_job(job.id, "cancelled")
            adapter = absorb(library, f"text {chance.randrange(6)}", name="first")
            print("made", adapter.id, flush=True)
            library.update_adapter(adapter.id, ALICE, name="second", tags=["t"])
            print("renamed", adapter.id, flush=True)
            conversation = library.add_conversation(adapter.id, ALICE)
            library.add_message(conversation.id, ALICE, Message("user", "hello"))
            for old in library.adapters(ALICE)[4:]:
                print("deleting", old.id, flush=True)
                library.delete_adapter(old.id, ALICE)
                print("deleted", old.id, flush=True)
            for document in library.documents(ALICE)[3:]:
                library.delete_document(document.id, ALICE)


if __name__ == "__main__":
    {"lock": lock, "work": work}[sys.argv[1]](Path(sys.argv[2]))
