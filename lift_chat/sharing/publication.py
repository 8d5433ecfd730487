"""An adapter for others: on the Hub, with a card and a reader, or in a folder for vLLM's server.

Nothing of the document but what the weights hold leaves with it. A push to everybody needs a
confirmation, and whoever is asked for one is told what the adapter recites. Knows no front end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from lift_chat import __version__
from lift_chat.adapters import lora
from lift_chat.adapters.folder import FILES, copy_adapter, read_config
from lift_chat.errors import AdapterMismatch, InvalidConfig, NotConfirmed
from lift_chat.foreign_values import as_count
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.engine import Engine, mismatch_of
from lift_chat.selection import Selection
from lift_chat.settings import Settings
from lift_chat.sharing.base_origin import BaseOrigin, servable
from lift_chat.sharing.card import model_card
from lift_chat.sharing.card_facts import CardFacts, require_repository
from lift_chat.sharing.exchange import shared_facts
from lift_chat.sharing.leak import Leak
from lift_chat.sharing.loading_code import READER_FOLDER
from lift_chat.sharing.parcel import pack
from lift_chat.sharing.vllm import Serving, write_vllm
from lift_chat.steps import finished
from storage.hub.repository import Pushed, Token, push
from storage.library import Library
from storage.records import Adapter, Document

CARD = "README.md"
UNMEASURED = "How much of it the adapter recites cannot be measured."


class Publication:
    """`recited` measures how much of a text an adapter recites; the engine's base was loaded as
    `base_name` with `settings`."""

    def __init__(
        self,
        library: Library,
        engine: Engine,
        recited: Callable[[Adapter, str], Generator[int, None, Leak | None]],
        base_name: str,
        settings: Settings,
    ) -> None:
        self._library, self._engine, self._recited = library, engine, recited
        self._base_name, self._settings = base_name, settings
        self._leaks: dict[str, Leak | None] = {}

    def leak(self, adapter: Adapter) -> Generator[int, None, Leak | None]:
        """Yields the number of passages done; measured once for an adapter.

        None where there is no text to measure it on: the document was deleted, or is too short.
        """
        if adapter.id not in self._leaks:
            measured = None
            if text := self._text(adapter):
                measured = yield from self._recited(adapter, text)
            self._leaks[adapter.id] = measured
        return self._leaks[adapter.id]

    def push(
        self, adapter: Adapter, repo: str, *, public: bool, confirmed: bool, token: Token
    ) -> Pushed:
        """The adapter with its card in the repository `repo`, private unless `public`.

        Raises `InvalidConfig` for a `repo` that is not “user/name” and for an adapter that another
        program made, `AdapterMismatch` unless the adapter fits the loaded base, `NotConfirmed` with
        what the adapter gives away, `HubRefused`.
        """
        require_repository(repo)
        if adapter.is_foreign:
            raise InvalidConfig(
                f"“{adapter.name}” was made by another program, so there is nothing that its card "
                f"could say; share it from where it came from."
            )
        origin = self._origin(adapter)
        leak = finished(self.leak(adapter)) if public else None
        if public and not confirmed:
            told = leak.sentence() if leak else UNMEASURED
            raise NotConfirmed(
                f"Everybody could get parts of the document out of “{adapter.name}”. {told} "
                f"Confirm that you may publish it."
            )
        source = self._library.source(adapter.id, adapter.owner)
        files = self._library.verified_folder(adapter.id, adapter.owner)
        with self._library.scratch() as folder:
            names = [*pack(files, shared_facts(adapter, source, whole=False), folder), CARD]
            facts = self._card_facts(adapter, source, origin, files)
            (folder / CARD).write_text(model_card(facts, repo=repo, leak=leak), encoding="utf-8")
            if origin.reader is not None:
                names += _with_reader(origin.reader.folder, folder)
            message = f"Upload with lift-chat {__version__}"
            return push(folder, names, repo, public=public, token=token, message=message)

    def write_vllm(self, adapter: Adapter, into: Path) -> Serving:
        """The adapter in the folder `into`, as vLLM serves it.

        Raises `AdapterMismatch` unless it fits the loaded base, and what `write_vllm` raises.
        """
        origin = self._origin(adapter)
        return write_vllm(
            self._library.verified_folder(adapter.id, adapter.owner),
            adapter,
            into,
            base=servable(self._base_name, origin, self._settings.cache),
            reader=origin.reader.folder if origin.reader else None,
            title=_trained_title(adapter, self._library.source(adapter.id, adapter.owner)),
        )

    def _origin(self, adapter: Adapter) -> BaseOrigin:
        base = self._engine.base
        if mismatch := mismatch_of(adapter, base):
            raise AdapterMismatch(mismatch)
        origin = BaseOrigin.of(base.identity, self._settings.reader)
        # What another program made knows of no reader.
        return replace(origin, reader=None) if adapter.is_foreign else origin

    def _text(self, adapter: Adapter) -> str:
        """What the adapter has absorbed, or "" where that is not here."""
        if self._library.source(adapter.id, adapter.owner) is None:
            return ""
        try:
            chapters = LiftConfig.from_dict(adapter.recipe).chapters
        except InvalidConfig:  # that of another version
            return ""
        return Selection.of(self._library, adapter.document_id, adapter.owner, chapters).text

    def _card_facts(
        self, adapter: Adapter, source: Document | None, origin: BaseOrigin, files: Path
    ) -> CardFacts:
        return CardFacts(
            name=adapter.name,
            kind=adapter.kind,
            base_model=adapter.base_model,
            base_hub_id=origin.hub_id,
            base_revision=origin.revision,
            base_is_copy=origin.copy,
            reader=origin.reader.manifest.name if origin.reader else "",
            recipe=adapter.recipe,
            metrics=adapter.metrics,
            title=_trained_title(adapter, source),
            author=source.author if source else "",
            language=source.language if source else "",
            pages=source.pages if source else 0,
            characters=len(self._text(adapter)),
            tokens=as_count(adapter.metrics.get("document_tokens")) or 0,
            sha256=source.sha256 if source else "",
            rank=int(read_config(files)["r"]) if adapter.kind == lora.KIND else 0,
            made_with=f"lift-chat {__version__}",
        )


def _trained_title(adapter: Adapter, source: Document | None) -> str:
    """What the document was called in training; runs are named after it unless told otherwise."""
    named = "" if adapter.is_foreign else adapter.name
    return (source.title or source.name) if source else named


def _with_reader(reader: Path, folder: Path) -> list[str]:
    """Copies a reader beside the adapter: without it, plain PEFT could not use the adapter."""
    (folder / READER_FOLDER).mkdir()
    copy_adapter(reader, folder / READER_FOLDER)
    return [f"{READER_FOLDER}/{name}" for name in FILES]
