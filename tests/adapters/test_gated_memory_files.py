from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lift_chat.adapters import gated_memory
from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import AdapterDamaged, AdapterMismatch
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.loading import LoadedModel
from tests.adapters.architectures import NAMES, build, logits, some_ids, train
from tests.adapters.damage import edit, retensor, truncate

CONFIG = LiftConfig(adapter="gated-memory", memory_width=2, skip_layers=1)
IDS = some_ids(32)


@pytest.fixture(scope="module")
def llama() -> LoadedModel:
    return build("llama")


@pytest.fixture(scope="module")
def trained(llama: LoadedModel) -> Any:
    adapted = gated_memory.attach(llama.twin(), CONFIG)
    train(adapted, IDS, steps=5)
    return adapted


@pytest.fixture
def saved(llama: LoadedModel, trained: Any, tmp_path: Path) -> Path:
    gated_memory.save(trained, tmp_path, llama.identity)
    return tmp_path


@pytest.mark.parametrize("gate", ["linear", "mlp"])
@pytest.mark.parametrize("name", NAMES)
def test_what_was_saved_gives_the_same_logits_when_loaded(
    name: str, gate: Any, tmp_path: Path
) -> None:
    base = build(name)
    adapted = gated_memory.attach(base.twin(), CONFIG.with_changes(gate=gate))
    train(adapted, IDS, steps=5)
    gated_memory.save(adapted, tmp_path, base.identity)
    again = gated_memory.load(base.twin(), tmp_path)
    assert torch.equal(logits(again, IDS), logits(adapted, IDS))
    assert not torch.equal(logits(again, IDS), logits(base.model, IDS))
    assert not any(weight.requires_grad for weight in again.parameters())


def test_half_precision_comes_back_as_it_was(tmp_path: Path) -> None:
    base = build("llama", torch.bfloat16)
    adapted = gated_memory.attach(base.twin(), CONFIG)
    train(adapted, IDS, steps=3)
    gated_memory.save(adapted, tmp_path, base.identity)
    assert {t.dtype for t in load_file(tmp_path / WEIGHTS_FILE).values()} == {torch.bfloat16}
    assert torch.equal(logits(gated_memory.load(base.twin(), tmp_path), IDS), logits(adapted, IDS))


def test_the_config_names_the_base_and_all_shapes(saved: Path) -> None:
    values = json.loads((saved / CONFIG_FILE).read_text())
    assert values == {
        "lift_chat_type": "GATED_MEMORY",
        "base_model_name_or_path": "llama",
        "revision": None,
        "memory_width": 2,
        "gate": "mlp",
        "gate_width": 2,
        "layers": [[1, 4, 8]],
    }


@pytest.mark.parametrize(
    "damage",
    [
        edit(lift_chat_type="LORA"),
        edit(memory_width=0),
        edit(memory_width=10**9),
        edit(memory_width=2.0),
        edit(memory_width=True),
        edit(gate_width="2"),
        edit(gate="tanh"),
        edit(gate=["mlp"]),
        edit(layers=[]),
        edit(layers={}),
        edit(layers=[[1, 4]]),
        edit(layers=[[1, 4, "8"]]),
        edit(layers=[[-1, 4, 8]]),
        edit(layers=[[1, 4, 10**9]]),
        edit(layers=[[1, 4, 8], [1, 4, 8]]),
        retensor(lambda t: {n: torch.full_like(v, torch.nan) for n, v in t.items()}),
        retensor(lambda t: {n: torch.full_like(v, torch.inf) for n, v in t.items()}),
        retensor(lambda t: {n: v.to(torch.int32) for n, v in t.items()}),
        lambda folder: (folder / WEIGHTS_FILE).rename(folder / "adapter_model.bin"),
        truncate,
        lambda folder: (folder / CONFIG_FILE).write_text("{"),
        lambda folder: (folder / CONFIG_FILE).write_text("[]"),
        lambda folder: (folder / CONFIG_FILE).write_text("[" * 100_000),
        lambda folder: (folder / CONFIG_FILE).write_bytes(b"\xff\xfe"),
        lambda folder: (folder / CONFIG_FILE).unlink(),
    ],
)
def test_damaged_or_hostile_files_are_refused(
    llama: LoadedModel, saved: Path, damage: Callable[[Path], None]
) -> None:
    damage(saved)
    with pytest.raises(AdapterDamaged):
        gated_memory.load(llama.twin(), saved)


@pytest.mark.parametrize(
    "change",
    [
        edit(memory_width=3),
        edit(gate="linear"),
        edit(layers=[[2, 4, 8]]),
        edit(layers=[[1, 8, 4]]),
        edit(layers=[[7, 4, 8]]),
        edit(layers=[[1, 4, 8], [2, 4, 8]]),
        retensor(lambda t: {n: v[:1].contiguous() for n, v in t.items()}),
        retensor(lambda t: dict(list(t.items())[1:])),
        retensor(lambda t: {**t, "layers.1.extra": torch.ones(2)}),
    ],
)
def test_files_that_do_not_fit_the_base_or_each_other_are_a_mismatch(
    llama: LoadedModel, saved: Path, change: Callable[[Path], None]
) -> None:
    change(saved)
    with pytest.raises(AdapterMismatch):
        gated_memory.load(llama.twin(), saved)


def test_an_adapter_for_another_architecture_is_a_mismatch(saved: Path) -> None:
    with pytest.raises(AdapterMismatch):
        gated_memory.load(build("qwen3").twin(), saved)  # whose heads are twice as wide
