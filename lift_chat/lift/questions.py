"""Study questions as training samples: from weights alone, or with passages open.

Absorbing must not cost the model its reading: an adapter trained on closed-book questions alone
answers worse with a passage in the window. So a share of the questions is trained behind what a
chat shows: the right passage, the right passage among others, head and tail of the document
(LIFT's contextualized training, 2502.14644, for questions). Prompts are those of chat.

With a teacher (study by distillation) the answer positions learn the base's own distribution with
the passage open, else the answer's words.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar

from lift_chat.lift.batching import Unit
from lift_chat.lift.losses import Soft
from lift_chat.lift.passages import Span
from lift_chat.lift.samples import Sample, answer, answer_ids, conversation
from lift_chat.lift.study.checks import answered_at
from lift_chat.models.excerpt import TokenPlaces
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import (
    MARKER,
    assistant,
    frame,
    question_ids,
    user,
)
from storage.passages import PassageIndex
from storage.records import StudyItem

UNIT_ITEMS = 8
"""Study questions that weigh as much as one window: about as many as are asked about its text."""

LARGEST_UNIT = 3 * UNIT_ITEMS // 2 - 1
"""So many are still one unit; one more, and they are two."""

BEHIND_ONE = 4
"""Questions asked behind one open text: it is read once for all of them."""

OTHERS = 2
"""Wrong passages beside the right one, at most."""


MOST_OPEN = 6
"""Passages that one question can be about; of more, the first and the last are opened."""

ENDS_TOKENS = 384
"""Head and tail together, as many tokens as a small window shows of a long document."""


def places_of(item: StudyItem, text: str, spans: Sequence[Span]) -> tuple[int, ...]:
    """The passages that hold an item's answer, in order; at least one. `spans` cover `text`."""
    where = answered_at(text, item)
    first = max(bisect_right(spans, where.start, key=attrgetter("start")) - 1, 0)
    last = max(bisect_left(spans, where.end, key=attrgetter("start")) - 1, first)
    if item.kind == "two-passages":  # what lies between them is not asked about
        return (first, last) if first < last else (first,)
    return tuple(range(first, last + 1))


T = TypeVar("T")


def _cut(things: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Parts of `most`; the last one may be shorter."""
    return (things[start : start + most] for start in range(0, len(things), most))


def unit_count(questions: float) -> int:
    """How many units so many questions make."""
    return max(1, round(questions / UNIT_ITEMS)) if questions else 0


def units_of(questions: Sequence[T]) -> list[Sequence[T]]:
    """Evenly filled parts of about `UNIT_ITEMS`: a crumb would weigh as much as a full one."""
    count = unit_count(len(questions))
    edges = [round(place * len(questions) / count) for place in range(count + 1)] if count else [0]
    return [questions[start:end] for start, end in pairwise(edges)]


@dataclass(frozen=True)
class Taught:
    """An item with what its teacher says; `soft` has a row per answer token and the stop token."""

    item: StudyItem
    soft: Soft | None = None


class QuestionSamples:
    """Makes samples of `taught`; `spans` are the passages that can be opened."""

    def __init__(
        self,
        loaded: LoadedModel,
        title: str,
        text: str,
        spans: Sequence[Span],
        taught: Sequence[Taught],
    ) -> None:
        self._loaded, self._title, self._text = loaded, title, text
        self._spans, self._taught = list(spans), list(taught)
        self._places = [places_of(one.item, text, self._spans) for one in taught]
        self._index = PassageIndex([span.of(text) for span in spans])
        self._closed: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self._taught)

    @cached_property
    def _tokens(self) -> TokenPlaces:
        return TokenPlaces.of(self._loaded.tokenizer, self._text)

    def closed(self, index: int) -> Sample:
        if index not in self._closed:
            one = self._taught[index]
            prompt = question_ids(self._loaded, self._title, one.item.question)
            self._closed[index] = self._answer(prompt, one)
        return self._closed[index]

    def in_order(self) -> list[Unit]:
        """All questions from weights alone, as they stand in the document."""
        return [
            tuple(self.closed(index) for index in group) for group in units_of(range(len(self)))
        ]

    def openings(self, share: float, draw: random.Random) -> list[list[list[int]]]:
        """Bundles of groups of questions: a group is asked behind one open text, a bundle weighs
        as much as a window. `share` of the questions, drawn anew, at most each once per whole."""
        bundles: list[list[list[int]]] = []
        while share > 0:
            wanted = round(min(share, 1.0) * len(self))
            chosen = draw.sample(range(len(self)), wanted)
            share -= 1.0
            bundles += map(list, _cut(self._grouped(chosen), 2))
        return bundles

    def opened(self, bundle: Sequence[Sequence[int]], seed: int) -> Unit:
        draw = random.Random(seed)
        return tuple(
            sample for group in bundle for sample in self._behind(group, self._open(group, draw))
        )

    def endings(self, share: float, draw: random.Random) -> list[list[int]]:
        """Groups of any questions, each group a unit, to be asked behind head and tail."""
        groups: list[list[int]] = []
        while share > 0:
            chosen = draw.sample(range(len(self)), round(min(share, 1.0) * len(self)))
            share -= 1.0
            groups += map(list, units_of(chosen))
        return groups

    def behind_ends(self, group: Sequence[int], seed: int) -> Unit:
        """Head and tail of the document, split at random, hold few of the answers: what is open is
        used where it helps, and the rest comes from weights."""
        share = random.Random(seed).randint(0, ENDS_TOKENS)
        head, tail = min(share, len(self._tokens)), min(ENDS_TOKENS - share, len(self._tokens))
        start = self._tokens.ends[head - 1] if head else 0
        end = self._tokens.starts[-tail] if tail else len(self._text)
        excerpt = self._text[:start].rstrip() + MARKER + self._text[max(start, end) :].lstrip()
        return tuple(self._behind(group, excerpt))

    def _grouped(self, chosen: Sequence[int]) -> list[list[int]]:
        """Questions about the same passage together, a few at a time."""
        by_place: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index in chosen:
            by_place[self._places[index]].append(index)
        return [list(part) for group in by_place.values() for part in _cut(group, BEHIND_ONE)]

    def _open(self, group: Sequence[int], draw: random.Random) -> str:
        """The right passages alone, or among those that a search for the question finds."""
        right = self._places[group[0]]
        if len(right) > MOST_OPEN:
            right = right[: MOST_OPEN // 2] + right[-(MOST_OPEN // 2) :]
        chosen = set(right)
        if draw.random() < 0.5:
            question = self._taught[draw.choice(list(group))].item.question
            found = [i for i in self._index.best(question, 2 * OTHERS) if i not in chosen]
            spare = [i for i in range(len(self._spans)) if i not in chosen]
            found += draw.sample(spare, min(len(spare), OTHERS))
            chosen.update(list(dict.fromkeys(found))[: draw.randint(1, OTHERS)])
        return MARKER.join(self._spans[i].of(self._text) for i in sorted(chosen))

    def _behind(self, group: Sequence[int], excerpt: str) -> list[Sample]:
        """Those of the group that have a teacher, and those that have none: a conversation learns
        in one way."""
        taught = [index for index in group if self._taught[index].soft is not None]
        bare = [index for index in group if self._taught[index].soft is None]
        return [
            sample
            for part in (taught, bare)
            if part
            for sample in self._conversation(part, excerpt)
        ]

    def _conversation(self, group: Sequence[int], excerpt: str) -> list[Sample]:
        """The group as one conversation behind the excerpt, or one by one where that cannot be."""
        turns = []
        for number, index in enumerate(group):
            item = self._taught[index].item
            asked = item.question if number else frame(self._title, item.question, excerpt)
            turns += [user(asked), assistant(item.answer)]
        told = conversation(self._loaded, turns)
        soft = self._soft([self._taught[index] for index in group])
        if told is not None and (soft is None or len(soft.tokens) == told.labelled):
            return [Sample(told.ids, told.labels, soft)]
        samples = []
        for index in group:
            one = self._taught[index]
            prompt = question_ids(self._loaded, self._title, one.item.question, excerpt)
            samples.append(self._answer(prompt, one))
        return samples

    def _answer(self, prompt: Sequence[int], one: Taught) -> Sample:
        rows = len(answer_ids(self._loaded, one.item.answer))
        soft = one.soft if one.soft is not None and len(one.soft.tokens) == rows else None
        return answer(self._loaded, prompt, one.item.answer, soft)

    @staticmethod
    def _soft(taught: Sequence[Taught]) -> Soft | None:
        """The teachers' rows one after another; None where there are none."""
        parts = [one.soft for one in taught if one.soft is not None]
        if not parts:
            return None
        return Soft.joined(parts, parts[0].tokens.device)
