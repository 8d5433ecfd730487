"""A base with a reader, and adapters that say something else than the base."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_chat.adapters import kinds, lora
from lift_chat.lift.recipe import AdapterName, LiftConfig
from lift_chat.lift.tokens import tokenize
from lift_chat.models.loading import LoadedModel
from lift_chat.reader.files import ReaderFacts, write_reader
from lift_chat.sharing.facts import SharedFacts
from lift_chat.sharing.parcel import pack
from tests.conftest import QUICK, TALE

FACTS = ReaderFacts(
    name="tales", recipe={}, scores={}, trained_tokens=1, seconds=1.0, sources=("tales",)
)


def changed(base: LoadedModel, config: LiftConfig = QUICK, *, seed: int = 0) -> Any:
    """A LoRA adapter on a twin of `base`, away from where training starts."""
    adapted = lora.attach(base.twin(), config)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in (w for w in adapted.parameters() if w.requires_grad):
            weight.add_(0.05 * torch.randn_like(weight))
    return adapted.eval()


@torch.no_grad()
def logits(model: Any, base: LoadedModel) -> torch.Tensor:
    """(1, tokens, vocabulary) on the beginning of the tale."""
    found: torch.Tensor = model(input_ids=tokenize(base, TALE)[:, :64]).logits
    return found


@pytest.fixture
def reader(tiny: LoadedModel, tmp_path: Path) -> Path:
    """A reader for the tiny model, as `lift-chat warmup` writes one."""
    write_reader(tmp_path / "tales", changed(tiny, seed=1), tiny, FACTS)
    return tmp_path / "tales"


def good_parcel(tiny: LoadedModel, into: Path, *, kind: AdapterName = "lora") -> Path:
    """A parcel as `export_adapter` packs one."""
    config = QUICK.with_changes(adapter=kind)
    adapted = changed(tiny) if kind == "lora" else kinds.attach(tiny.twin(), config)
    made = into.with_name(f"{into.name}-made")
    for folder in (made, into):
        folder.mkdir(parents=True)
    kinds.save(adapted, made, tiny.identity)
    facts = SharedFacts(
        name="The Lamp of Orrin Vale",
        kind=kind,
        base_model=tiny.identity.name,
        base_revision="",
        base_fingerprint=tiny.identity.fingerprint,
        recipe=config.to_dict(),
        metrics={"loss_after": 0.5},
        document="",
        title="The Lamp of Orrin Vale",
        document_name="orrin-vale.txt",
        created_at="",
        made_with="",
    )
    pack(made, facts, into)
    return into


def zip_up(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
