"""The `owners/` in a document's folder: for each owner's row a card, and study items if it has any.

What the index knows of a row is on its card, so that a lost index can be rebuilt for all owners.
Knows the names of the files, but neither rows nor what a study item is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from storage import files
from storage.manifest import BadManifest
from storage.values import to_json

log = logging.getLogger(__name__)

NAME = "owners"
_STUDY = ".study.jsonl"


def card_file(folder: Path, document_id: str) -> Path:
    return folder / NAME / f"{document_id}.json"


def study_file(folder: Path, document_id: str) -> Path:
    return folder / NAME / f"{document_id}{_STUDY}"


def write_card(folder: Path, card: dict[str, str]) -> None:
    """`card` has the id, owner, name and created_at of the row."""
    files.write_file(card_file(folder, card["id"]), to_json(card).encode("ascii"))


def cards(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Each card, with its file. Raises `BadManifest`, KeyError, TypeError or ValueError."""
    for path in sorted((folder / NAME).glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="ascii"))
        except OSError as error:
            raise BadManifest(f"{path.name} cannot be read ({error})") from error
        card = {name: content[name] for name in ("id", "owner", "name", "created_at")}
        if card["id"] != path.stem or not all(isinstance(value, str) for value in card.values()):
            raise BadManifest(f"{path.name} is not a card")
        yield path, card


def remove(folder: Path, document_id: str) -> None:
    """Removes what belongs to a row. Raises OSError."""
    # The card last: while it is there, the deletion is known to be unfinished.
    for path in (study_file(folder, document_id), card_file(folder, document_id)):
        if path.exists():
            path.unlink()
            files.sync_folder(path.parent)


def remove_drafts(folder: Path) -> None:
    """Removes what a kill left of writing a file."""
    for draft in (folder / NAME).glob(".*"):
        draft.unlink()


def adopt(folder: Path, document_id: str, by: str) -> None:
    """Gives the study items of a row that is no more to one of the same owner that has none."""
    source, target = study_file(folder, document_id), study_file(folder, by)
    if source.exists() and not target.exists():
        source.rename(target)


def quarantine_strangers(folder: Path, document_ids: Iterable[str], staging: Path) -> None:
    """Puts aside the study items of no row: nobody could ever see or delete them."""
    known = {study_file(folder, document_id) for document_id in document_ids}
    for path in sorted((folder / NAME).glob(f"*{_STUDY}")):
        if path not in known:
            log.warning("the study items in %s belong to nobody", path.name)
            files.quarantine(path, staging)


def rescue(sources: Iterable[Path], folder: Path, document_ids: Iterable[str]) -> bool:
    """Copies the study items of those rows out of the first of `sources` that had any owners.

    False if one of the files cannot be read, and so is only where it was.
    """
    source = next((source for source in sources if (source / NAME).is_dir()), None)
    if source is None:
        return True
    complete = True
    for document_id in document_ids:
        path = study_file(source, document_id)
        try:
            data = path.read_bytes() if path.exists() else b""
        except OSError as error:
            log.warning("study items are left in %s: %s", source.name, error)
            complete = False
        else:
            if data:
                files.write_file(study_file(folder, document_id), data)
    return complete
