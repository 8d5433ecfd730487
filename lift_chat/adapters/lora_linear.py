"""A linear layer with LoRA on it: PEFT's own in every respect but its forward, in fewer kernels.

PEFT multiplies by A, by B and by the scale, and adds. Here scale and sum are part of the product
with B. What is computed is the same within the rounding of the dtype, and so are the gradients.
Decoding on a CPU, a layer keeps A and B in fp32 from one token to the next, as long as they stay
what they are.
Knows nothing of files, strengths or kinds of adapter.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
from peft.tuners.lora import Linear
from torch import Tensor, mv, nn
from torch.nn.functional import linear

Weights = dict[str, Any]
"""Those of one module, as it holds them: what is loaded, replaced or changed later is seen."""


class _Token(NamedTuple):
    """All that decoding a token on a CPU takes of a layer with one adapter: A and B widened, once,
    and what must be as it was for that to hold.

    In one place, because from one token to the next the weights of all layers pass through the
    processor's caches: what else a layer looks at comes from memory each time, and that takes as
    long as the products themselves.
    """

    active: list[str]
    merged: list[str]
    scaling: dict[str, float]
    name: str
    base: Weights
    downs: Weights
    down: Tensor
    down_version: int
    wide_down: Tensor
    ups: Weights
    up: Tensor
    up_version: int
    wide_up: Tensor


class LeanLinear(Linear):  # type: ignore[misc]
    """Given to PEFT for every linear layer, so that its adapters are named, saved, merged and
    switched off as ever."""

    _token: _Token | None = None

    def update_layer(self, *args: Any, **kwargs: Any) -> None:
        """Called by PEFT for each adapter that is put on the layer."""
        super().update_layer(*args, **kwargs)
        # To look these up in modules of modules for every token takes as long as a small product.
        self._weights: dict[str, tuple[Weights, Weights]] = {
            name: (self.lora_A[name]._parameters, self.lora_B[name]._parameters)
            for name in self.lora_A
        }

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(batch, tokens, in) -> (batch, tokens, out), or the same without a batch."""
        if (token := self._token) is not None and _is_token(x):
            # Unpacked at once, which is faster than one name after the other.
            active, merged, scaling, name, base, downs, down, down_v, a, ups, up, up_v, b = token
            if (
                self._active_adapter is active
                and not (merged or self._disable_adapters)
                and (downs["weight"] is down and down._version == down_v)
                and (ups["weight"] is up and up._version == up_v)
            ):
                out = linear(x, base["weight"], base["bias"])
                return out.add_(mv(b, mv(a, x.float().view(-1))), alpha=scaling[name])
        return self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        base = self.base_layer
        if self.disable_adapters or self.merged:
            told: Tensor = base(x)
            return told
        rows = x.reshape(-1, x.shape[-1])
        out: Tensor = base(rows)
        names = [name for name in self.active_adapters if name in self._weights]
        for name in names:
            if self.scaling[name]:
                downs, ups = self._weights[name]
                _add_update(out, rows, downs["weight"], ups["weight"], self.scaling[name])
        if len(names) == 1 and type(base) is nn.Linear and _is_token(x):
            self._token = self._widened(names[0])
        return out.view(*x.shape[:-1], -1)

    def _widened(self, name: str) -> _Token | None:
        downs, ups = self._weights[name]
        down, up = downs["weight"], ups["weight"]
        if down.is_inference() or up.is_inference():  # nothing tells when these change
            return None
        return _Token(
            active=self._active_adapter,
            merged=self.merged_adapters,
            scaling=self.scaling,
            name=name,
            base=self.base_layer._parameters,
            downs=downs, down=down, down_version=down._version, wide_down=down.float(),
            ups=ups, up=up, up_version=up._version, wide_up=up.float(),
        )  # fmt: skip

    def train(self, mode: bool = True) -> Self:
        """While it trains it has no memory for what only decoding needs."""
        if mode:
            self._token = None
        super().train(mode)
        return self

    def _apply(self, *args: Any, **kwargs: Any) -> Self:
        """On another device or in another dtype, a weight has the same version as before."""
        self._token = None
        super()._apply(*args, **kwargs)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """A copy's weights have versions of their own."""
        return {**self.__dict__, "_token": None}


def _is_token(x: Tensor) -> bool:
    """Decoding on a CPU: a small product of one row takes twice as long in bf16 as in fp32, the
    widening of the weights included."""
    return (
        x.numel() == x.shape[-1]
        and x.dtype is torch.bfloat16
        and x.is_cpu
        and not torch.is_grad_enabled()
    )


def _add_update(out: Tensor, rows: Tensor, down: Tensor, up: Tensor, scale: float) -> None:
    """Adds scale B A x to `out` (rows, out) in place: a fresh result that nobody else holds, and
    that the base's own gradient does not need."""
    if _is_token(rows):
        out.add_(mv(up.float(), mv(down.float(), rows[0].float())), alpha=scale)
    elif down.dtype == out.dtype:
        out.addmm_(rows @ down.t(), up.t(), alpha=scale)
    else:  # adapters of a base in 4 bits are in fp32
        out.add_(rows.to(down.dtype) @ down.t() @ up.t(), alpha=scale)
