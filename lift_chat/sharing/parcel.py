"""An adapter outside of the library, as a folder: packed from our own, opened from anybody's.

Names are taken by allow-list, and the adapter is inspected (`inspection`) before anything of it is
used. A document that comes along is opened by whoever takes it in.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lift_chat.adapters.folder import FILES, copy_adapter
from lift_chat.errors import UnsafeAdapter
from lift_chat.sharing.facts import FACTS_FILE, SharedFacts
from lift_chat.sharing.inspection import inspect_config, inspect_weights
from storage.files import sha256_of
from storage.records import StudyItem
from storage.study import decoded, encoded

ORIGINAL = re.compile(r"document/original\.(pdf|epub|docx|html|md|txt)")
STUDY = "document/study.jsonl"
MOST_STUDY = 64 << 20


def allowed(name: str) -> bool:
    """Whether a parcel may hold a file of this name."""
    return name in (*FILES, FACTS_FILE, STUDY) or bool(ORIGINAL.fullmatch(name))


@dataclass(frozen=True)
class Parcel:
    """What was inspected and may be kept. `original` and `study` came with the document, if so."""

    folder: Path
    facts: SharedFacts
    original: Path | None
    study: tuple[StudyItem, ...]


def pack(
    adapter: Path,
    facts: SharedFacts,
    into: Path,
    *,
    original: Path | None = None,
    study: Sequence[StudyItem] = (),
) -> tuple[str, ...]:
    """Writes a parcel into the empty folder `into`; the names of its files."""
    names = [*FILES, FACTS_FILE]
    copy_adapter(adapter, into)
    told = replace(facts, files={name: sha256_of(into / name) for name in FILES})
    (into / FACTS_FILE).write_bytes(told.to_json())
    if original is not None:
        (into / "document").mkdir()
        names += [f"document/original{original.suffix}", STUDY]
        shutil.copyfile(original, into / names[-2])
        (into / STUDY).write_bytes(encoded(study))
    return tuple(names)


def open_parcel(folder: Path, *, known_as: str = "") -> Parcel:
    """Inspects all of it. An adapter of another program, without `lift_chat.json`, is taken where
    the caller says what it is `known_as`.

    Raises `UnsafeAdapter`, which names the file and the reason.
    """
    there = _names(folder)
    for name in FILES:
        if name not in there:
            raise UnsafeAdapter(f"{name} is missing; this is no export of an adapter.")
    facts = inspect_config(folder, known_as=known_as)
    originals = [folder / name for name in there if ORIGINAL.fullmatch(name)]
    if len(originals) > 1:
        raise UnsafeAdapter("There is more than one document in it.")
    for original in originals:
        if sha256_of(original) != facts.document:
            raise UnsafeAdapter("The document in it is not the one that the adapter was made of.")
    items = _study(folder / STUDY) if STUDY in there else ()
    inspect_weights(folder, facts)
    return Parcel(folder, facts, originals[0] if originals else None, items)


def _names(folder: Path) -> set[str]:
    names = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink() and name == "document":
            continue
        if not _is_plain(path) or not allowed(name):
            raise UnsafeAdapter(f"{name!r:.100} does not belong to an adapter.")
        names.add(name)
    return names


def _is_plain(path: Path) -> bool:
    """A file of its own: whoever changes one with a second name changes the other."""
    return not path.is_symlink() and path.is_file() and path.stat().st_nlink == 1


def _study(path: Path) -> tuple[StudyItem, ...]:
    if path.stat().st_size > MOST_STUDY:
        raise UnsafeAdapter(f"{STUDY} is too large.")
    try:
        return tuple(decoded(path.read_bytes()))
    except ValueError as error:
        raise UnsafeAdapter(
            f"{STUDY} holds something else than study questions: {error}."
        ) from error
