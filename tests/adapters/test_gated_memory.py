from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel

from lift_chat.adapters import gated_memory
from lift_chat.adapters.gated_memory.injection import memories_of
from lift_chat.errors import InvalidConfig
from lift_chat.lift.losses import FrozenHead
from lift_chat.lift.optimizer import MasterAdamW
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.loading import LoadedModel, load_model
from tests.adapters.architectures import HEADS, LAYERS, NAMES, build, logits, some_ids, train
from tests.conftest import CPU

CONFIG = LiftConfig(adapter="gated-memory", memory_width=2)
IDS = some_ids(48)


@pytest.fixture(scope="module", params=NAMES)
def base(request: pytest.FixtureRequest) -> LoadedModel:
    return build(request.param)


@pytest.fixture(scope="module")
def llama() -> LoadedModel:
    return build("llama")


@pytest.fixture(scope="module")
def trained(llama: LoadedModel) -> Any:
    adapted = gated_memory.attach(llama.twin(), CONFIG)
    train(adapted, IDS)
    return adapted


@pytest.mark.parametrize("gate", ["linear", "mlp"])
def test_a_fresh_memory_is_exactly_the_base(base: LoadedModel, gate: Any) -> None:
    fresh = gated_memory.attach(base.twin(), CONFIG.with_changes(gate=gate))
    assert len(memories_of(fresh)) == LAYERS
    assert torch.equal(logits(fresh, IDS), logits(base.model, IDS))


def test_a_fresh_memory_is_exactly_the_base_in_half_precision() -> None:
    base = build("llama", torch.bfloat16)
    fresh = gated_memory.attach(base.twin(), CONFIG)
    assert {p.dtype for memory in memories_of(fresh) for p in memory.parameters()} == {
        torch.bfloat16
    }
    assert torch.equal(logits(fresh, IDS), logits(base.model, IDS))


def test_only_the_memories_learn_and_the_base_stays_as_it_was(base: LoadedModel) -> None:
    before = {name: weight.clone() for name, weight in base.model.named_parameters()}
    told, attention = logits(base.model, IDS), base.model.config._attn_implementation
    adapted = gated_memory.attach(base.twin(), CONFIG)
    losses = train(adapted, IDS)
    assert losses[-1] < losses[0] - 0.5
    learning = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    assert learning and all(".gated_memory." in name for name in learning)
    assert all(torch.equal(before[n], weight) for n, weight in base.model.named_parameters())
    assert base.model.config._attn_implementation == attention
    assert torch.equal(logits(base.model, IDS), told)
    assert not torch.equal(logits(adapted, IDS), told)


def test_at_strength_0_it_is_exactly_the_base_and_comes_back(base: LoadedModel) -> None:
    adapted = gated_memory.attach(base.twin(), CONFIG)
    train(adapted, IDS, steps=5)
    told = logits(adapted, IDS)
    gated_memory.set_strength(adapted, 0.0)
    assert torch.equal(logits(adapted, IDS), logits(base.model, IDS))
    gated_memory.set_strength(adapted, 1.0)
    assert torch.equal(logits(adapted, IDS), told)


def test_a_cache_and_left_padding_change_nothing(base: LoadedModel) -> None:
    adapted = gated_memory.attach(base.twin(), CONFIG)
    train(adapted, IDS, steps=5)
    whole, cache, told = logits(adapted, IDS), DynamicCache(config=adapted.config), []
    with torch.no_grad():
        for piece in [IDS[:, :20], *IDS[:, 20:].split(1, dim=1)]:
            step = adapted(input_ids=piece, past_key_values=cache, use_cache=True, logits_to_keep=1)
            told.append(step.logits)
    torch.testing.assert_close(torch.cat(told, dim=1), whole[:, 19:], atol=1e-4, rtol=1e-3)

    padded = torch.cat([torch.zeros(1, 7, dtype=torch.long), IDS[:, :41]], dim=1)
    mask = (padded != 0).long()
    places = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        row = adapted(
            input_ids=torch.cat([padded, IDS]),
            attention_mask=torch.cat([mask, torch.ones_like(IDS)]),
            position_ids=torch.cat([places, torch.arange(48)[None]]),
        ).logits
    torch.testing.assert_close(row[:1, 7:], whole[:, :41], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(row[1:], whole, atol=1e-4, rtol=1e-3)


def test_gates_can_be_read_per_layer_head_and_token(trained: Any) -> None:
    with gated_memory.record_gates(trained) as record:
        cache = DynamicCache(config=trained.config)
        with torch.no_grad():
            trained(input_ids=IDS[:, :20], past_key_values=cache, use_cache=True)
            trained(input_ids=IDS[:, 20:21], past_key_values=cache, use_cache=True)
    logits(trained, IDS)  # after the record was closed
    prompt, token = record.forwards()
    assert prompt.shape == (LAYERS, HEADS, 20)
    assert token.shape == (LAYERS, HEADS, 1)
    assert 0 <= float(prompt.min()) < float(prompt.max()) < 1
    assert float(record.mean()) == pytest.approx(
        float(torch.stack([prompt.mean(), token.mean()]).mean()), rel=1e-5
    )


def test_strength_scales_the_gates_and_stops_at_1(trained: Any) -> None:
    gates = []
    for strength in (1.0, 1.5, 1000.0):
        gated_memory.set_strength(trained, strength)
        with gated_memory.record_gates(trained) as record:
            logits(trained, IDS)
        gates.append(record.forwards()[0][0])  # of the first layer: the same queries each time
    gated_memory.set_strength(trained, 1.0)
    torch.testing.assert_close(gates[1], (gates[0] * 1.5).clamp(max=1))
    assert float(gates[2].max()) == 1


def test_a_model_without_memories_has_no_gates(llama: LoadedModel) -> None:
    with gated_memory.record_gates(llama.model) as record:
        logits(llama.model, IDS)
    assert record.forwards() == []
    assert float(record.mean()) == 0


def test_the_first_step_opens_every_head_whatever_its_gradient(llama: LoadedModel) -> None:
    adapted = gated_memory.attach(llama.twin(), CONFIG)
    train(adapted, IDS, steps=1)
    scales = torch.stack([memory.scale for memory in memories_of(adapted)])
    assert bool((scales > 0).any()) and bool((scales < 0).any())
    with gated_memory.record_gates(adapted) as record:
        logits(adapted, IDS)
    assert float(record.forwards()[0].min()) > 0


def gradients(adapted: Any, penalty: float) -> tuple[float, list[torch.Tensor]]:
    """(mean gate, gradients of the loss with a penalty on it)"""
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    adapted.train()
    with gated_memory.record_gates(adapted) as record:
        hidden = adapted.get_decoder()(input_ids=IDS, use_cache=False).last_hidden_state
    loss = FrozenHead(adapted).nll(hidden, IDS) / IDS.shape[1] + penalty * record.mean()
    return float(record.mean().detach()), list(torch.autograd.grad(loss, weights))


def test_a_penalty_on_the_mean_gate_closes_it(llama: LoadedModel) -> None:
    adapted = gated_memory.attach(llama.twin(), CONFIG)
    train(adapted, IDS, steps=10)
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    optimizer, means = MasterAdamW(weights), []
    for _ in range(10):
        mean, slopes = gradients(adapted, penalty=100.0)
        means.append(mean)
        for weight, slope in zip(weights, slopes, strict=True):
            weight.grad = slope
        optimizer.step(1e-2)
    assert means[-1] < means[0] / 2


def test_recomputed_activations_give_the_same_gradients(llama: LoadedModel) -> None:
    adapted = gated_memory.attach(llama.twin(), CONFIG)
    train(adapted, IDS, steps=3)
    mean, kept = gradients(adapted, penalty=1.0)
    adapted.activation_checkpointing_enable()
    again, recomputed = gradients(adapted, penalty=1.0)
    assert again == pytest.approx(mean)
    for one, other in zip(kept, recomputed, strict=True):
        torch.testing.assert_close(one, other)


def test_the_seed_decides_the_start(llama: LoadedModel) -> None:
    def start(seed: int) -> torch.Tensor:
        adapted = gated_memory.attach(llama.twin(), CONFIG.with_changes(seed=seed))
        return torch.cat([weight.flatten() for weight in memories_of(adapted)[0].parameters()])

    assert torch.equal(start(1), start(1))
    assert not torch.equal(start(1), start(2))


def test_skipped_layers_have_no_memory(llama: LoadedModel) -> None:
    adapted = gated_memory.attach(llama.twin(), CONFIG.with_changes(skip_layers=1))
    assert [memory.shape.index for memory in memories_of(adapted)] == [1]
    with gated_memory.record_gates(adapted) as record:
        logits(adapted, IDS)
    assert (record.layers, len(record.forwards()[0])) == ((1,), 1)
    with pytest.raises(InvalidConfig, match="leaves no layer"):
        gated_memory.attach(llama.twin(), CONFIG.with_changes(skip_layers=2))


def flash(model: Any) -> Any:
    model.config._attn_implementation = "flash_attention_2"
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2)),
        lambda: flash(build("llama").model),
    ],
)
def test_a_base_that_cannot_carry_a_memory_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidConfig):
        gated_memory.attach(make(), CONFIG)


def test_it_trains_on_four_bit_weights_and_loads_again(tiny_folder: Path, tmp_path: Path) -> None:
    base = load_model(str(tiny_folder), CPU, cache=tiny_folder.parent, revision=None, four_bit=True)
    ids = IDS % base.model.config.vocab_size
    adapted = gated_memory.attach(base.twin(), CONFIG)
    assert torch.equal(logits(adapted, ids), logits(base.model, ids))
    losses = train(adapted, ids)
    assert losses[-1] < losses[0] - 0.5
    gated_memory.save(adapted, tmp_path, base.identity)
    again = gated_memory.load(base.twin(), tmp_path)
    assert torch.equal(logits(again, ids), logits(adapted, ids))
