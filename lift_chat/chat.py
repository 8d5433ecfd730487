"""Answering with an adapter: which window, which model, how the pieces stream.

Sits between the service and the decoder. Knows documents and adapters, no conversations and no
ownership: it is given records that were already looked up.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lift_chat.errors import InvalidConfig, NotFound
from lift_chat.models.context import ChatSettings, Source, Window, WindowFacts, assemble
from lift_chat.models.engine import Engine
from lift_chat.models.reply import decode
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
        yield from self._decode(self._tree(adapter), window, settings)

    def compare(
        self, adapter: Adapter, message: str, settings: ChatSettings
    ) -> Generator[Comparison, None, None]:
        """First the adapter's answer grows, then the base's, in the same window."""
        window = self.window(adapter, message, settings)
        texts = {"adapted": "", "base": ""}
        trees = {"adapted": self._tree(adapter), "base": self._engine.base.model}
        for name, tree in trees.items():
            for piece in self._decode(tree, window, settings):
                texts[name] += piece
                yield Comparison(**texts, window=window.facts)
        yield Comparison(**texts, window=window.facts)

    def _decode(self, tree: Any, window: Window, settings: ChatSettings) -> Iterator[str]:
        return decode(tree, self._engine.base, window.ids, settings, self._engine.turn)

    def _tree(self, adapter: Adapter) -> Any:
        return self._engine.adapted(adapter, lambda: self._verified_folder(adapter))

    def _verified_folder(self, adapter: Adapter) -> Path:
        """Hashes are checked whenever weights are read, and only then."""
        self._library.verify_adapter(adapter.id, adapter.owner)
        return self._library.adapter_folder(adapter.id, adapter.owner)

    def _source(self, adapter: Adapter) -> Source:
        """The document behind the adapter; without its text when it was deleted since."""
        try:
            document = self._library.document(adapter.document_id, adapter.owner)
        except NotFound:
            return Source(adapter.name, ())
        return Source(document.title, self._library.pages(document.id, adapter.owner))


def as_messages(messages: str | Sequence[Message]) -> list[Message]:
    """Raises `InvalidConfig` unless the last of the messages is a question."""
    if isinstance(messages, str):
        messages = [Message("user", messages)]
    if not messages or messages[-1].role != "user" or not messages[-1].content.strip():
        raise InvalidConfig("Ask something: the last message must be a question of yours.")
    return list(messages)
