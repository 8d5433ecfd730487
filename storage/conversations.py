"""Conversations with an adapter, and their messages in order. They go with the adapter."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from sqlite_utils import Database

from storage import adapters
from storage.errors import NotFound
from storage.records import Conversation, Message
from storage.store import Store
from storage.values import clean, new_id, now, to_json

_COLUMNS = ", ".join(field.name for field in fields(Conversation))


def add(store: Store, adapter_id: str, owner: str, title: str) -> Conversation:
    with store.write() as db:
        adapters.one(db, adapter_id, owner)
        row = [new_id(), owner, adapter_id, clean(title), now()]
        db.execute(f"INSERT INTO conversations ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)", row)
        return one(db, str(row[0]), owner)


def one(db: Database, conversation_id: str, owner: str) -> Conversation:
    sql = f"SELECT {_COLUMNS} FROM conversations WHERE id = ? AND owner = ?"
    for row in db.query(sql, [conversation_id, owner]):
        return Conversation(**row)
    raise NotFound("There is no such conversation.")


def conversation(store: Store, conversation_id: str, owner: str) -> Conversation:
    with store.read() as db:
        return one(db, conversation_id, owner)


def conversations(store: Store, adapter_id: str, owner: str) -> list[Conversation]:
    """Newest first."""
    sql = f"SELECT {_COLUMNS} FROM conversations WHERE adapter_id = ? ORDER BY seq DESC"
    with store.read() as db:
        adapters.one(db, adapter_id, owner)
        return [Conversation(**row) for row in db.query(sql, [adapter_id])]


def messages(store: Store, conversation_id: str, owner: str) -> list[Message]:
    """Oldest first."""
    sql = "SELECT role, content, facts FROM messages WHERE conversation_id = ? ORDER BY seq"
    with store.read() as db:
        one(db, conversation_id, owner)
        return [_message(row) for row in db.query(sql, [conversation_id])]


def _message(row: dict[str, Any]) -> Message:
    return Message(**{**row, "facts": json.loads(row["facts"])})


def say(store: Store, conversation_id: str, owner: str, message: Message) -> None:
    with store.write() as db:
        one(db, conversation_id, owner)
        db.execute(
            "INSERT INTO messages (conversation_id, seq, role, content, facts)"
            " SELECT ?, COALESCE(MAX(seq), 0) + 1, ?, ?, ? FROM messages WHERE conversation_id = ?",
            [
                conversation_id,
                message.role,
                clean(message.content),
                to_json(message.facts),
                conversation_id,
            ],
        )


def rewind(store: Store, conversation_id: str, owner: str, *, keep: int) -> None:
    """Forgets all but the first `keep` messages. Their seq runs from 1 without gaps."""
    with store.write() as db:
        one(db, conversation_id, owner)
        sql = "DELETE FROM messages WHERE conversation_id = ? AND seq > ?"
        db.execute(sql, [conversation_id, max(keep, 0)])


def delete(store: Store, conversation_id: str, owner: str) -> None:
    with store.write() as db:
        one(db, conversation_id, owner)
        db.execute("DELETE FROM conversations WHERE id = ?", [conversation_id])
