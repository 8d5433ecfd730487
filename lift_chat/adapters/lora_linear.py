"""A linear layer with LoRA on it: PEFT's own in every respect but its forward, in fewer kernels.

PEFT multiplies by A, by B and by the scale, and adds. Here scale and sum are part of the product
with B. What is computed is the same within the rounding of the dtype, and so are the gradients.
Knows nothing of files, strengths or kinds of adapter.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear


class LeanLinear(Linear):  # type: ignore[misc]
    """Given to PEFT for every linear layer, so that its adapters are named, saved, merged and
    switched off as ever."""

    def update_layer(self, *args: Any, **kwargs: Any) -> None:
        """Called by PEFT for each adapter that is put on the layer."""
        super().update_layer(*args, **kwargs)
        # To look these up in modules of modules for every token takes as long as a small product.
        self._weights = {
            name: (self.lora_A[name].weight, self.lora_B[name].weight) for name in self.lora_A
        }

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """(batch, tokens, in) -> (batch, tokens, out), or the same without a batch."""
        base = self.base_layer
        if self.disable_adapters or self.merged:
            told: torch.Tensor = base(x)
            return told
        rows = x.reshape(-1, x.shape[-1])
        out: torch.Tensor = base(rows)
        for name in self.active_adapters:
            if name in self._weights and self.scaling[name]:
                _add_update(out, rows, *self._weights[name], self.scaling[name])
        return out.view(*x.shape[:-1], -1)


def _add_update(
    out: torch.Tensor, rows: torch.Tensor, down: torch.Tensor, up: torch.Tensor, scale: float
) -> None:
    """Adds scale B A x to `out` (rows, out) in place: a fresh result that nobody else holds, and
    that the base's own gradient does not need."""
    if _is_slow(rows):
        out.add_(torch.mv(up.float(), torch.mv(down.float(), rows[0].float())), alpha=scale)
    elif down.dtype == out.dtype:
        out.addmm_(rows @ down.t(), up.t(), alpha=scale)
    else:  # adapters of a base in 4 bits are in fp32
        out.add_(rows.to(down.dtype) @ down.t() @ up.t(), alpha=scale)


def _is_slow(rows: torch.Tensor) -> bool:
    """Decoding on a CPU: a small product of one row takes twice as long in bf16 as in fp32, the
    widening of the weights included."""
    return len(rows) == 1 and rows.dtype == torch.bfloat16 and rows.device.type == "cpu"
