"""The paired bootstrap against cases worked out by hand."""

from __future__ import annotations

import pytest

from lift_chat.evaluation.bootstrap import Interval, paired_interval


def test_two_documents_can_only_be_drawn_in_three_ways() -> None:
    # Documents of 2 and 1 questions: means 0 (first twice), 1/3 (both), 1 (second twice), with
    # probabilities 1/4, 1/2, 1/4; so 2.5 % and 97.5 % of the draws are at 0 and at 1.
    interval = paired_interval([[0.0, 0.0], [1.0]])
    assert interval == Interval(pytest.approx(1 / 3), 0.0, 1.0, documents=2, questions=3)


def test_many_documents_give_the_intervals_of_the_normal_law() -> None:
    # 400 documents, half 0 and half 1: standard error 0.5 / 20 = 0.025, so 0.5 +- 1.96 x 0.025.
    interval = paired_interval([[float(n % 2)] for n in range(400)])
    assert interval.low == pytest.approx(0.451, abs=0.004)
    assert interval.high == pytest.approx(0.549, abs=0.004)


def test_questions_of_one_document_are_drawn_together() -> None:
    # As many questions as above in only four documents: the range is far wider.
    interval = paired_interval([[0.0] * 100, [1.0] * 100, [0.0] * 100, [1.0] * 100])
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_a_difference_that_is_always_the_same_is_sure() -> None:
    interval = paired_interval([[2.0], [2.0, 2.0], [2.0]])
    assert (interval.difference, interval.low, interval.high) == (2.0, 2.0, 2.0)


def test_one_document_has_no_interval() -> None:
    interval = paired_interval([[1.0, 3.0], []])
    assert interval == Interval(2.0, None, None, documents=1, questions=2)
    assert not interval.is_clear


def test_a_range_is_clear_when_it_leaves_out_zero() -> None:
    assert not paired_interval([[-1.0], [1.0], [0.5]] * 3).is_clear
    assert paired_interval([[-1.0], [-2.0], [-0.5]] * 3).is_clear
    assert paired_interval([[1.0], [2.0], [0.5]] * 3).is_clear


def test_five_documents_of_one_sign_are_not_clear_yet() -> None:
    assert not paired_interval([[1.0]] * 5).is_clear
    assert paired_interval([[1.0]] * 6).is_clear


def test_a_seed_repeats_the_draw() -> None:
    groups = [[n / 7, -n / 3] for n in range(9)]
    few = {"resamples": 50}
    assert paired_interval(groups, **few) == paired_interval(groups, **few)
    assert paired_interval(groups, **few) != paired_interval(groups, seed=1, **few)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="no question"):
        paired_interval([[], []])
