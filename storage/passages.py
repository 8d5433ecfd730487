"""Which passages of a text have the words of a question: BM25 over a table in memory.

Whatever is asked is a bag of words, any of which may occur; nothing of FTS5's query language gets
through. Words are matched by their stem, and Han and kana by single characters and neighbouring
pairs, since they are written without spaces. Knows nothing of documents, owners or the index.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import unicodedata
import weakref
from collections.abc import Iterator, Sequence
from itertools import pairwise

from storage.search import spaced
from storage.values import clean

_MOST_WORDS = 256
# They are rare in a narrated text, so BM25 would take them for its best words: left out, the
# passage with the answer is first for 62 instead of 58 of 100 questions about fairy tales
# (FairytaleQA, Xu et al., 2022). Articles and prepositions make no such difference.
_ASKING = re.compile(
    r"who|whom|whose|what|which|when|where|why|how|do|does|did|is|are|was|were", re.IGNORECASE
)


class PassageIndex:
    """The passages `texts`, known by their positions. Built once; any thread may ask.

    The ranking is Okapi BM25 (Robertson and Zaragoza, 2009) with k1 = 1.2 and b = 0.75, as FTS5
    computes it.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        # Without this, Python warns of a connection that nobody closed.
        weakref.finalize(self, self._connection.close)
        # Without a copy of the texts: the caller has them.
        self._connection.execute(
            "CREATE VIRTUAL TABLE passages USING fts5 ("
            " text, content = '', tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        self._connection.executemany(
            "INSERT INTO passages (rowid, text) VALUES (?, ?)",
            ((position, spaced(clean(text))) for position, text in enumerate(texts)),
        )
        self._connection.commit()

    def best(self, query: str, limit: int) -> list[int]:
        """Positions of at most `limit` passages with a word of `query`, the best first.

        Of equally good ones the earlier is first; [] where no word occurs.
        """
        every = list(dict.fromkeys(_words(query)))
        words = ([word for word in every if not _ASKING.fullmatch(word)] or every)[:_MOST_WORDS]
        if not words or limit <= 0:
            return []
        sql = "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY rank, rowid LIMIT ?"
        asked = " OR ".join(f'"{word}"' for word in words)
        with self._lock:
            return [row[0] for row in self._connection.execute(sql, [asked, limit])]


def _words(query: str) -> Iterator[str]:
    """Cut where FTS5 cuts, at whatever is neither letter, mark nor digit: no quote is left."""
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in clean(query))
    for word in kept.split():
        parts = spaced(word).split()
        yield from parts
        # A single character says little; most words have two.
        yield from (f"{first} {second}" for first, second in pairwise(parts))
