from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lift_chat.models.stems import MOST_KEPT, groups, rows_of

PROMPTS = st.lists(
    st.builds(
        lambda passage, question: [passage] * 12 + question,
        st.integers(0, 3),
        st.lists(st.integers(10, 14), min_size=1, max_size=9),
    ),
    max_size=40,
)


def test_questions_about_one_passage_share_it_and_others_do_not() -> None:
    prompts = [[1, 2, 3, 4, 5, 20], [7, 7, 7, 21], [1, 2, 3, 4, 5, 22, 23], [7, 7, 7, 24], [9]]
    (group,) = groups(prompts, 100)
    assert [(stem.rows, stem.shared) for stem in group] == [((0, 2), 5), ((1, 3), 3), ((4,), 0)]


@given(prompts=PROMPTS, most=st.integers(1, 400), most_rows=st.integers(1, 9))
def test_each_prompt_is_in_one_group_and_a_stem_is_what_its_rows_begin_with(
    prompts: list[list[int]], most: int, most_rows: int
) -> None:
    found = list(groups(prompts, most, most_rows=most_rows))
    assert sorted(row for group in found for row in rows_of(group)) == list(range(len(prompts)))
    for group in found:
        for stem in group:
            first = prompts[stem.rows[0]][: stem.shared]
            for row in stem.rows:
                assert prompts[row][: stem.shared] == first
                assert stem.shared < len(prompts[row]) <= stem.longest
        count = len(rows_of(group))
        assert count <= most_rows
        if count > 1:
            assert len(group) * max(stem.shared for stem in group) <= most
            assert count * max(stem.rest for stem in group) <= most
            assert count * max(stem.longest for stem in group) <= MOST_KEPT


@given(prompts=PROMPTS, most=st.integers(20, 400))
def test_after_a_stop_the_groups_that_are_left_are_the_same(
    prompts: list[list[int]], most: int
) -> None:
    found = list(groups(prompts, most))
    for done in range(len(found)):
        left = sorted(row for group in found[done:] for row in rows_of(group))
        again = groups([prompts[row] for row in left], most)
        renamed = [[([left[r] for r in s.rows], s.shared) for s in group] for group in again]
        assert renamed == [[(list(s.rows), s.shared) for s in group] for group in found[done:]]


def test_what_stands_behind_a_prompt_counts() -> None:
    prompts = [[1, 1, 1, 5], [1, 1, 1, 6]]
    (group,) = groups(prompts, 100, behind=[3, 9])
    assert (group[0].longest, group[0].rest) == (13, 10)
    assert len(list(groups(prompts, 15, behind=[3, 9]))) == 2
