"""What a layer keeps between two decoded tokens never outlives what it was made from."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.utils import set_peft_model_state_dict
from transformers import DynamicCache

from lift_chat.adapters import lora
from lift_chat.adapters.folder import read_tensors
from lift_chat.lift.optimizer import MasterAdamW
from tests.adapters.architectures import build
from tests.adapters.test_lora_linear import IDS, adapter, by_token, error

Change = Callable[[Any, Path], None]

NEAR, FAR = 0.02, 0.1


def other_way(folder: Path) -> dict[str, torch.Tensor]:
    """The adapter's tensors with every B turned round: what it added it takes away."""
    return {
        name: -tensor if ".lora_B." in name else tensor
        for name, tensor in read_tensors(folder).items()
    }


def ups(tree: Any) -> list[torch.nn.Parameter]:
    return [layer.lora_B["default"].weight for layer in tree.lora_layers]


@torch.no_grad()
def in_place(tree: Any, _: Path) -> None:
    for up in ups(tree):
        up.neg_()


def in_inference_mode(tree: Any, _: Path) -> None:
    with torch.inference_mode():
        for up in ups(tree):
            up.neg_()


def optimizer(tree: Any, _: Path) -> None:
    MasterAdamW(ups(tree)).load_masters([-up.detach().float() for up in ups(tree)])


def reload(tree: Any, folder: Path) -> None:
    set_peft_model_state_dict(tree, other_way(folder))


def reassign(tree: Any, folder: Path) -> None:
    """By tensors that were changed as often."""
    tensors = {
        name.replace("weight", "default.weight"): tensor
        for name, tensor in other_way(folder).items()
        if ".lora_B." in name
    }
    versions = tuple(up._version for up in ups(tree))
    assert not tree.load_state_dict(tensors, strict=False, assign=True).unexpected_keys
    torch._C._autograd._unsafe_set_version_counter(tuple(ups(tree)), versions)


def convert(tree: Any, _: Path) -> None:
    """As `.to` does it, where no weight becomes another object."""
    tree._apply(lambda tensor: -tensor if tensor.shape[-1] == 8 else tensor)


def strength(tree: Any, _: Path) -> None:
    lora.set_strength(tree, 0.5)


def off(tree: Any, _: Path) -> None:
    tree.base_model.disable_adapter_layers()


def second(tree: Any, folder: Path) -> None:
    """Two at a time."""
    tree.add_adapter("second", tree.peft_config["default"], autocast_adapter_dtype=False)
    set_peft_model_state_dict(tree, other_way(folder), adapter_name="second")
    tree.base_model.set_adapter(["default", "second"], inference_mode=True)


def another(tree: Any, folder: Path) -> None:
    second(tree, folder)
    tree.base_model.set_adapter("second", inference_mode=True)


def replaced(tree: Any, folder: Path) -> None:
    """By another one of the same name."""
    config = tree.peft_config["default"]
    tree.delete_adapter("default")
    tree.add_adapter("default", config, autocast_adapter_dtype=False)
    set_peft_model_state_dict(tree, other_way(folder))


def loaded(folder: Path) -> Any:
    """Over tensors of its own."""
    return lora.load(build("llama", torch.bfloat16).twin(), folder)


def kept(tree: Any) -> set[bool]:
    return {layer._token is not None for layer in tree.lora_layers}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return adapter(build("llama", torch.bfloat16), tmp_path / "a")


@pytest.mark.parametrize(
    "change",
    [
        in_place, in_inference_mode, optimizer, reload, reassign, convert,
        strength, off, second, another, replaced,
    ],
)  # fmt: skip
def test_after_a_change_it_decodes_as_if_it_had_never_decoded_before(
    change: Change, folder: Path
) -> None:
    tree, fresh = loaded(folder), loaded(folder)
    before = by_token(tree)
    assert kept(tree) == {True}
    change(tree, folder)
    change(fresh, folder)
    assert error(by_token(tree), by_token(fresh)) < NEAR
    assert error(before, by_token(fresh)) > FAR


def test_which_of_two_is_active_is_looked_at_for_each_token(folder: Path) -> None:
    tree, fresh = loaded(folder), loaded(folder)
    for one in (tree, fresh):
        another(one, folder)
    by_token(tree)
    assert kept(tree) == {True}
    for names in ("default", ["default", "second"], "second"):
        for one in (tree, fresh):
            one.base_model.set_adapter(names, inference_mode=True)
        told = by_token(fresh)
        assert error(by_token(tree), told) < NEAR
        if len(names) == 2:  # one takes away what the other one adds
            assert error(told, by_token(build("llama", torch.bfloat16).model)) < FAR / 2
        fresh = copy.deepcopy(fresh)  # which has decoded nothing


def test_merged_and_taken_out_again_it_adds_its_update_once(folder: Path) -> None:
    tree = loaded(folder)
    before = by_token(tree)
    tree.merge_adapter()
    assert error(by_token(tree), before) < FAR / 2  # weights are rounded again
    tree.unmerge_adapter()
    assert error(by_token(tree), before) < FAR / 2


def test_switched_on_again_it_decodes_as_before(folder: Path) -> None:
    tree = loaded(folder)
    before = by_token(tree)
    with tree.disable_adapter():
        assert error(by_token(tree), before) > FAR
    assert torch.equal(by_token(tree), before)


def test_weights_without_a_version_are_never_kept(folder: Path) -> None:
    with torch.inference_mode():
        tree, fresh = loaded(folder), loaded(folder)
        by_token(tree)
        assert kept(tree) == {False}
        in_place(tree, folder)
        in_place(fresh, folder)
        assert error(by_token(tree), by_token(fresh)) < NEAR


def test_a_copy_does_not_decode_with_what_its_original_had_kept(folder: Path) -> None:
    tree, fresh = copy.deepcopy(loaded(folder)), loaded(folder)  # versions of a copy begin at 0
    by_token(tree)
    in_place(tree, folder)
    in_place(fresh, folder)
    assert error(by_token(copy.deepcopy(tree)), by_token(fresh)) < NEAR


def test_training_and_saving_know_nothing_of_it(folder: Path, tmp_path: Path) -> None:
    tree, fresh = loaded(folder), loaded(folder)
    names = list(tree.state_dict())
    by_token(tree)
    assert list(tree.state_dict()) == names
    (tmp_path / "b").mkdir()
    lora.save(tree, tmp_path / "b", build("llama").identity)
    told = read_tensors(tmp_path / "b")
    assert all(torch.equal(told[name], tensor) for name, tensor in read_tensors(folder).items())
    for one in (tree, fresh):
        one.requires_grad_(True)
        cache = DynamicCache(config=one.config)
        with torch.no_grad():
            one(input_ids=IDS[:, :-1], past_key_values=cache)
        one(input_ids=IDS[:, -1:], past_key_values=cache).logits.square().mean().backward()
    for ours, theirs in zip(tree.lora_layers, fresh.lora_layers, strict=True):
        for layers in ("lora_A", "lora_B"):
            found, true = (getattr(one, layers)["default"].weight.grad for one in (ours, theirs))
            assert true.abs().max() > 0 and torch.equal(found, true)
    tree.train()
    assert kept(tree) == {False}


def test_what_an_adapter_leaves_alone_is_taken_away_from_too(tmp_path: Path) -> None:
    """The other one has more layers than the one that stays."""
    base = build("llama")
    everywhere = adapter(base, tmp_path / "everywhere")
    few = adapter(base, tmp_path / "few", seed=2, targets="mlp")
    merged = lora.load(copy.deepcopy(base.model), everywhere).merge_and_unload()
    found = by_token(lora.load(merged, few, without=everywhere))
    torch.testing.assert_close(found, by_token(lora.load(base.twin(), few)), rtol=1e-3, atol=1e-3)
