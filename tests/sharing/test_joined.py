from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from lift_chat.adapters import lora
from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import AdapterDamaged, AdapterMismatch
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.loading import LoadedModel
from lift_chat.reader.files import write_reader
from lift_chat.reader.merge import with_reader
from lift_chat.sharing.joined import SERVED_RANKS, joined, served_rank
from tests.adapters.damage import edit, retensor
from tests.conftest import QUICK, load
from tests.sharing.conftest import FACTS, changed, logits


def on_top(reader: Path, base: Path, into: Path, config: LiftConfig) -> torch.Tensor:
    """Saves an adapter made on the base with its reader, and gives what it says here."""
    merged = with_reader(load(base), str(reader))
    adapted = changed(merged, config, seed=2)
    into.mkdir()
    lora.save(adapted, into, merged.identity)
    return logits(adapted, merged)


def plain(base: LoadedModel, folder: Path) -> torch.Tensor:
    """What PEFT makes of the folder on the bare base."""
    return logits(PeftModel.from_pretrained(base.twin(), folder).eval(), base)


@pytest.fixture
def adapter(reader: Path, tiny_folder: Path, tmp_path: Path) -> Path:
    on_top(reader, tiny_folder, tmp_path / "adapter", QUICK)
    return tmp_path / "adapter"


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


@pytest.mark.parametrize(
    ("changes", "rank"),
    [
        ({}, 16),
        ({"rank": 16, "alpha": 8}, 32),
        ({"targets": "attention", "alpha": 24}, 16),
        ({"targets": "down-proj", "rank": 64}, 128),
    ],
)
def test_one_adapter_on_the_bare_base_says_what_reader_and_adapter_say(
    tiny: LoadedModel,
    tiny_folder: Path,
    reader: Path,
    tmp_path: Path,
    into: Path,
    changes: dict[str, Any],
    rank: int,
) -> None:
    ours = on_top(reader, tiny_folder, tmp_path / "adapter", QUICK.with_changes(**changes))
    assert joined(reader, tmp_path / "adapter", into) == rank
    torch.testing.assert_close(plain(tiny, into), ours, rtol=0, atol=2e-5)
    assert not torch.allclose(plain(tiny, reader), ours, atol=0.1)
    assert not torch.allclose(logits(tiny.model, tiny), ours, atol=0.1)


def test_a_reader_on_fewer_layers_leaves_the_rest_to_the_adapter(
    tiny: LoadedModel, tiny_folder: Path, tmp_path: Path, into: Path
) -> None:
    small = changed(tiny, QUICK.with_changes(targets="attention"), seed=1)
    write_reader(tmp_path / "small", small, tiny, FACTS)
    mlp = QUICK.with_changes(targets="down-proj")
    ours = on_top(tmp_path / "small", tiny_folder, tmp_path / "adapter", mlp)
    joined(tmp_path / "small", tmp_path / "adapter", into)
    torch.testing.assert_close(plain(tiny, into), ours, rtol=0, atol=2e-5)
    tensors = load_file(into / WEIGHTS_FILE)
    down = tensors["base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"]
    attention = tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"]
    assert not down[:8].any() and down[8:].any()
    assert attention[:, :8].any() and not attention[:, 8:].any()


def test_the_sum_is_an_adapter_of_ours_too(
    tiny: LoadedModel, adapter: Path, reader: Path, into: Path
) -> None:
    joined(reader, adapter, into)
    assert torch.equal(logits(lora.load(tiny.twin(), into), tiny), plain(tiny, into))


def test_its_config_scales_nothing_and_names_the_base(
    reader: Path, adapter: Path, into: Path
) -> None:
    joined(reader, adapter, into)
    config = json.loads((into / CONFIG_FILE).read_text())
    assert (config["r"], config["lora_alpha"]) == (16, 16)
    assert config["base_model_name_or_path"] == "tiny"
    assert {tensor.dtype for tensor in load_file(into / WEIGHTS_FILE).values()} == {torch.float32}
    assert sorted(path.name for path in into.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


def test_what_a_rank_has_to_spare_is_zero(
    tiny_folder: Path, reader: Path, tmp_path: Path, into: Path
) -> None:
    on_top(reader, tiny_folder, tmp_path / "a", QUICK.with_changes(rank=16, alpha=32))
    assert joined(reader, tmp_path / "a", into) == 32
    for name, tensor in load_file(into / WEIGHTS_FILE).items():
        rows = tensor if "lora_A" in name else tensor.T
        assert rows.shape[0] == 32
        assert rows[:24].any(dim=1).all() and not rows[24:].any()


@pytest.mark.parametrize("least", [1, 8, 9, 64, 65, 257, 321, 512])
def test_a_served_rank_is_the_next_one(least: int) -> None:
    rank = served_rank(least)
    assert rank in SERVED_RANKS and rank >= least
    assert not [other for other in SERVED_RANKS if least <= other < rank]


def test_a_rank_beyond_what_is_served_is_refused() -> None:
    with pytest.raises(AdapterMismatch, match="513 is more than"):
        served_rank(513)


def unpaired(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return dict(list(tensors.items())[1:])


@pytest.mark.parametrize(
    "damage",
    [
        edit(peft_type="IA3"),
        edit(use_dora=True),
        edit(r=16),
        retensor(unpaired),
        retensor(lambda t: {**t, "base_model.model.extra": torch.ones(2)}),
        retensor(lambda t: {n: v[None] for n, v in t.items()}),
        lambda folder: (folder / WEIGHTS_FILE).unlink(),
    ],
)
def test_a_damaged_adapter_is_refused_and_nothing_is_written(
    reader: Path, adapter: Path, into: Path, damage: Callable[[Path], None]
) -> None:
    damage(adapter)
    with pytest.raises(AdapterDamaged):
        joined(reader, adapter, into)
    assert list(into.iterdir()) == []


def test_parts_of_different_bases_are_refused(adapter: Path, into: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wide"
    shutil.copytree(adapter, folder)
    retensor(lambda t: {n: torch.cat([v, v], dim=int("lora_A" in n)) for n, v in t.items()})(folder)
    with pytest.raises(AdapterMismatch, match="not made for the same base"):
        joined(folder, adapter, into)
