"""Adapters on their way out of the library and into it, as one file or for another server.

What leaves is packed in a scratch folder of the library; what arrives is inspected in one, and only
then published like any other adapter. Knows no front end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lift_chat import __version__
from lift_chat.adapters.folder import FILES
from lift_chat.errors import InvalidConfig, NotFound, UnsafeAdapter
from lift_chat.sharing.card_facts import require_repository
from lift_chat.sharing.facts import SharedFacts, public_metrics
from lift_chat.sharing.inspection import inspect_config, inspect_listing
from lift_chat.sharing.parcel import Parcel, allowed, open_parcel, pack
from storage import archive
from storage.hub.repository import Token, fetch, look
from storage.library import Library
from storage.records import Adapter, Document

MOST_FILES = 5
MOST_BYTES = 16 << 30
"""Unpacked: the largest adapter of a 70B model and its book are far below."""


class Exchange:
    """`add_document(path, name, owner)` reads a file in as any other upload, and `room(owner,
    bytes)` holds room for what arrives."""

    def __init__(
        self,
        library: Library,
        add_document: Callable[..., Document],
        room: Callable[[str, int], AbstractContextManager[None]],
    ) -> None:
        self._library, self._add_document, self._room = library, add_document, room

    def export(self, adapter: Adapter, target: Path, *, document: bool) -> Path:
        """Writes `target`, a .zip, with the adapter and, if wanted, its document.

        Without the document, nothing of its text goes along but what the weights hold. Raises
        `NotFound` if the document was deleted, `InvalidConfig` for a target that cannot be written,
        `AdapterDamaged`.
        """
        if target.suffix.lower() != ".zip":
            raise InvalidConfig("An adapter is exported into a file whose name ends with .zip.")
        library, owner = self._library, adapter.owner
        files = library.verified_folder(adapter.id, owner)
        source = library.source(adapter.id, owner)
        if document and source is None:
            raise NotFound(f"The document of “{adapter.name}” is no longer here.")
        facts = shared_facts(adapter, source, whole=document)
        with library.scratch() as folder:
            extra: dict[str, Any] = {}
            if document and source is not None:
                extra["original"] = library.original(source.id, owner)
                extra["study"] = library.study_items(source.id, owner)
            names = pack(files, facts, folder, **extra)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                return archive.write(folder, names, target)
            except OSError as error:
                raise InvalidConfig(f"{target} cannot be written: {error.strerror}.") from error

    def import_file(self, file: Path, owner: str) -> Adapter:
        """The adapter of an export, checked and published; with its document, if that is in it.

        Raises `UnsafeAdapter` with the reason, and keeps nothing then.
        """
        if not file.is_file():
            raise NotFound(f"There is no file {file.name}.")
        return self.unpack(file, owner, f"file:{file.name}")

    def unpack(self, file: Path, owner: str, origin: str) -> Adapter:
        """As `import_file`, of an export that came from `origin`."""
        size = archive.unpacked_bytes(file)
        with self._room(owner, size), self._library.scratch() as folder:
            limits = {"most_files": MOST_FILES, "most_bytes": MOST_BYTES}
            archive.extract(file, folder, allowed=allowed, **limits)
            return self.keep(open_parcel(folder), owner, origin)

    def pull(self, repo: str, revision: str | None, owner: str, token: Token) -> Adapter:
        """The adapter in a repository on the Hub, checked and published; the one of the same commit
        that is here already.

        Its list of files is looked at before any is fetched, its JSON before its weights. Raises
        `InvalidConfig` for a `repo` that is not “user/name”, `NotFound`, `HubRefused`, and
        `UnsafeAdapter` with the reason.
        """
        require_repository(repo)
        remote = look(repo, revision, token=token)
        origin = f"hub:{repo}@{remote.commit}"
        for known in self._library.adapters(owner):
            if known.origin == origin and known.state == "ready":
                return known
        listing = inspect_listing(remote.files)
        size = sum(remote.files[name] for name in (*listing.first, *listing.then))
        with self._room(owner, size), self._library.scratch() as folder:
            fetch(remote, listing.first, folder, token=token, most_bytes=MOST_BYTES)
            inspect_config(folder, known_as=repo)
            fetch(remote, listing.then, folder, token=token, most_bytes=MOST_BYTES)
            return self.keep(open_parcel(folder, known_as=repo), owner, origin)

    def keep(self, parcel: Parcel, owner: str, origin: str) -> Adapter:
        """What was inspected, published; its files are moved out of the parcel's folder."""
        known = self._library.find_document(parcel.facts.document, owner)
        if known is not None or parcel.original is None:
            return self._publish(parcel, known, owner, origin)
        name = Path(parcel.facts.document_name).name or parcel.original.name
        document = self._add_document(parcel.original, name=name, owner=owner)
        try:
            self._keep_study(parcel, document)
            return self._publish(parcel, document, owner, origin)
        except BaseException:
            self._library.delete_document(document.id, owner)
            raise

    def _keep_study(self, parcel: Parcel, document: Document) -> None:
        try:
            self._library.set_study_items(document.id, document.owner, parcel.study)
        except ValueError as error:
            raise UnsafeAdapter(f"The study questions in it do not fit: {error}") from error

    def _publish(
        self, parcel: Parcel, document: Document | None, owner: str, origin: str
    ) -> Adapter:
        facts = parcel.facts
        with self._library.staged_adapter() as staged:
            for name in FILES:
                (parcel.folder / name).rename(staged.folder / name)
            return self._library.publish_adapter(
                staged,
                owner=owner,
                document_id=document.id if document else "",
                job_id=None,
                name=facts.name,
                kind=facts.kind,
                base_model=facts.base_model,
                base_revision=facts.base_revision,
                base_fingerprint=facts.base_fingerprint,
                recipe=dict(facts.recipe),
                metrics=dict(facts.metrics),
                origin=origin,
            )


def shared_facts(adapter: Adapter, source: Document | None, *, whole: bool) -> SharedFacts:
    """`whole` leaves in the metrics what is text of the document."""
    return SharedFacts(
        name=adapter.name,
        kind=adapter.kind,
        base_model=adapter.base_model,
        base_revision=adapter.base_revision,
        base_fingerprint=adapter.base_fingerprint,
        recipe=adapter.recipe,
        metrics=adapter.metrics if whole else public_metrics(adapter.metrics),
        document=source.sha256 if source else "",
        title=source.title if source else "",
        document_name=source.name if source else "",
        created_at=adapter.created_at,
        made_with=__version__,
    )
