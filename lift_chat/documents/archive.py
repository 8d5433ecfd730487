"""Reading zip containers (EPUB, DOCX) without trusting what they declare.

Limits are checked twice: on the directory before anything is unpacked, and on the bytes while
they come out. Members are never written to disk and their names never become paths.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from typing import IO, Final, NoReturn
from urllib.parse import unquote

from lift_chat.documents.draft import Refusal

ENTRIES: Final = 10_000
DECLARED_BYTES: Final = 2**30
MEMBER_BYTES: Final = 64 * 2**20
READ_BYTES: Final = 256 * 2**20
RATIO: Final = 200
RATIO_FREE_BYTES: Final = 4 * 2**20
_CHUNK: Final = 2**20


class Archive:
    """A zip file in memory. Every failure is a `Refusal`: bomb, password, damaged."""

    def __init__(self, data: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            members = self._zip.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
            raise _damaged() from error
        _check_directory(members, len(data))
        self._members = {member.filename: member for member in members if not member.is_dir()}
        self._folded = {name.casefold(): name for name in self._members}
        self._read_bytes = 0

    @property
    def names(self) -> list[str]:
        return list(self._members)

    def has(self, name: str) -> bool:
        return self._found(name) is not None

    def read(self, name: str) -> bytes:
        """The unpacked bytes of a member; upper and lower case are told apart only if need be."""
        member = self._found(name)
        if member is None:
            raise _damaged()
        if member.flag_bits & 1:
            raise Refusal(
                "password", "It is packed with a password; unpack it and pack it again without."
            )
        try:
            with self._zip.open(member) as stream:
                return self._unpack(stream)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise _damaged() from error
        except (NotImplementedError, RuntimeError) as error:
            raise _damaged() from error

    def resolve(self, base: str, reference: str) -> str:
        """The member that `reference` (a relative URL) means when it stands in member `base`."""
        path = unquote(reference.split("#", 1)[0].split("?", 1)[0])
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(base), path))
        return joined.lstrip("/")

    def _found(self, name: str) -> zipfile.ZipInfo | None:
        return self._members.get(name) or self._members.get(self._folded.get(name.casefold(), ""))

    def _unpack(self, stream: IO[bytes]) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := stream.read(_CHUNK):
            size += len(piece)
            self._read_bytes += len(piece)
            if size > MEMBER_BYTES or self._read_bytes > READ_BYTES:
                _refuse_bomb()
            pieces.append(piece)
        return b"".join(pieces)


def _check_directory(members: list[zipfile.ZipInfo], size: int) -> None:
    packed = sum(member.compress_size for member in members)
    unpacked = sum(member.file_size for member in members)
    overlapping = packed > size
    swollen = any(
        member.file_size > RATIO_FREE_BYTES
        and member.file_size > RATIO * max(1, member.compress_size)
        for member in members
    )
    if len(members) > ENTRIES or unpacked > DECLARED_BYTES or overlapping or swollen:
        _refuse_bomb()


def _refuse_bomb() -> NoReturn:
    raise Refusal(
        "bomb",
        "It unpacks to far more data than a document needs, as files made to crash programs do.",
    )


def _damaged() -> Refusal:
    return Refusal(
        "damaged", "Its container is damaged or incomplete; copy or download the file again."
    )
