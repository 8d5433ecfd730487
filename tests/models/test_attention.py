from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import DynamicCache

from lift_chat.models.attention import MANY, NAME, _attention, use_on_cpu
from tests.adapters.architectures import NAMES, build, some_ids

HEADS, KINDS, HEAD_DIM = 6, 2, 16
MODULE = SimpleNamespace(is_causal=True, num_key_value_groups=HEADS // KINDS)

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def ours(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return _attention(MODULE, query, key, value, None)[0]


def fused(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    told = functional.scaled_dot_product_attention(
        query, key, value, is_causal=query.shape[2] > 1, enable_gqa=True
    )
    return told.transpose(1, 2)


def told_and_gradients(
    attend: Attend, parts: list[torch.Tensor], dtype: torch.dtype
) -> list[torch.Tensor]:
    """What comes out, and the gradients of a sum that weighs every number differently."""
    inputs = [part.to(dtype).requires_grad_() for part in parts]
    told = attend(*inputs)
    weights = torch.linspace(-1, 1, told.numel(), dtype=dtype).view_as(told)
    (told * weights).sum().backward()
    gradients = [part.grad for part in inputs if part.grad is not None]
    assert len(gradients) == len(parts)
    return [tensor.detach().double() for tensor in [told, *gradients]]


def error(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


ROUNDING = 2**-8
"""What bf16 itself is off by, relative to a number."""


@pytest.mark.parametrize("tokens", [2, 63, 64, 65, 1000])
def test_values_and_gradients_are_exact_within_the_rounding_of_bf16(tokens: int) -> None:
    draw = torch.Generator().manual_seed(tokens)
    parts = [
        torch.randn(2, heads, tokens, HEAD_DIM, generator=draw) for heads in (HEADS, KINDS, KINDS)
    ]
    parts = [part.bfloat16().float() for part in parts]
    exact = told_and_gradients(fused, parts, torch.float64)
    own = told_and_gradients(ours, parts, torch.bfloat16)
    for mine, true in zip(own, exact, strict=True):
        assert error(mine, true) < 3 * ROUNDING


@pytest.mark.parametrize("kind", ["none", "seen", "added"])
def test_one_new_token_in_many_rows_is_exact_within_the_rounding_of_bf16(kind: str) -> None:
    draw = torch.Generator().manual_seed(7)
    rows, keys = 20, 40
    parts = [
        torch.randn(rows, heads, tokens, HEAD_DIM, generator=draw).bfloat16()
        for heads, tokens in ((HEADS, 1), (KINDS, keys), (KINDS, keys))
    ]
    assert rows * keys >= MANY
    seen = torch.arange(keys)[None, None, None] >= torch.arange(rows)[:, None, None, None]
    added = torch.zeros(rows, 1, 1, keys).masked_fill(~seen, float("-inf"))
    mask = {"none": None, "seen": seen, "added": added.bfloat16()}[kind]
    exact = functional.scaled_dot_product_attention(
        *(part.double() for part in parts),
        attn_mask=None if mask is None else seen,
        enable_gqa=True,
    ).transpose(1, 2)
    told = _attention(MODULE, *parts, mask)[0]
    assert told.shape == exact.shape
    assert error(told.double(), exact) < 3 * ROUNDING


def test_one_new_token_gets_the_very_numbers_of_the_fused_kernel() -> None:
    """Where neither keys nor rows are many."""
    parts = [
        torch.randn(3, heads, tokens, HEAD_DIM).bfloat16()
        for heads, tokens in ((HEADS, 1), (KINDS, 37), (KINDS, 37))
    ]
    assert torch.equal(ours(*parts), fused(*parts))


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_a_model_says_what_it_said_before(name: str) -> None:
    plain = build(name, torch.bfloat16).model
    own = copy.deepcopy(plain)
    use_on_cpu(own)
    assert (own.config._attn_implementation == NAME) == (name != "gemma2")  # which has eager alone
    ids = some_ids(90)
    for read in (_whole, _by_token, _padded):
        assert error(read(own, ids).double(), read(plain, ids).double()) < 0.02, read.__name__


def test_only_the_model_that_is_told_to_uses_it() -> None:
    plain = build("llama", torch.bfloat16).model
    use_on_cpu(copy.deepcopy(plain))
    assert plain.config._attn_implementation == "sdpa"


def _whole(model: Any, ids: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=ids, use_cache=False).logits
    return found


def _by_token(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """The last tokens one by one behind a cache of the others."""
    cache = DynamicCache(config=model.config)
    model(input_ids=ids[:, :-4], past_key_values=cache, use_cache=True)
    told = [
        model(input_ids=ids[:, [place]], past_key_values=cache, use_cache=True).logits
        for place in range(ids.shape[1] - 4, ids.shape[1])
    ]
    return torch.cat(told, dim=1)


def _padded(model: Any, ids: torch.Tensor) -> torch.Tensor:
    mask = torch.ones_like(ids)
    mask[:, :7] = 0
    found: torch.Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return found[:, 7:]
