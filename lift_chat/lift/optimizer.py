"""AdamW over bf16 adapters with fp32 masters.

The adapter multiplies in the base's dtype; the update is far below bf16's resolution and is
accumulated in an fp32 copy that only the optimizer sees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from lift_chat.lift.recipe import LiftConfig

BETAS = (0.9, 0.98)
"""The method's own (lower second beta than the usual 0.999: runs are a few dozen steps)."""
CLIP = 1.0
FLOOR = 0.1
"""Where a falling schedule ends, as a share of the peak rate."""


def rate(config: LiftConfig, step: int, total: int) -> float:
    """Learning rate of optimizer step `step` of `total`, both counted from 0."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / (config.warmup_steps + 1)
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - config.warmup_steps) / max(total - config.warmup_steps, 1)
    fall = done if config.schedule == "linear" else (1 - math.cos(math.pi * done)) / 2
    return config.learning_rate * (1 - (1 - FLOOR) * fall)


class MasterAdamW:
    """One optimizer step at a time; its whole state goes through `state` and `restore`."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self.masters = [parameter.detach().float().clone() for parameter in self.parameters]
        self._adam = torch.optim.AdamW(
            self.masters, lr=0.0, betas=BETAS, weight_decay=0.0, fused=True
        )

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Applies and clears the gradients there are, clipped to norm 1 together."""
        # All weights at once: hundreds of small copies would take longer than the update itself.
        pairs = [
            (master, parameter.grad)
            for master, parameter in zip(self.masters, self.parameters, strict=True)
            if parameter.grad is not None
        ]
        if not pairs:
            return
        wide = [torch.empty_like(master) for master, _ in pairs]
        torch._foreach_copy_(wide, [grad for _, grad in pairs])
        for (master, _), grad in zip(pairs, wide, strict=True):
            master.grad = grad
        nn.utils.clip_grad_norm_(self.masters, CLIP)
        self._adam.param_groups[0]["lr"] = learning_rate
        self._adam.step()
        self.clear()
        self._copy_down()

    def clear(self) -> None:
        for master, parameter in zip(self.masters, self.parameters, strict=True):
            master.grad = parameter.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """Masters and moments by name, fp32."""
        tensors = {}
        for index, master in enumerate(self.masters):
            tensors[f"master.{index}"] = master
            for name, value in self._adam.state[master].items():
                tensors[f"{name}.{index}"] = value
        return tensors

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Inverse of `state`. Raises KeyError or RuntimeError for a state of another adapter."""
        for index, master in enumerate(self.masters):
            master.copy_(tensors[f"master.{index}"])
            self._adam.state.pop(master, None)
            if f"step.{index}" in tensors:  # before the first step there are no moments
                self._adam.state[master] = {
                    name: tensors[f"{name}.{index}"].clone().to(master.device)
                    for name in ("step", "exp_avg", "exp_avg_sq")
                }
        self._copy_down()

    @torch.no_grad()
    def load_masters(self, masters: Sequence[torch.Tensor]) -> None:
        """Replaces the weights; the moments stay."""
        for own, other in zip(self.masters, masters, strict=True):
            own.copy_(other)
        self._copy_down()

    def _copy_down(self) -> None:
        torch._foreach_copy_(list[torch.Tensor](self.parameters), self.masters)
