"""Files that are there whole or not at all: staged, synced, then moved into place.

A rename without fsync can leave empty files under the right names after a power loss; the order
here is files, folder, rename, parents. Knows nothing of documents, adapters or the index.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from storage.connection import disk_full
from storage.values import new_id

log = logging.getLogger(__name__)

CHUNK = 1 << 20
QUARANTINE = "quarantine"


def sha256_of(path: Path) -> str:
    """Hex digest of the file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_hashed(source: Path, target: Path) -> tuple[str, int]:
    """Copies and hashes in one pass, so the digest is that of the copy. Gives (sha256, bytes)."""
    digest, size = hashlib.sha256(), 0
    with open(source, "rb") as reading, open(target, "xb") as writing:
        while chunk := reading.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            writing.write(chunk)
    return digest.hexdigest(), size


def write_file(path: Path, data: bytes) -> None:
    """Replaces `path` by `data`, durably; a reader sees the old bytes or the new ones."""
    draft = path.with_name(f".{path.name}.{new_id()}")
    try:
        with open(draft, "xb") as file:
            file.write(data)
        _sync(draft)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def is_plain_name(name: str) -> bool:
    """Whether a stranger's relative name, with slashes, stays below the folder it is put into."""
    path = PurePosixPath(name)
    relative = not path.is_absolute() and ".." not in path.parts and path.as_posix() == name
    return relative and name != "." and "\\" not in name and ":" not in name and name.isprintable()


def sync_folder(folder: Path) -> None:
    """Makes the folder's entries durable. Windows has no such call and needs none."""
    if sys.platform != "win32":
        _sync(folder)


def sync_tree(folder: Path) -> None:
    """Makes every file below `folder`, and `folder` itself, durable."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(parent, name))
        sync_folder(Path(parent))


def _sync(path: Path) -> None:
    # Windows syncs only what is open for writing; POSIX opens folders only for reading.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def staged_folder(staging: Path, name: str) -> Iterator[Path]:
    """A new folder under `staging`; what is still there at the end of the block is removed."""
    folder = staging / name
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_into_place(staged: Path, final: Path) -> None:
    """Renames a synced folder. When this returns, the folder survives a power loss."""
    os.rename(staged, final)
    sync_folder(final.parent)
    sync_folder(staged.parent)


def remove_folder(folder: Path, staging: Path) -> int:
    """Bytes freed. The folder leaves its place in one step, so it is never seen half removed.

    Where the system refuses, because a file is open on Windows or the disk fails, the folder
    stays for the next start to remove.
    """
    if not folder.exists():
        return 0
    size, grave = tree_bytes(folder), staging / new_id()
    try:
        os.rename(folder, grave)
        sync_folder(folder.parent)
    except OSError as error:
        log.warning("%s could not be removed now: %s", folder.name, error)
        return 0
    shutil.rmtree(grave, ignore_errors=True)
    return size


def quarantine(folder: Path, staging: Path) -> Path:
    """Moves something that does not belong where it is to a place that is never swept."""
    place = staging / QUARANTINE
    place.mkdir(exist_ok=True)
    target = place / f"{new_id()}-{folder.name}"
    os.rename(folder, target)
    sync_folder(place)
    sync_folder(folder.parent)
    return target


def quarantined(staging: Path, name: str) -> list[Path]:
    """What was put into quarantine under that name, newest first."""
    return sorted((staging / QUARANTINE).glob(f"*-{name}"), reverse=True)


def sweep(staging: Path) -> int:
    """Removes the leftovers of work that was cut off; gives their number."""
    leftovers = [path for path in staging.iterdir() if path.name != QUARANTINE]
    for path in leftovers:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)


def tree_bytes(folder: Path) -> int:
    """Sum of the sizes of all files below; files that vanish meanwhile count nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue
    return total


def require_room(root: Path, needed: int) -> None:
    """Raises `DiskFull` with both figures, before anything is written, if `needed` does not fit."""
    free = shutil.disk_usage(root).free
    if needed > free:
        raise disk_full(root, needed=needed, free=free)
