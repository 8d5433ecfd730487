from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from transformers import DynamicCache

from lift_chat.adapters import lora
from lift_chat.adapters.lora_linear import LeanLinear
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.recipe import LiftConfig, Targets
from lift_chat.models.loading import LoadedModel
from tests.adapters.architectures import NAMES, build, logits, some_ids

CONFIG = LiftConfig(rank=8, alpha=24)
"""A scale that is no power of two is rounded, too."""

IDS = some_ids(40)
READ = 36
"""Tokens of `IDS` that are read at once; the others come one by one."""


def adapter(
    base: LoadedModel, folder: Path, seed: int = 1, targets: Targets = "all-linear"
) -> Path:
    """A saved adapter that changes a lot."""
    folder.mkdir()
    adapted = lora.attach(base.twin(), replace(CONFIG, targets=targets))
    torch.manual_seed(seed)
    for layer in adapted.lora_layers:
        torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.1)
    lora.save(adapted, folder, base.identity)
    return folder


def plain(adapted: Any) -> Any:
    """The same tree with PEFT's own forward."""
    for layer in adapted.lora_layers:
        assert type(layer) is LeanLinear
        layer.__class__ = Linear
    return adapted


@torch.no_grad()
def by_token(model: Any) -> torch.Tensor:
    cache = DynamicCache(config=model.config)
    parts = [IDS[:, :READ], *IDS[:, READ:].split(1, dim=1)]
    return torch.cat([model(p, past_key_values=cache, use_cache=True).logits for p in parts], dim=1)


def error(found: torch.Tensor, true: torch.Tensor) -> float:
    return float((found.double() - true.double()).norm() / true.double().norm())


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_are_those_of_pefts_forward(name: str, tmp_path: Path) -> None:
    base = build(name)
    folder = adapter(base, tmp_path / "a")
    ours, theirs = (lora.load(base.twin(), folder) for _ in range(2))
    plain(theirs)
    for strength in (1.0, 0.5):
        lora.set_strength(ours, strength)
        lora.set_strength(theirs, strength)
        told = by_token(theirs)
        torch.testing.assert_close(by_token(ours), told, rtol=1e-4, atol=1e-4)
        assert error(told, by_token(base.model)) > 0.1


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma3"])
def test_in_bf16_they_are_as_near_to_the_exact_ones_as_pefts(name: str, tmp_path: Path) -> None:
    base = build(name, torch.bfloat16)
    folder = adapter(base, tmp_path / "a")
    ours, theirs = (lora.load(base.twin(), folder) for _ in range(2))
    exact = by_token(plain(lora.load(base.twin(), folder)).double())
    off = error(by_token(plain(theirs)), exact)
    assert 0 < error(by_token(ours), exact) < 1.5 * off < 0.1


def gradients(adapted: Any) -> list[torch.Tensor]:
    adapted.train()
    hidden = adapted.get_decoder()(input_ids=IDS, use_cache=False).last_hidden_state
    FrozenHead(adapted).nll(hidden, IDS).backward()
    found = [weight.grad for weight in adapted.parameters() if weight.requires_grad]
    assert all(grad is not None and grad.abs().max() > 0 for grad in found)
    return [grad for grad in found if grad is not None]


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_pefts_forward(name: str, recompute: bool) -> None:
    base = build(name)
    trees = [lora.attach(base.twin(), CONFIG), plain(lora.attach(base.twin(), CONFIG))]
    for tree in trees:
        torch.manual_seed(2)
        for layer in tree.lora_layers:
            torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.1)
        if recompute:
            tree.activation_checkpointing_enable()
    for ours, theirs in zip(*map(gradients, trees), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_second_adapter_that_is_taken_away_takes_the_first_one_back(tmp_path: Path) -> None:
    base = build("llama")
    folder = adapter(base, tmp_path / "a")
    both = lora.load(base.twin(), folder, without=folder)
    torch.testing.assert_close(by_token(both), by_token(base.model), rtol=1e-4, atol=1e-4)
    lora.set_strength(both, 0.0)
    assert error(by_token(both), by_token(base.model)) > 0.1


def test_peft_merges_it_switches_it_off_and_reads_what_it_saves(tmp_path: Path) -> None:
    base = build("llama")
    adapted = lora.load(base.twin(), adapter(base, tmp_path / "a"))
    told = logits(adapted, IDS)
    with adapted.disable_adapter():
        assert torch.equal(logits(adapted, IDS), logits(base.model, IDS))
    adapted.save_pretrained(tmp_path / "b")
    again = PeftModel.from_pretrained(build("llama").model, str(tmp_path / "b"))
    torch.testing.assert_close(logits(again, IDS), told, rtol=1e-4, atol=1e-4)
    merged = lora.load(build("llama").model, tmp_path / "a").merge_and_unload()
    assert not any(isinstance(module, LeanLinear) for module in merged.modules())
    torch.testing.assert_close(logits(merged, IDS), told, rtol=1e-4, atol=1e-4)
