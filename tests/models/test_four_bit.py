"""NF4 through bitsandbytes, which also runs on a CPU. A real quantised load, no stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lift_chat.adapters import lora
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.tokens import probe_windows, tokenize
from lift_chat.lift.train import Fit, TrainState, mean_loss, run_slice
from lift_chat.models.loading import LoadedModel, load_model
from tests.conftest import CPU, TALE, load, no_turn

CONFIG = LiftConfig(
    segment_tokens=64, stride_tokens=48, epochs=6, rank=8, alpha=16, learning_rate=5e-3
)


@pytest.fixture(scope="module")
def quantised(tiny_folder: Path) -> LoadedModel:
    return load_model(str(tiny_folder), CPU, cache=tiny_folder.parent, revision=None, four_bit=True)


def test_the_layers_are_four_bit_and_the_identity_is_that_of_the_files(
    quantised: LoadedModel, tiny_folder: Path
) -> None:
    layer = quantised.model.model.layers[0].mlp.up_proj
    assert type(layer).__name__ == "Linear4bit"
    assert layer.weight.dtype == torch.uint8
    assert quantised.identity == load(tiny_folder).identity


def test_a_twin_of_a_four_bit_model_shares_its_weights(quantised: LoadedModel) -> None:
    ours = dict(quantised.model.named_parameters())
    assert all(tensor is ours[name] for name, tensor in quantised.twin().named_parameters())


def test_an_adapter_is_trained_on_four_bit_weights_and_loads_again(
    quantised: LoadedModel, tmp_path: Path
) -> None:
    adapted = lora.attach(quantised.twin(), CONFIG)
    ids = tokenize(quantised, TALE)
    windows = probe_windows(ids, CONFIG)
    before = list(mean_loss(adapted, windows, no_turn))[-1]
    state = TrainState.start(
        adapted, CONFIG, Curriculum(quantised, "Orrin Vale", ids[0].tolist(), CONFIG), Fit()
    )
    list(run_slice(state, no_turn))
    after = list(mean_loss(adapted, windows, no_turn))[-1]
    assert after < before - 0.5
    lora.save(adapted, tmp_path, quantised.identity)
    again = lora.load(quantised.twin(), tmp_path)
    ids = tokenize(quantised, TALE)[:, :40]
    with torch.no_grad():
        assert torch.equal(again(ids).logits, adapted.eval()(ids).logits)
        assert not torch.equal(again(ids).logits, quantised.model(ids).logits)
