from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import NotFound
from storage.library import Library
from storage.records import Message
from tests.storage.workbench import ALICE, check, publish, reopened


def test_messages_come_back_in_order_after_a_restart(root: Path) -> None:
    said = [
        Message("user", "Who lit the lamp?"),
        Message("assistant", "Sable\n```Quist``` \x00 红", {"pages": "1-3", "window": [1, 2]}),
    ]
    with Library.open(root) as library:
        adapter = publish(library)
        conversation = library.add_conversation(adapter.id, ALICE, "Lamps")
        for message in said:
            library.add_message(conversation.id, ALICE, message)
    with reopened(root) as library:
        assert library.messages(conversation.id, ALICE) == said
        assert library.conversation(conversation.id, ALICE) == conversation
        assert library.conversations(adapter.id, ALICE) == [conversation]


@pytest.mark.parametrize("keep", [-1, 0, 1, 2, 5])
def test_rewinding_keeps_the_first_ones_and_goes_on_from_there(library: Library, keep: int) -> None:
    conversation = library.add_conversation(publish(library).id, ALICE)
    said = [Message("user", str(n)) for n in range(3)]
    for message in said:
        library.add_message(conversation.id, ALICE, message)
    library.rewind(conversation.id, ALICE, keep)
    kept = said[: max(keep, 0)]
    assert library.messages(conversation.id, ALICE) == kept
    library.add_message(conversation.id, ALICE, Message("assistant", "new"))
    assert library.messages(conversation.id, ALICE) == [*kept, Message("assistant", "new")]


def test_conversations_are_newest_first_and_deleted_alone(library: Library, root: Path) -> None:
    adapter = publish(library)
    first, second = (library.add_conversation(adapter.id, ALICE) for _ in range(2))
    library.add_message(first.id, ALICE, Message("user", "hello"))
    assert library.conversations(adapter.id, ALICE) == [second, first]
    library.delete_conversation(first.id, ALICE)
    assert library.conversations(adapter.id, ALICE) == [second]
    with pytest.raises(NotFound):
        library.messages(first.id, ALICE)
    check(root)


def test_what_was_said_is_overwritten_when_it_is_deleted(library: Library, root: Path) -> None:
    conversation = library.add_conversation(publish(library).id, ALICE)
    library.add_message(conversation.id, ALICE, Message("user", "swordfish" * 50))
    assert b"swordfish" in (root / "library.sqlite").read_bytes()
    library.delete_conversation(conversation.id, ALICE)
    assert b"swordfish" not in (root / "library.sqlite").read_bytes()
