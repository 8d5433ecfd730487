"""Attention on a CPU, for the two cases that its fused kernel is slow at.

torch's fused kernel works on small tiles and converts each of them from bf16: products of whole
blocks of rows take about half the time on windows of some hundred tokens, two thirds on some
thousand, forward and backward; for one new token in each of many rows, or behind a long cache,
products take a third to a half, and heads that share keys are taken together. What is neither
(fp32, several tokens with a mask) goes to transformers' own implementation over SDPA. Registered
with transformers' attention interface under a name of its own, and for masks too, since a mask
depends on the implementation.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "sdpa_on_cpu"

OVER = "sdpa"
"""The implementation that this one stands in front of."""

MANY = 512
"""Keys of all rows together: with fewer of them the fused kernel is as fast for one new token."""

BLOCK = 64
"""Rows of queries at a time: what lies above the diagonal beyond a block is never computed."""


def use_on_cpu(model: Any) -> None:
    """Lets a model on a CPU that would use SDPA use this."""
    if model.config._attn_implementation != OVER or not model._can_set_attn_implementation():
        return
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS[OVER])
    ALL_ATTENTION_FUNCTIONS.register(NAME, _attention)
    model.set_attn_implementation(NAME)


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The interface's signature: query (batch, heads, tokens, head_dim), keys and values (batch,
    key heads, tokens, head_dim), result (batch, tokens, heads, head_dim)."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    batch, heads, tokens, head_dim = query.shape
    kinds = key.shape[1]
    special = options.get("dropout") or options.get("position_bias") is not None
    if special:
        pass
    elif tokens == 1 and query.dtype == torch.bfloat16 and batch * key.shape[2] >= MANY:
        return _next(query, key, value, attention_mask, scale), None
    elif attention_mask is not None:
        pass
    elif tokens == 1 and kinds < heads:
        together = query.reshape(batch, kinds, heads // kinds, head_dim)
        told = torch.nn.functional.scaled_dot_product_attention(together, key, value, scale=scale)
        return told.reshape(batch, 1, heads, -1), None
    elif _is_ours(query, key):
        told = _Causal.apply(query, key, value, scale)  # type: ignore[no-untyped-call]
        return told.transpose(1, 2).contiguous(), None
    found: tuple[torch.Tensor, torch.Tensor | None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, scaling=scaling, **options
    )
    return found


def _is_ours(query: torch.Tensor, key: torch.Tensor) -> bool:
    """Whether these are all tokens of a text; where no mask is given, it is causal."""
    return query.dtype == torch.bfloat16 and 1 < query.shape[2] == key.shape[2]


def _next(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
) -> torch.Tensor:
    """Of one new token in each row, (batch, 1, heads, head_dim). `mask` (batch, 1, 1, keys) says
    which keys are seen, or is added to the scores."""
    asked = _grouped(query, key)[:, :, :, 0]
    scores = (asked @ key.transpose(2, 3)).float().mul_(scale)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, float("-inf"))
    elif mask is not None:
        scores = scores + mask
    told = scores.softmax(-1).to(value.dtype) @ value
    return told.reshape(len(query), 1, query.shape[1], -1)


class _Causal(torch.autograd.Function):
    """softmax(scale q k^T) v over the tokens up to each one's own; products in the dtype of the
    inputs, softmax in fp32. Probabilities are computed again for the gradient, not kept."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        rows = _grouped(query, key)
        told = torch.empty_like(rows)
        for block in _blocks(rows.shape[3]):
            asked = _flat(rows[:, :, :, block])
            chances = _chances(asked, key[:, :, : block.stop], block, scale)
            answer = chances @ value[:, :, : block.stop]
            told[:, :, :, block] = answer.view_as(told[:, :, :, block])
        ctx.save_for_backward(query, key, value, told)
        ctx.scale = scale
        return told.view_as(query)

    @staticmethod
    def backward(
        ctx: Any, *grads: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        query, key, value, told = ctx.saved_tensors
        rows, grad = _grouped(query, key), _grouped(grads[0], key)
        to_rows = torch.empty_like(rows)
        to_key, to_value = torch.zeros_like(key), torch.zeros_like(value)
        spent = (grad * told).sum(-1, keepdim=True)
        for block in _blocks(rows.shape[3]):
            seen = slice(block.stop)
            keys, values = key[:, :, seen], value[:, :, seen]
            asked, wanted = _flat(rows[:, :, :, block]), _flat(grad[:, :, :, block])
            chances = _chances(asked, keys, block, ctx.scale)
            to_value[:, :, seen] += chances.transpose(2, 3) @ wanted
            slope = wanted @ values.transpose(2, 3)
            slope.sub_(_flat(spent[:, :, :, block])).mul_(chances).mul_(ctx.scale)
            to_rows[:, :, :, block] = (slope @ keys).view_as(to_rows[:, :, :, block])
            to_key[:, :, seen] += slope.transpose(2, 3) @ asked
        return to_rows.view_as(query), to_key, to_value, None


def _grouped(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """(batch, key heads, heads that share them, tokens, head_dim)."""
    batch, heads, tokens, head_dim = query.shape
    kinds = key.shape[1]
    return query.reshape(batch, kinds, heads // kinds, tokens, head_dim)


def _flat(rows: torch.Tensor) -> torch.Tensor:
    """(batch, key heads, rows, head_dim): the heads that share keys one under the other."""
    return rows.reshape(*rows.shape[:2], -1, rows.shape[-1])


def _blocks(tokens: int) -> list[slice]:
    """Rows that go together; none of them sees more than the last one's tokens."""
    return [slice(start, min(start + BLOCK, tokens)) for start in range(0, tokens, BLOCK)]


def _chances(asked: torch.Tensor, keys: torch.Tensor, block: slice, scale: float) -> torch.Tensor:
    """(batch, key heads, rows, tokens): what each row of a block attends to. `asked` are its rows,
    flat; its last tokens are the last keys."""
    scores = (asked @ keys.transpose(2, 3)).float().mul_(scale)
    size = block.stop - block.start
    ahead = torch.ones(size, size, dtype=torch.bool, device=asked.device).triu_(1)
    own = scores.view(*scores.shape[:2], -1, size, keys.shape[2])[..., block.start :]
    own.masked_fill_(ahead, float("-inf"))
    return scores.softmax(-1).to(keys.dtype)
