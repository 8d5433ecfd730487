from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lift_chat.adapters import kinds
from lift_chat.adapters.folder import CONFIG_FILE
from lift_chat.errors import AdapterDamaged, InvalidConfig
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.loading import LoadedModel
from tests.adapters.architectures import build, logits, some_ids, train

IDS = some_ids(32)


@pytest.fixture(scope="module")
def base() -> LoadedModel:
    return build("llama")


@pytest.fixture(params=["lora", "gated-memory"])
def config(request: pytest.FixtureRequest) -> LiftConfig:
    return LiftConfig(adapter=request.param, rank=8, alpha=16)


def test_any_kind_starts_as_the_base_learns_and_comes_back_from_its_folder(
    base: LoadedModel, config: LiftConfig, tmp_path: Path
) -> None:
    adapted = kinds.attach(base.twin(), config)
    assert kinds.kind_of(config) == config.adapter
    assert torch.equal(logits(adapted, IDS), logits(base.model, IDS))
    losses = train(adapted, IDS, steps=10)
    assert losses[-1] < losses[0]
    kinds.save(adapted, tmp_path, base.identity)
    assert torch.equal(logits(kinds.load(base.twin(), tmp_path), IDS), logits(adapted, IDS))


def test_strength_is_absolute_and_0_is_exactly_the_base(
    base: LoadedModel, config: LiftConfig, tmp_path: Path
) -> None:
    adapted = kinds.attach(base.twin(), config)
    train(adapted, IDS, steps=10)
    kinds.save(adapted, tmp_path, base.identity)
    loaded = kinds.load(base.twin(), tmp_path)

    def at(strength: float) -> torch.Tensor:
        kinds.set_strength(loaded, strength)
        return logits(loaded, IDS)

    whole, half, none = at(1.0), at(0.5), at(0.0)
    assert torch.equal(whole, logits(adapted, IDS))
    assert torch.equal(none, logits(base.model, IDS))
    assert 0 < float((half - none).norm()) < float((whole - none).norm())
    at(1.5)
    at(1.5)
    assert torch.equal(at(0.5), half)
    assert torch.equal(at(1.0), whole)


@pytest.mark.parametrize("strength", [-0.1, 1.6, float("nan")])
def test_a_strength_out_of_range_is_refused(
    base: LoadedModel, config: LiftConfig, strength: float
) -> None:
    adapted = kinds.attach(base.twin(), config)
    with pytest.raises(InvalidConfig):
        kinds.set_strength(adapted, strength)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"lift_chat_type": "SOMETHING"}'])
def test_a_folder_of_no_known_kind_is_damaged(base: LoadedModel, tmp_path: Path, text: str) -> None:
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(AdapterDamaged):
        kinds.load(base.twin(), tmp_path)


def test_a_bare_model_carries_no_adapter(base: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        kinds.save(base.model, tmp_path, base.identity)
