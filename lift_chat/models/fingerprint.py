"""Identity of a base model's weights and tokenizer, from the files of its folder.

An adapter answers nonsense on other weights without any error, so its base is identified by
content, not by name. Hashing all bytes of a 16 GB model takes a minute; the header of each
safetensors file (names, shapes, dtypes) and evenly spaced samples of its data take milliseconds
and tell every retrained or re-quantised variant apart. This is an identity check, not a defence
against a forger.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

SAMPLES = 64
SAMPLE_BYTES = 4096
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt")


def fingerprint(folder: Path) -> str:
    """Hex digest for the model in `folder` (safetensors weights and tokenizer files)."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        _sample(path, digest)
    for name in TOKENIZER_FILES:
        path = folder / name
        if path.is_file():
            digest.update(name.encode())
            digest.update(_vocabulary(path) if name == "tokenizer.json" else path.read_bytes())
    return digest.hexdigest()


def _vocabulary(path: Path) -> bytes:
    """The token table alone: the rest of the file varies with the version that wrote it."""
    table = json.loads(path.read_bytes()).get("model", {}).get("vocab", {})
    return json.dumps(table, sort_keys=True).encode()


def _sample(path: Path, digest: hashlib._Hash) -> None:
    size = path.stat().st_size
    digest.update(f"{path.name}:{size}".encode())
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        digest.update(file.read(min(header, 100_000_000)))
        start = 8 + header
        step = max((size - start) // SAMPLES, 1)
        for offset in range(start, size, step):
            file.seek(offset)
            digest.update(file.read(SAMPLE_BYTES))
