"""Pages and chapters: offsets hold, chapters end where the next of their level starts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lift_chat.documents.draft import Draft, Leaf, Mark
from lift_chat.documents.outline import (
    BLOCK_CHARACTERS,
    MAX_MARKS,
    Block,
    bind,
    compose,
    paginate,
)


def draft(texts: list[str], marks: list[tuple[str, int, int, int]]) -> Draft:
    leaves = tuple(Leaf("", text) for text in texts)
    return Draft(kind="text", leaves=leaves, marks=tuple(Mark(*mark) for mark in marks))


@given(
    st.lists(st.text(max_size=30), max_size=8),
    st.lists(
        st.tuples(st.text(max_size=5), st.integers(-3, 9), st.integers(-2, 9), st.integers(-9, 99)),
        max_size=12,
    ),
)
def test_offsets_hold_for_any_draft(
    texts: list[str], marks: list[tuple[str, int, int, int]]
) -> None:
    pages, chapters = bind(draft(texts, marks))
    text = "\n\n".join(page.text for page in pages)
    assert [text[page.start : page.end] for page in pages] == texts
    assert all(0 <= c.start <= c.end <= len(text) for c in chapters)
    assert all(pages[c.page - 1].start <= c.start <= pages[c.page - 1].end for c in chapters)
    assert [c.start for c in chapters] == sorted(c.start for c in chapters)
    assert {c.level for c in chapters} == set(range(1, len({c.level for c in chapters}) + 1))


def test_a_chapter_holds_its_sections_and_ends_at_the_next_chapter() -> None:
    marks = [("A", 1, 0, 0), ("A.1", 2, 0, 4), ("A.2", 2, 1, 0), ("B", 1, 2, 0)]
    _, chapters = bind(draft(["0123456789"] * 3, marks))
    assert [(c.title, c.level, c.page, c.start, c.end) for c in chapters] == [
        ("A", 1, 1, 0, 24),
        ("A.1", 2, 1, 4, 12),
        ("A.2", 2, 2, 12, 24),
        ("B", 1, 3, 24, 34),
    ]


def test_repeated_marks_are_kept_once_and_two_on_one_spot_are_not_empty() -> None:
    marks = [("A", 1, 0, 0), ("a", 3, 0, 0), ("B", 1, 0, 0), ("C", 1, 1, 0), (" ", 1, 0, 2)]
    _, chapters = bind(draft(["01234", "56789"], marks))
    assert [(c.title, c.start, c.end) for c in chapters] == [("A", 0, 7), ("B", 0, 7), ("C", 7, 12)]


def test_levels_have_no_holes() -> None:
    _, chapters = bind(draft(["0123456789"], [("A", 2, 0, 0), ("B", 7, 0, 3), ("C", 4, 0, 6)]))
    assert [c.level for c in chapters] == [1, 3, 2]


def test_an_endless_outline_is_cut() -> None:
    marks = [(f"{n}", 1 + n % 6, 0, n) for n in range(20_000)]
    _, chapters = bind(draft(["x" * 20_000], marks))
    assert len(chapters) == MAX_MARKS


def test_labels_are_kept_and_numbers_stand_in_for_missing_ones() -> None:
    leaves = (Leaf("iv", "a"), Leaf("", "b"))
    pages, _ = bind(Draft(kind="pdf", leaves=leaves))
    assert [(page.number, page.label) for page in pages] == [(1, "iv"), (2, "2")]


def test_list_items_stand_on_following_lines() -> None:
    blocks = [Block("a"), Block("- b", tight=True), Block("- c", tight=True), Block("d")]
    text, offsets = compose(blocks)
    assert text == "a\n\n- b\n- c\n\nd"
    assert [text[offset] for offset in offsets] == ["a", "-", "-", "d"]


def test_sections_become_pages_and_small_ones_share_a_page() -> None:
    long = "word " * 120
    blocks = [Block("Intro"), Block("One", 1), Block(long), Block("Two", 1), Block("tiny")]
    blocks += [Block("Three", 2), Block(long)]
    leaves, marks = paginate(blocks)
    assert [leaf.label for leaf in leaves] == ["One", "Two"]
    assert [(m.title, m.leaf) for m in marks] == [("One", 0), ("Two", 1), ("Three", 1)]
    assert all(leaves[m.leaf].text[m.offset :].startswith(m.title) for m in marks)


def test_text_without_headings_is_cut_at_paragraph_ends() -> None:
    leaves, marks = paginate([Block("x" * 700)] * 20)
    assert not marks
    assert all(leaf.text.replace("\n", "").count("x") % 700 == 0 for leaf in leaves)
    assert all(len(leaf.text) < BLOCK_CHARACTERS + 1000 for leaf in leaves)
    assert len(leaves) == 4
