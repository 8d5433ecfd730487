"""Prompts that begin alike: their beginning, the stem, is read once for all of them.

Five questions about one passage, or forty from weights alone, differ in their last tokens. Groups
of such prompts are what goes through a model together. Knows token ids, nothing of models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

MOST_ROWS = 64
"""Prompts in a group. A step of a small model costs half as much for 1 row as for 16."""

MOST_KEPT = 12_288
"""Padded tokens of a group, whose keys and values are kept."""

Ids = Sequence[int]


@dataclass(frozen=True)
class Stem:
    """`rows` are indices of prompts that have their first `shared` tokens in common; every one
    of them goes on after it."""

    rows: tuple[int, ...]
    shared: int
    longest: int
    """Tokens of the longest row, with what stands behind its prompt."""

    @property
    def rest(self) -> int:
        """Tokens of the longest row after the stem."""
        return self.longest - self.shared


def rows_of(group: Sequence[Stem]) -> list[int]:
    """The prompts of a group, in the order in which they are read."""
    return [row for stem in group for row in stem.rows]


def groups(
    prompts: Sequence[Ids],
    most_tokens: int,
    *,
    behind: Sequence[int] | None = None,
    wanted: Collection[int] | None = None,
    most_rows: int = MOST_ROWS,
) -> Iterator[list[Stem]]:
    """Prompts in groups of similar length, longest first: stems and rests, padded, stay within
    `most_tokens` each, unless a single one is longer.

    `behind` are the tokens that are read behind each prompt. With `wanted`, only groups that hold
    one of these prompts are there, and the same as without: what a batch rounds to depends on all
    that is in it.
    """
    asked = set(range(len(prompts)) if wanted is None else wanted)
    for group in _groups(prompts, most_tokens, behind, most_rows):
        if not asked.isdisjoint(rows_of(group)):
            yield group


def _groups(
    prompts: Sequence[Ids], most_tokens: int, behind: Sequence[int] | None, most_rows: int
) -> Iterator[list[Stem]]:
    lengths = [len(p) + more for p, more in zip(prompts, behind or [0] * len(prompts), strict=True)]
    found = list(_stems(prompts, lengths, most_tokens, most_rows))
    group: list[Stem] = []
    for stem in sorted(found, key=lambda stem: stem.longest, reverse=True):
        if group and not _fits([*group, stem], most_tokens, most_rows):
            yield group
            group = []
        group.append(stem)
    if group:
        yield group


def _fits(group: Sequence[Stem], most_tokens: int, most_rows: int) -> bool:
    rows = len(rows_of(group))
    return (
        rows <= most_rows
        and rows * max(stem.longest for stem in group) <= MOST_KEPT
        and rows * max(stem.rest for stem in group) <= most_tokens
        and len(group) * max(stem.shared for stem in group) <= most_tokens
    )


def _stems(
    prompts: Sequence[Ids], lengths: Sequence[int], most_tokens: int, most_rows: int
) -> Iterator[Stem]:
    """Prompts that share at least half of themselves with the first of them stand together: in
    the order of the dictionary they are neighbours."""
    stem: Stem | None = None
    for index in sorted(range(len(prompts)), key=lambda index: list(prompts[index])):
        alone = Stem((index,), len(prompts[index]) - 1, lengths[index])
        joined = stem and _joined(prompts, stem, alone)
        if joined and _fits([joined], most_tokens, most_rows):
            stem = joined
            continue
        if stem:
            yield stem
        stem = alone
    if stem:
        yield stem


def _joined(prompts: Sequence[Ids], stem: Stem, alone: Stem) -> Stem | None:
    prompt = prompts[alone.rows[0]]
    common = common_length([prompts[stem.rows[0]], prompt])
    if 2 * common < len(prompt):
        return None
    shared = min(common, stem.shared, alone.shared)
    return Stem(stem.rows + alone.rows, shared, max(stem.longest, alone.longest))


def common_length(lists: Sequence[Ids]) -> int:
    """Length of the longest common beginning."""
    pairs = enumerate(zip(*lists, strict=False))
    return next((i for i, ids in pairs if len(set(ids)) > 1), min(map(len, lists)))
