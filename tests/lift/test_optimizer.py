"""The optimizer against torch's own AdamW, one weight at a time."""

from __future__ import annotations

import torch
from torch import nn

from lift_chat.lift.optimizer import BETAS, CLIP, MasterAdamW

SHAPES = ((8, 3), (5, 8), (4,))


def _weights() -> list[nn.Parameter]:
    drawn = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=drawn).bfloat16()) for shape in SHAPES]


def _give(weights: list[nn.Parameter], step: int) -> None:
    """A gradient for all weights but, in the second step, the first."""
    drawn = torch.Generator().manual_seed(step)
    for place, weight in enumerate(weights):
        grad = 3 * torch.randn(weight.shape, generator=drawn).bfloat16()
        weight.grad = None if step == 1 and place == 0 else grad


def _plain(steps: int, rate: float) -> list[torch.Tensor]:
    """The same in fp32 without anything fused: clip, update, round to bf16 at the end."""
    weights = _weights()
    masters = [nn.Parameter(weight.detach().float()) for weight in weights]
    adam = torch.optim.AdamW(
        masters, lr=rate, betas=BETAS, weight_decay=0.0, foreach=False, fused=False
    )
    for step in range(steps):
        _give(weights, step)
        for master, weight in zip(masters, weights, strict=True):
            master.grad = None if weight.grad is None else weight.grad.float()
        nn.utils.clip_grad_norm_(masters, CLIP, foreach=False)
        adam.step()
    return [master.detach() for master in masters]


def test_steps_are_those_of_adamw_in_fp32_and_weights_are_the_masters_rounded() -> None:
    weights = _weights()
    optimizer = MasterAdamW(weights)
    for step in range(3):
        _give(weights, step)
        optimizer.step(1e-2)
        assert all(weight.grad is None for weight in weights)
    for master, plain in zip(optimizer.masters, _plain(3, 1e-2), strict=True):
        torch.testing.assert_close(master, plain, rtol=1e-6, atol=1e-6)
    for weight, master in zip(weights, optimizer.masters, strict=True):
        assert torch.equal(weight, master.bfloat16())


def test_a_step_without_any_gradient_moves_nothing() -> None:
    weights = _weights()
    optimizer = MasterAdamW(weights)
    _give(weights, 0)
    optimizer.step(1e-2)
    before = [weight.clone() for weight in weights]
    optimizer.step(1e-2)
    assert all(torch.equal(weight, was) for weight, was in zip(weights, before, strict=True))


def test_a_restored_state_goes_on_with_the_very_same_steps() -> None:
    weights, others = _weights(), _weights()
    optimizer, other = MasterAdamW(weights), MasterAdamW(others)
    for step in range(2):
        _give(weights, step)
        optimizer.step(1e-2)
    other.restore(optimizer.state())
    for one in (weights, others):
        _give(one, 2)
    optimizer.step(1e-2)
    other.step(1e-2)
    assert all(torch.equal(a, b) for a, b in zip(weights, others, strict=True))
