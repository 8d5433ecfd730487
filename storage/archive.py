"""One file out of a folder and back: a zip that is read as if a stranger had made it.

Knows names and sizes, nothing of what the files mean.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from storage.errors import UnsafeAdapter
from storage.files import CHUNK, is_plain_name
from storage.values import new_id

_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every entry: the same files give the same archive."""

_RATIO, _RATIO_FREE = 200, 4 << 20
"""Weights and books shrink by a few times at most; what is small may be all zeros."""

_END = b"PK\5\6"
_END_BYTES = 22
"""Of the record that ends an archive without a comment."""

_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, RuntimeError)


def write(folder: Path, names: Sequence[str], target: Path) -> Path:
    """Packs `names` (relative, with slashes) of `folder`; the target is there whole or not at all.

    Raises OSError.
    """
    draft = target.with_name(f".{target.name}.{new_id()}")
    try:
        with zipfile.ZipFile(draft, "x", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(names):
                entry = zipfile.ZipInfo(name, _DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                with open(folder / name, "rb") as source, archive.open(entry, "w") as packed:
                    while chunk := source.read(CHUNK):
                        packed.write(chunk)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def unpacked_bytes(source: Path) -> int:
    """What the archive says it unpacks to; reading stops there. Raises `UnsafeAdapter`."""
    try:
        with zipfile.ZipFile(source) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except _BROKEN as error:
        raise UnsafeAdapter(f"{source.name} cannot be unpacked: {error}.") from error


def extract(
    source: Path,
    into: Path,
    *,
    allowed: Callable[[str], bool],
    most_files: int,
    most_bytes: int,
) -> tuple[str, ...]:
    """The names that were unpacked into the empty folder `into`.

    Raises `UnsafeAdapter` for whatever is no plain archive of `allowed` names within the limits.
    Sizes are counted while reading, since a header may lie. The caller removes what is left of a
    refused archive.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            _check(entries, allowed, most_files, most_bytes)
            _check_bytes(source, entries)
            left = most_bytes
            for entry in entries:
                left -= _unpack(archive, entry, into / entry.filename, left)
    except _BROKEN as error:
        raise UnsafeAdapter(f"{source.name} cannot be unpacked: {error}.") from error
    return tuple(entry.filename for entry in entries)


def _check(
    entries: Sequence[zipfile.ZipInfo],
    allowed: Callable[[str], bool],
    most_files: int,
    most_bytes: int,
) -> None:
    if len(entries) > most_files:
        raise UnsafeAdapter(f"The archive holds {len(entries):,} files; {most_files} are too many.")
    if len({entry.filename.casefold() for entry in entries}) < len(entries):
        raise UnsafeAdapter("The archive holds a name twice.")
    for entry in entries:
        if not _is_plain(entry) or not allowed(entry.filename):
            raise UnsafeAdapter(f"The archive holds {entry.filename!r:.100}, which is not taken.")
    if (total := sum(entry.file_size for entry in entries)) > most_bytes:
        raise UnsafeAdapter(f"The archive unpacks to {total:,} bytes; {most_bytes:,} are allowed.")


def _check_bytes(source: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """That the file is an archive from end to end, and nothing else at the same time."""
    size = source.stat().st_size
    with open(source, "rb") as file:
        file.seek(max(0, size - _END_BYTES))
        ended = file.read(4) == _END
    starts = {entry.header_offset for entry in entries}
    packed = sum(entry.compress_size for entry in entries)
    if not ended or min(starts, default=0) != 0:
        raise UnsafeAdapter(f"{source.name} holds something before or behind its archive.")
    if len(starts) < len(entries) or packed > size:
        raise UnsafeAdapter(f"{source.name} holds the same bytes as more than one file.")
    for entry in entries:
        if entry.file_size > max(_RATIO_FREE, _RATIO * entry.compress_size):
            raise UnsafeAdapter(
                f"{entry.filename} unpacks to far more than an adapter's file does."
            )


def _is_plain(entry: zipfile.ZipInfo) -> bool:
    whole = entry.orig_filename == entry.filename  # the module cuts a name at its first NUL
    known = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    regular = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG) and not entry.is_dir()
    plain = whole and known and regular and not entry.flag_bits & 1
    return plain and is_plain_name(entry.filename)


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, most: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(entry) as packed, open(target, "xb") as file:
        while chunk := packed.read(CHUNK):
            size += len(chunk)
            if size > most:
                raise UnsafeAdapter("The archive unpacks to more than it says.")
            file.write(chunk)
    return size
