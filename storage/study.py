"""Questions and answers kept with a document: an item per line, a file for each owner.

A file is replaced as a whole and read strictly; one that cannot be read is never overwritten.
Knows nothing of how items are made or what they train.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from storage import documents, files, owners
from storage.connection import named_errors
from storage.errors import LibraryDamaged
from storage.records import StudyItem
from storage.store import Store
from storage.values import clean

log = logging.getLogger(__name__)

MOST_ITEMS = 100_000
MOST_CHARACTERS = {"question": 4_000, "answer": 4_000, "evidence": 20_000, "kind": 40}

_NAMES = {field.name for field in fields(StudyItem)}
_ORIGINS = ("model", "endpoint", "person")


def items(store: Store, document_id: str, owner: str) -> list[StudyItem]:
    """[] where there are none.

    Raises `NotFound`, also where the folder has been lost; `LibraryDamaged`, which names the line
    that cannot be read and leaves the file as it is.
    """
    known = documents.document(store, document_id, owner)
    folder = documents.folder_of(store, known)
    return _read(owners.study_file(folder, known.id), known.characters)


def set_items(store: Store, document_id: str, owner: str, given: Sequence[StudyItem]) -> None:
    """Replaces all. A file that cannot be read is put into quarantine, not overwritten.

    Raises `NotFound`, `DiskFull`, and ValueError for what `check` refuses, with nothing changed.
    """
    with named_errors(store.root), store.shelf:
        known = documents.document(store, document_id, owner)
        path = owners.study_file(documents.folder_of(store, known), known.id)
        data = encoded(given, known.characters)
        try:
            _read(path, known.characters)
        except LibraryDamaged as error:
            log.warning("replaced: %s", error)
            files.quarantine(path, store.staging)
        if data:
            files.write_file(path, data)
        elif path.exists():
            path.unlink()
            files.sync_folder(path.parent)


def check(item: StudyItem, characters: int) -> None:
    """Raises ValueError, which says what is wrong, for an item that cannot be kept.

    `characters` is the length of the document's text, within which the offsets have to be.
    """
    for name, most in MOST_CHARACTERS.items():
        text: Any = getattr(item, name)
        if not isinstance(text, str):
            raise ValueError(f"the {name} is not text")
        if len(text) > most:
            raise ValueError(f"the {name} has {len(text)} characters instead of at most {most}")
        if name != "evidence" and not text.strip():
            raise ValueError(f"the {name} is empty")
    if item.origin not in _ORIGINS:
        raise ValueError(f"the origin is none of {', '.join(_ORIGINS)}")
    if type(item.start) is not int or type(item.end) is not int:
        raise ValueError("an offset is not a whole number")
    if not 0 <= item.start <= item.end <= characters:
        raise ValueError(
            f"the offsets {item.start} and {item.end} are not within {characters} characters"
        )


def encoded(given: Sequence[StudyItem], characters: int = sys.maxsize) -> bytes:
    """A line for each item. Raises ValueError, which names an item that cannot be kept."""
    if len(given) > MOST_ITEMS:
        raise ValueError(f"There are {len(given)} study items instead of at most {MOST_ITEMS}.")
    return b"".join(_line(number, item, characters) for number, item in enumerate(given, 1))


def _line(number: int, item: StudyItem, characters: int) -> bytes:
    try:
        check(item, characters)
    except ValueError as error:
        raise ValueError(f"Study item {number} cannot be kept: {error}.") from error
    told = {name: clean(v) if isinstance(v, str) else v for name, v in asdict(item).items()}
    return json.dumps(told, ensure_ascii=False).encode("utf-8") + b"\n"


def _read(path: Path, characters: int) -> list[StudyItem]:
    try:
        return decoded(path.read_bytes(), characters)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LibraryDamaged(f"The study items in {path.name} cannot be read: {error}") from error
    except ValueError as error:
        raise LibraryDamaged(f"The study items in {path.name} cannot be used: {error}.") from error


def decoded(data: bytes, characters: int = sys.maxsize) -> list[StudyItem]:
    """The items in `data`, one a line, each checked. Raises ValueError, which names the line."""
    lines = data.split(b"\n")
    if len(lines) > MOST_ITEMS + 1:
        raise ValueError(f"there are more than {MOST_ITEMS}")
    found = []
    # The last line is what follows the last line break: nothing, if the data is whole.
    for number, line in enumerate(lines if lines[-1] else lines[:-1], 1):
        try:
            found.append(_item(line, characters, whole=number < len(lines)))
        except ValueError as error:
            raise ValueError(f"line {number} is damaged: {error}") from error
    return found


def _item(line: bytes, characters: int, *, whole: bool) -> StudyItem:
    """Raises ValueError, which says what is wrong."""
    try:
        told = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not whole:
        raise ValueError("it does not end")
    if not isinstance(told, dict) or told.keys() != _NAMES:
        raise ValueError("its names are not those of a study item")
    item = StudyItem(**told)
    check(item, characters)
    return item
