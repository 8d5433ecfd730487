"""Answering with an adapter: which window, which model, how the pieces stream.

Sits between the service and the decoder. Knows documents and adapters, no conversations and no
ownership: it is given records that were already looked up.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lift_chat.errors import InvalidConfig
from lift_chat.models.citations import Citation
from lift_chat.models.context import ChatSettings, Source, Window, WindowFacts, assemble
from lift_chat.models.engine import Engine, at_strength
from lift_chat.models.reply import decode
from lift_chat.models.tint import TintedToken, tint
from lift_chat.reading import Reading, Readings
from storage.library import Library
from storage.records import Adapter, Message


@dataclass(frozen=True)
class Comparison:
    """The growing answers of the adapter and of the base to the same window and seed."""

    adapted: str
    base: str
    window: WindowFacts


class Chat:
    def __init__(self, library: Library, engine: Engine) -> None:
        self._library, self._engine = library, engine
        self._readings = Readings()

    def window(
        self, adapter: Adapter, messages: str | Sequence[Message], settings: ChatSettings
    ) -> Window:
        """The prompt for the next answer, and what is in it."""
        source = self._source(adapter)
        return assemble(self._engine.base, source, as_messages(messages), settings)

    def reply(
        self, adapter: Adapter, messages: str | Sequence[Message], settings: ChatSettings
    ) -> Generator[str, None, None]:
        """Yields text increments; closing the generator stops the device."""
        yield from self.answer(adapter, self.window(adapter, messages, settings), settings)

    def answer(
        self, adapter: Adapter, window: Window, settings: ChatSettings
    ) -> Generator[str, None, None]:
        """`reply` to a window that is assembled already: reading a book's tokens takes a while."""
        yield from self._decode(self._tree(adapter, settings), window, settings)

    def compare(
        self, adapter: Adapter, message: str, settings: ChatSettings
    ) -> Generator[Comparison, None, None]:
        """First the adapter's answer grows, then the base's, in the same window."""
        window = self.window(adapter, message, settings)
        texts = {"adapted": "", "base": ""}
        trees = {"adapted": self._tree(adapter, settings), "base": self._engine.base.model}
        for name, tree in trees.items():
            for piece in self._decode(tree, window, settings):
                texts[name] += piece
                yield Comparison(**texts, window=window.facts)
        yield Comparison(**texts, window=window.facts)

    def citations(self, adapter: Adapter, answer: str, question: str) -> list[Citation]:
        """Where the claims of `answer` stand in the document; [] when its text is gone."""
        reading = self._reading(adapter)
        return reading.citations.cite(answer, question) if reading else []

    def tint(
        self,
        adapter: Adapter,
        messages: str | Sequence[Message],
        answer: str,
        settings: ChatSettings,
    ) -> list[TintedToken]:
        """What the adapter added to each token of `answer`, in the window it was given in."""
        base = self._engine.base
        told = len(base.tokenizer(answer, add_special_tokens=False)["input_ids"])
        if told > settings.max_new_tokens:  # the answer has to fit behind its prompt
            settings = replace(settings, max_new_tokens=told)
        window = self.window(adapter, messages, settings)
        tree = self._tree(adapter, settings)
        return tint(tree, base, window.ids, answer, self._engine.turn)

    def tree(self, adapter: Adapter) -> Any:
        """The chat tree with the adapter on it. Hashes are checked whenever weights are read, and
        only then. Raises `AdapterMismatch` or `AdapterDamaged`."""
        files = partial(self._library.verified_folder, adapter.id, adapter.owner)
        return self._engine.adapted(adapter, files)

    def forget_document(self, document_id: str) -> None:
        """Drops what was kept of a deleted document's text."""
        self._readings.forget(document_id)

    def _decode(self, tree: Any, window: Window, settings: ChatSettings) -> Iterator[str]:
        return decode(tree, self._engine.base, window.ids, settings, self._engine.turn)

    def _tree(self, adapter: Adapter, settings: ChatSettings) -> Any:
        if self._reading(adapter) is None:  # there is no text that could be shown
            settings = replace(settings, context="none")
        return at_strength(self.tree(adapter), settings.applied_strength)

    def _source(self, adapter: Adapter) -> Source:
        """The document behind the adapter; without its text when it was deleted since. What another
        program made was taught in words of its own, so nothing is put around the question."""
        reading = self._reading(adapter)
        return reading.source if reading else Source("" if adapter.is_foreign else adapter.name, ())

    def _reading(self, adapter: Adapter) -> Reading | None:
        document = self._library.source(adapter.id, adapter.owner)
        if document is None:
            return None
        return self._readings.get(
            document.id,
            lambda: Reading(
                document,
                self._library.pages(document.id, adapter.owner),
                lambda: self._engine.base.tokenizer,
            ),
        )


def as_messages(messages: str | Sequence[Message]) -> list[Message]:
    """Raises `InvalidConfig` unless the last of the messages is a question."""
    if isinstance(messages, str):
        messages = [Message("user", messages)]
    if not messages or messages[-1].role != "user" or not messages[-1].content.strip():
        raise InvalidConfig("Ask something: the last message must be a question of yours.")
    return list(messages)
