"""A reader merged into its base: which one, and how.

A reader is a LoRA adapter made by `lift-chat warmup` (a plain PEFT folder with a manifest). Those
of the package lie under `shipped/`; another one is named by its folder. Merging happens once, when
the base is loaded, in the base's own dtype; from there on the merged model is the base, with a
fingerprint of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from lift_chat.adapters import lora
from lift_chat.adapters.folder import WEIGHTS_FILE
from lift_chat.errors import AdapterMismatch, ModelUnavailable
from lift_chat.models.loading import LoadedModel
from lift_chat.reader.files import ReaderManifest, read_manifest

AUTO, NONE = "auto", "none"
SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class Found:
    folder: Path
    manifest: ReaderManifest


def find_reader(wanted: str, base_fingerprint: str) -> Found | None:
    """The reader named `wanted`: a folder, “none”, or “auto” for the shipped one of this base.

    Raises `ModelUnavailable` if a named one is not there, `AdapterDamaged`, or `AdapterMismatch`
    if it was made for another base.
    """
    if wanted == NONE:
        return None
    if wanted == AUTO:
        shipped = [Found(f, read_manifest(f)) for f in sorted(SHIPPED.glob("*/")) if f.is_dir()]
        fitting = [one for one in shipped if one.manifest.base_fingerprint == base_fingerprint]
        return fitting[0] if fitting else None
    folder = Path(wanted).expanduser()
    if not folder.is_dir():
        raise ModelUnavailable(f"There is no reader in {wanted}.")
    found = Found(folder, read_manifest(folder))
    if found.manifest.base_fingerprint != base_fingerprint:
        raise AdapterMismatch(
            f"The reader in {wanted} was made for {found.manifest.base_model}, not for this base."
        )
    return found


def with_reader(loaded: LoadedModel, wanted: str) -> LoadedModel:
    """`loaded` with its reader added to its weights: the same modules, nothing more.

    A base in 4 bits stays as it is under “auto”: merging would quantise it once more. Raises what
    `find_reader` raises, and `ModelUnavailable` for a named reader on a 4-bit base.
    """
    if loaded.four_bit and wanted in (AUTO, NONE):
        return loaded
    found = find_reader(wanted, loaded.identity.fingerprint)
    if found is None:
        return loaded
    if loaded.four_bit:
        raise ModelUnavailable("A reader cannot be merged into a base in 4 bits.")
    merged = lora.load(loaded.model, found.folder).merge_and_unload()
    identity = replace(
        loaded.identity,
        fingerprint=_fingerprint(loaded.identity.fingerprint, found),
        reader=found.manifest.name,
        bare=loaded.identity.fingerprint,
    )
    frozen = merged.eval().requires_grad_(False)
    return replace(loaded, model=frozen, identity=identity, reader=found.folder)


def _fingerprint(base: str, found: Found) -> str:
    """Of base and reader together: an adapter made on one is nonsense on the other."""
    weights = found.manifest.files[WEIGHTS_FILE]
    return hashlib.sha256(f"{base} {weights}".encode()).hexdigest()
