"""Answering with an adapter: which window, which model, how the pieces stream.

Sits between the service and the decoder. Knows documents and adapters, no conversations and no
ownership: it is given records that were already looked up.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lift_chat.errors import InvalidConfig, NotFound
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

    def forget_document(self, document_id: str) -> None:
        """Drops what was kept of a deleted document's text."""
        self._readings.forget(document_id)

    def _decode(self, tree: Any, window: Window, settings: ChatSettings) -> Iterator[str]:
        return decode(tree, self._engine.base, window.ids, settings, self._engine.turn)

    def _tree(self, adapter: Adapter, settings: ChatSettings) -> Any:
        tree = self._engine.adapted(adapter, lambda: self._verified_folder(adapter))
        return at_strength(tree, settings.applied_strength)

    def _verified_folder(self, adapter: Adapter) -> Path:
        """Hashes are checked whenever weights are read, and only then."""
        self._library.verify_adapter(adapter.id, adapter.owner)
        return self._library.adapter_folder(adapter.id, adapter.owner)

    def _source(self, adapter: Adapter) -> Source:
        """The document behind the adapter; without its text when it was deleted since."""
        reading = self._reading(adapter)
        return reading.source if reading else Source(adapter.name, ())

    def _reading(self, adapter: Adapter) -> Reading | None:
        try:
            document = self._library.document(adapter.document_id, adapter.owner)
        except NotFound:
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
