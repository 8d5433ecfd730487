from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lift_chat.adapters import lora
from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import LiftChatError
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.tokens import tokenize
from lift_chat.lift.train import Fit, TrainState, run_slice
from lift_chat.models.loading import LoadedModel
from tests.adapters.damage import edit, retensor, truncate
from tests.conftest import TALE, load, make_model, no_turn

CONFIG = LiftConfig(
    segment_tokens=64, stride_tokens=32, epochs=2, rank=8, alpha=16, learning_rate=5e-3
)


def trained(tiny: LoadedModel) -> Any:
    adapted = lora.attach(tiny.twin(), CONFIG)
    state = TrainState.start(
        adapted,
        CONFIG,
        Curriculum(tiny, "Orrin Vale", tokenize(tiny, TALE)[0].tolist(), CONFIG),
        Fit(),
    )
    list(run_slice(state, no_turn))
    return adapted.eval()


@pytest.fixture
def saved(tiny: LoadedModel, tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    lora.save(trained(tiny), folder, tiny.identity)
    return folder


@torch.no_grad()
def logits(model: Any, tiny: LoadedModel) -> torch.Tensor:
    return model(tokenize(tiny, TALE)[:, :48]).logits


def test_a_fresh_adapter_is_exactly_the_base(tiny: LoadedModel) -> None:
    fresh = lora.attach(tiny.twin(), CONFIG).eval()
    assert torch.equal(logits(fresh, tiny), logits(tiny.model, tiny))


def test_what_was_saved_gives_the_same_logits_when_loaded(tiny: LoadedModel, saved: Path) -> None:
    again = lora.load(tiny.twin(), saved)
    assert torch.equal(logits(again, tiny), logits(trained(tiny), tiny))
    assert not torch.equal(logits(again, tiny), logits(tiny.model, tiny))


def test_plain_peft_loads_it_in_a_process_without_this_project(
    tiny: LoadedModel, tiny_folder: Path, saved: Path, tmp_path: Path
) -> None:
    script = (
        "import sys, torch\n"
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM\n"
        "base = AutoModelForCausalLM.from_pretrained(sys.argv[1])\n"
        "model = PeftModel.from_pretrained(base, sys.argv[2]).eval()\n"
        "ids = torch.tensor([eval(sys.argv[3])])\n"
        "with torch.no_grad(): torch.save(model(ids).logits, sys.argv[4])\n"
        "assert 'lift_chat' not in sys.modules\n"
    )
    ids, out = tokenize(tiny, TALE)[:, :48], tmp_path / "logits.pt"
    arguments = [str(tiny_folder), str(saved), str(ids[0].tolist()), str(out)]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, cwd=tmp_path)
    theirs = torch.load(out, weights_only=True)
    torch.testing.assert_close(theirs, logits(lora.load(tiny.twin(), saved), tiny))


def test_the_base_and_its_rank_are_written_as_other_servers_need_them(saved: Path) -> None:
    config = json.loads((saved / CONFIG_FILE).read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert (config["r"], config["lora_alpha"], config["bias"]) == (8, 16, "none")
    assert not config["use_dora"] and not config["modules_to_save"]
    assert all("lm_head" not in name for name in load_file(saved / WEIGHTS_FILE))


def to_pickle(folder: Path) -> None:
    (folder / WEIGHTS_FILE).rename(folder / "adapter_model.bin")


@pytest.mark.parametrize(
    "damage",
    [
        edit(peft_type="IA3"),
        edit(r=7),
        edit(r=100_000),
        edit(r="8"),
        edit(lora_alpha=float("1e9")),
        edit(target_modules="all-linear"),
        edit(target_modules=["nothing_like_this"]),
        edit(use_dora=True),
        edit(use_rslora=True),
        edit(alpha_pattern={"q_proj": 64}),
        edit(fan_in_fan_out=True),
        edit(modules_to_save=["lm_head"]),
        edit(auto_mapping={"base_model_class": "Evil", "parent_library": "os"}),
        edit(bias="all"),
        retensor(lambda t: {n: torch.full_like(v, torch.nan) for n, v in t.items()}),
        retensor(lambda t: {n: v[:1].contiguous() for n, v in t.items()}),
        retensor(lambda t: dict(list(t.items())[1:])),
        retensor(lambda t: {**t, "base_model.model.extra": torch.ones(2)}),
        to_pickle,
        truncate,
        lambda folder: (folder / CONFIG_FILE).write_text("{"),
        lambda folder: (folder / CONFIG_FILE).write_text("[]"),
        lambda folder: (folder / CONFIG_FILE).unlink(),
    ],
)
def test_a_damaged_or_hostile_adapter_is_refused_with_one_sentence(
    tiny: LoadedModel, saved: Path, damage: Callable[[Path], None]
) -> None:
    damage(saved)
    with pytest.raises(LiftChatError) as caught:
        lora.load(tiny.twin(), saved)
    assert caught.value.code in ("adapter_damaged", "adapter_mismatch")


def test_an_adapter_for_other_shapes_is_a_mismatch(saved: Path, tmp_path: Path) -> None:
    other = load(make_model(tmp_path / "other", layers=3))
    with pytest.raises(LiftChatError) as caught:
        lora.load(other.twin(), saved)
    assert caught.value.code == "adapter_mismatch"


@pytest.mark.parametrize("targets", ["all-linear", "mlp", "attention", "down-proj"])
def test_the_counted_layers_are_the_adapted_ones(tiny: LoadedModel, targets: Any) -> None:
    config = CONFIG.with_changes(targets=targets)
    counted = sum(
        config.rank * (layer.out_features + layer.in_features)
        for _, layer in lora.targets(tiny.model, config)
    )
    adapted = lora.attach(tiny.twin(), config)
    assert counted == sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def test_the_mlp_and_attention_are_all_of_a_decoders_linear_layers(tiny: LoadedModel) -> None:
    names = {
        targets: {
            name for name, _ in lora.targets(tiny.model, CONFIG.with_changes(targets=targets))
        }
        for targets in ("all-linear", "mlp", "attention")
    }
    assert names["mlp"] and names["attention"]
    assert not names["mlp"] & names["attention"]
    assert names["mlp"] | names["attention"] == names["all-linear"]
