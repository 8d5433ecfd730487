from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lift_chat.models.batch import generate
from lift_chat.models.loading import LoadedModel
from lift_chat.models.stems import MOST_KEPT, groups, rows_of
from tests.conftest import no_turn

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
        left = [row for group in found[done:] for row in rows_of(group)]
        assert list(groups(prompts, most, wanted=left)) == found[done:]
        assert list(groups(prompts, most, wanted=left[-1:])) == found[-1:]


def test_a_group_of_which_a_part_is_known_is_asked_as_it_was(tiny: LoadedModel) -> None:
    """Without the first two prompts, the others would share one stem."""
    common = [7] * 12
    ends = [[10], [10], [11], [11], [10] * 7]
    prompts = [common + end for end in ends]
    batches: list[int] = []

    def read(_: Any, args: Any, options: dict[str, Any]) -> None:
        batches.append(len(options["input_ids"]))

    hook = tiny.model.register_forward_pre_hook(read, with_kwargs=True)
    asking = {"max_new_tokens": 1, "turn": no_turn, "batch_tokens": 20}
    try:
        whole = dict(generate(tiny.model, tiny, prompts, **asking))
        all_of_them = batches[:]
        batches.clear()
        assert dict(generate(tiny.model, tiny, prompts, wanted=[3], **asking)) == {3: whole[3]}
    finally:
        hook.remove()
    assert sorted(whole) == [0, 1, 2, 3, 4]
    last = len(batches)
    assert 0 < last < len(all_of_them) and batches == all_of_them[-last:]


def test_what_stands_behind_a_prompt_counts() -> None:
    prompts = [[1, 1, 1, 5], [1, 1, 1, 6]]
    (group,) = groups(prompts, 100, behind=[3, 9])
    assert (group[0].longest, group[0].rest) == (13, 10)
    assert len(list(groups(prompts, 15, behind=[3, 9]))) == 2
