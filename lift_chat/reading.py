"""What a chat looks up in a document: its passages and its sentences, cut and indexed once.

A `Reading` makes each part at its first need; `Readings` keeps those of the documents talked
about last. Whose a document is has been asked before; here are ids.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from lift_chat.lift import passages
from lift_chat.models.citations import CitationIndex
from lift_chat.models.context import Source
from lift_chat.models.excerpt import Place, TokenPlaces
from storage.passages import PassageIndex
from storage.records import Document, Page

PASSAGE_TOKENS = 128
"""Long enough to hold a fact with what it is about, short enough that a small window holds four."""

MOST_PASSAGES = 256
MOST_READINGS = 4


class Reading:
    """One document's text, and what is made of it. `tokenizer` is asked for the base model's at
    the first need: to find sentences, no model has to be loaded."""

    def __init__(
        self, document: Document, pages: Sequence[Page], tokenizer: Callable[[], Any]
    ) -> None:
        self._title, self._language = document.title, document.language
        self._pages, self._tokenizer = pages, tokenizer

    @property
    def source(self) -> Source:
        return Source(self._title, self._pages, self.passages, self._places)

    def passages(self, question: str) -> list[Place]:
        """The passages that have words of `question`, the best first."""
        places, index = self._index
        return [places[number] for number in index.best(question, MOST_PASSAGES)]

    @cached_property
    def citations(self) -> CitationIndex:
        return CitationIndex(self._pages, self._sentences)

    def _sentences(self, text: str) -> list[Place]:
        return [(span.start, span.end) for span in passages.sentences(text, self._language)]

    @cached_property
    def _text(self) -> str:
        return Source(self._title, self._pages).text

    @cached_property
    def _places(self) -> TokenPlaces:
        return TokenPlaces.of(self._tokenizer(), self._text)

    @cached_property
    def _index(self) -> tuple[list[Place], PassageIndex]:
        text = self._text
        found = passages.passages(self._tokenizer(), text, PASSAGE_TOKENS, self._language)
        return [(span.start, span.end) for span in found], PassageIndex(
            [span.of(text) for span in found]
        )


class Readings:
    """The few readings used last, by document id; from any thread."""

    def __init__(self, most: int = MOST_READINGS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Reading] = OrderedDict()

    def get(self, document_id: str, make: Callable[[], Reading]) -> Reading:
        with self._lock:
            if document_id not in self._kept:
                self._kept[document_id] = make()
            self._kept.move_to_end(document_id)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return self._kept[document_id]

    def forget(self, document_id: str) -> None:
        with self._lock:
            self._kept.pop(document_id, None)
