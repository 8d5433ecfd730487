from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lift_chat.models.rows import MOST_SAMPLES, Rows, batches, padded_left, padded_right
from tests.adapters.architectures import NAMES, build, some_ids
from tests.conftest import CPU


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_multiplied_padded_and_dropped_say_what_each_says_alone(name: str) -> None:
    model = build(name).model
    stems = [some_ids(9, seed=1)[0].tolist(), some_ids(5, seed=2)[0].tolist()]
    rests = [some_ids(size, seed=10 + size)[0].tolist() for size in (3, 6, 2)]
    last = [[7], [8]]
    reading = Rows(model, CPU.torch)
    reading.read(padded_left(stems))
    reading.take([0, 0, 1])
    reading.read(padded_right(rests))
    reading.take([2, 1])
    told = reading.read(last).logits[:, -1]
    for row, (stem, rest) in enumerate([(1, 2), (0, 1)]):
        whole = [*stems[stem], *rests[rest], *last[row]]
        torch.testing.assert_close(told[row], _alone(model, whole), atol=1e-4, rtol=1e-4)


def _alone(model: Any, ids: list[int]) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
    return found


@given(lengths=st.lists(st.integers(1, 500), max_size=90), most=st.integers(1, 2000))
def test_batches_hold_each_prompt_once_and_stay_within_their_tokens(
    lengths: list[int], most: int
) -> None:
    groups = batches(lengths, most)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        widest = max(lengths[index] for index in group)
        assert len(group) == 1 or (widest * len(group) <= most and len(group) <= MOST_SAMPLES)
