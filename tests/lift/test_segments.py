from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_chat.lift.segments import cut, cut_at


@given(total=st.integers(2, 9000), length=st.integers(16, 3000), share=st.floats(0.01, 1.0))
def test_every_token_is_in_a_segment_and_segments_are_of_equal_length(
    total: int, length: int, share: float
) -> None:
    stride = max(1, int(length * share))
    segments = cut(total, length=length, stride=stride)
    covered = set()
    for segment in segments:
        covered.update(range(segment.start, segment.end))
    assert covered == set(range(total))
    assert {segment.tokens for segment in segments} == {min(length, total)}


def test_the_methods_numbers_give_overlaps_of_1280_tokens() -> None:
    segments = cut(8000, length=2048, stride=768)
    pairs = list(itertools.pairwise(segments))
    assert all(a.end - b.start == 1280 for a, b in pairs[:-1])
    assert segments[-1].end == 8000


@pytest.mark.parametrize("total", [0, 1])
def test_a_text_without_a_token_to_predict_has_no_segment(total: int) -> None:
    assert cut(total, length=16, stride=8) == []


@given(total=st.integers(0, 9000), length=st.integers(16, 3000), share=st.floats(0, 1))
def test_windows_side_by_side_hold_each_token_once_from_any_offset(
    total: int, length: int, share: float
) -> None:
    offset = min(int(length * share), length - 1)
    segments = cut_at(total, length=length, offset=offset)
    covered = [token for segment in segments for token in range(segment.start, segment.end)]
    assert len(covered) == len(set(covered))
    # A single token at either end has nothing to be predicted from in such a pass.
    assert set(range(1, total - 1)) <= set(covered)
    assert all(1 < segment.tokens <= length for segment in segments)
    inner = [segment.tokens for segment in segments[1:-1]]
    assert inner == [length] * len(inner)


def test_the_offset_is_the_length_of_the_first_window() -> None:
    edges = [(s.index, s.start, s.end) for s in cut_at(100, length=40, offset=15)]
    assert edges == [(0, 0, 15), (1, 15, 55), (2, 55, 95), (3, 95, 100)]
