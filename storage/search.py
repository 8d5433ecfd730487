"""Full-text search over what people remember of a document or adapter: names, not contents.

Whatever is typed is a list of words that must all occur, each matching from its start; nothing
of FTS5's query language gets through. Knows only the two tables of words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Literal

from sqlite_utils import Database

from storage.values import clean

Table = Literal["document_words", "adapter_words"]

# Han and kana are written without spaces and would otherwise be one long word.
_UNSPACED = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
# A quote would end the quoted word, a NUL the whole expression.
_BLANKED = str.maketrans({'"': " ", "\0": " "})
_MOST_WORDS = 32


@dataclass(frozen=True, kw_only=True)
class Words:
    """The searched columns, in the order of the tables."""

    title: str = ""
    author: str = ""
    name: str = ""
    tags: str = ""
    note: str = ""
    headings: str = ""


def store_words(db: Database, table: Table, *, seq: int, words: Words) -> None:
    """Replaces what is known of the row with that `seq`."""
    forget_words(db, table, seq=seq)
    values = [spaced(clean(text)) for text in astuple(words)]
    db.execute(
        f"INSERT INTO {table} (rowid, title, author, name, tags, note, headings)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?)",
        [seq, *values],
    )


def update_words(db: Database, table: Table, *, seq: int, **columns: str) -> None:
    """Replaces single columns."""
    assignments = ", ".join(f"{name} = ?" for name in columns)
    values = [spaced(clean(text)) for text in columns.values()]
    db.execute(f"UPDATE {table} SET {assignments} WHERE rowid = ?", [*values, seq])


def forget_words(db: Database, table: Table, *, seq: int) -> None:
    db.execute(f"DELETE FROM {table} WHERE rowid = ?", [seq])


def check_words(db: Database) -> None:
    """Raises sqlite3.DatabaseError if an index and its texts disagree.

    SQLite's own check looks into them only from 3.44 on. It counts as writing.
    """
    for table in ("document_words", "adapter_words"):
        db.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")


def rebuild_words(db: Database) -> None:
    """Makes both indexes anew from the texts that they hold."""
    for table in ("document_words", "adapter_words"):
        db.execute(f"INSERT INTO {table} ({table}) VALUES ('rebuild')")


def joined(headings: Sequence[str]) -> str:
    """Headings as one searchable text; a line each, so that a phrase does not span two."""
    return "\n".join(headings)


def expression(query: str) -> str:
    """What FTS5 is asked for; empty if the query holds no letter and no digit.

    Each word is quoted, so that FTS5 cuts it as it cut the stored text.
    """
    chunks = clean(query).translate(_BLANKED).split()
    words = [chunk for chunk in chunks if any(character.isalnum() for character in chunk)]
    return " ".join(f'"{spaced(word).strip()}"*' for word in words[:_MOST_WORDS])


def spaced(text: str) -> str:
    """`text` with spaces around every Han and kana character, so that each is a word."""
    return _UNSPACED.sub(r" \1 ", text)
