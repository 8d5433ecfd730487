"""Answering with an adapter: which window, which model, how the pieces stream.

Sits between the service and the decoder. Knows documents and adapters, no conversations and no
ownership: it is given records that were already looked up.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lift_chat.errors import InvalidConfig
from lift_chat.lent import Gpu
from lift_chat.models.citations import Citation
from lift_chat.models.context import ChatSettings, Source, Window, WindowFacts, assemble
from lift_chat.models.engine import Engine, at_strength
from lift_chat.models.reply import decode
from lift_chat.models.tint import Tint, tint
from lift_chat.reading import Reading, Readings
from lift_chat.sharing.leak import Leak, measure_leak
from storage.library import Library
from storage.records import Adapter, Message

CHAT_SECONDS = 30
"""For which a lent device is asked to answer once."""

ANY_QUESTION = "?"
"""Has no word that a passage could be found by."""

REST_SECONDS = 60
"""After its last answer a chat is taken to go on; another adapter is not read ahead then."""


@dataclass(frozen=True)
class Comparison:
    """The growing answers of the adapter and of the base to the same window and seed."""

    adapted: str
    base: str
    window: WindowFacts


class Chat:
    """Windows are put together here, answers come from where the device is."""

    def __init__(self, library: Library, engine: Engine, gpu: Gpu) -> None:
        self._library, self._engine = library, engine
        self._readings = Readings()
        self._talked: tuple[str, float] = ("", 0.0)
        self._is_lent = gpu.is_lent
        self._answered = gpu.run(self._answer, CHAT_SECONDS)
        self._compared = gpu.run(self._compare, CHAT_SECONDS)
        self._tinted = gpu.run(self._tint, CHAT_SECONDS)
        self._recited = gpu.run(self._recite, CHAT_SECONDS)

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
        yield from self._answered(adapter, self._sent(adapter), window, settings)

    def compare(
        self, adapter: Adapter, message: str, settings: ChatSettings
    ) -> Generator[Comparison, None, None]:
        """First the adapter's answer grows, then the base's, in the same window."""
        window = self.window(adapter, message, settings)
        yield from self._compared(adapter, self._sent(adapter), window, settings)

    def warm(self, adapter: Adapter, settings: ChatSettings) -> None:
        """Reads ahead what the first questions have in common, so that the first answer begins
        sooner: the document, where all of it or its head and tail are shown.

        Found passages differ by question, so there is nothing to read then; nor is there where
        something was read already, the device is lent or full, or another chat is going on.
        """
        talking_with, when = self._talked
        going_on = bool(talking_with) and time.monotonic() - when < REST_SECONDS
        if self._is_lent or (going_on and talking_with != adapter.id):
            return
        window = self.window(adapter, ANY_QUESTION, settings)
        if window.facts.fell_back or not window.facts.document_tokens:
            return
        tree = self._tree(adapter, None)
        if self._engine.prefix(tree).is_empty:
            with suppress(torch.OutOfMemoryError):
                list(self._decode(tree, window, replace(settings, max_new_tokens=1)))

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
    ) -> Tint:
        """What the adapter added to each token of `answer`, in the window it was given in, and
        which gates were open for it."""
        told = len(self._engine.base.tokenizer(answer, add_special_tokens=False)["input_ids"])
        if told > settings.max_new_tokens:  # the answer has to fit behind its prompt
            settings = replace(settings, max_new_tokens=told)
        window = self.window(adapter, messages, settings)
        (found,) = self._tinted(adapter, self._sent(adapter), window, settings, answer)
        return found

    def leak(self, adapter: Adapter, text: str) -> Generator[int, None, Leak | None]:
        """How much of `text`, which it has absorbed, the adapter recites at the strength it was
        trained with, as others load it; as `measure_leak`."""
        found: Leak | None = None
        for sign in self._recited(adapter, self._sent(adapter), text):
            if isinstance(sign, int):
                yield sign
            else:
                found = sign
        return found

    def forget_document(self, document_id: str) -> None:
        """Drops what was kept of a deleted document's text."""
        self._readings.forget(document_id)

    # Where the device is. `folder` is the adapter's, or None for one to be looked up when needed.

    def _answer(
        self, adapter: Adapter, folder: Path | None, window: Window, settings: ChatSettings
    ) -> Iterator[str]:
        self._talked = adapter.id, time.monotonic()
        yield from self._decode(self._tree(adapter, folder), window, settings)

    def _compare(
        self, adapter: Adapter, folder: Path | None, window: Window, settings: ChatSettings
    ) -> Iterator[Comparison]:
        self._talked = adapter.id, time.monotonic()
        texts = {"adapted": "", "base": ""}
        trees = {
            "adapted": self._tree(adapter, folder),
            "base": self._engine.base.model,
        }
        for name, tree in trees.items():
            for piece in self._decode(tree, window, settings):
                texts[name] += piece
                yield Comparison(**texts, window=window.facts)
        yield Comparison(**texts, window=window.facts)

    def _tint(
        self,
        adapter: Adapter,
        folder: Path | None,
        window: Window,
        settings: ChatSettings,
        answer: str,
    ) -> Iterator[Tint]:
        strength = _as_shown(settings, window).applied_strength
        tree = at_strength(self._tree(adapter, folder), strength)
        yield tint(tree, self._engine.base, window.ids, answer, self._engine.turn)

    def _recite(
        self, adapter: Adapter, folder: Path | None, text: str
    ) -> Iterator[int | Leak | None]:
        tree = self._tree(adapter, folder)
        yield (yield from measure_leak(tree, self._engine.base, text, self._engine.turn))

    def _decode(self, tree: Any, window: Window, settings: ChatSettings) -> Iterator[str]:
        """By the base or by an adapter's tree, which answers at the settings' strength."""
        base, turn, prefix = self._engine.base, self._engine.turn, self._engine.prefix(tree)
        settings = _as_shown(settings, window)
        if tree is not base.model:
            tree = at_strength(tree, settings.applied_strength)
        return decode(tree, base, window.ids, settings, turn, prefix)

    def _tree(self, adapter: Adapter, folder: Path | None) -> Any:
        return self._engine.adapted(adapter, lambda: folder or self._files(adapter))

    def _files(self, adapter: Adapter) -> Path:
        return self._library.verified_folder(adapter.id, adapter.owner)

    def _sent(self, adapter: Adapter) -> Path | None:
        """The adapter's folder where the device is lent: nobody can ask the library there."""
        return self._files(adapter) if self._is_lent else None

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


def _as_shown(settings: ChatSettings, window: Window) -> ChatSettings:
    """Without a document's text, the strength is that of an answer from weights alone."""
    return replace(settings, context=window.facts.mode)


def as_messages(messages: str | Sequence[Message]) -> list[Message]:
    """Raises `InvalidConfig` unless the last of the messages is a question."""
    if isinstance(messages, str):
        messages = [Message("user", messages)]
    if not messages or messages[-1].role != "user" or not messages[-1].content.strip():
        raise InvalidConfig("Ask something: the last message must be a question of yours.")
    return list(messages)
