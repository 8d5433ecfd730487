"""Files as an adapter has them, for pushing and fetching."""

from __future__ import annotations

from pathlib import Path

from storage.hub.repository import Pushed, Token, push

WEIGHTS = "adapter_model.safetensors"
FILES = {
    "README.md": b"---\ntags: [lift]\n---\n# A lamp\n",
    "adapter_config.json": b'{"r": 8}',
    WEIGHTS: bytes(range(256)) * 800,
    "reader/" + WEIGHTS: b"reader" * 9000,
}
NAMES = list(FILES)
BOOK = "ann/book"
MOST = 1 << 20
MESSAGE = "Absorbed a lamp"


def write_files(folder: Path) -> Path:
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def pushed(folder: Path, token: Token, repo: str = BOOK, *, public: bool = False) -> Pushed:
    return push(folder, NAMES, repo, public=public, token=token, message=MESSAGE)


def files_below(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
